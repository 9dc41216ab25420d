"""A real Redis or Valkey of our own: loopback only, a random password, nothing kept on disk.

What it holds is a doorbell, so losing it is allowed to cost time and nothing else.
"""

from __future__ import annotations

import secrets
import socket
from pathlib import Path

from demo.child import Child, ServerFailed, free_port, write_secret
from demo.find import broker_program
from demo.server import Server


class Broker(Server):
    """One broker under ``home/broker``; the password is in its 0600 configuration, never in the argument list.

    Killed or restarted, it has forgotten everything.
    """

    name = "broker"

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port = free_port()
        self._password = secrets.token_hex(24)

    def is_ready(self) -> bool:
        """Whether it answers PING."""
        try:
            return self._ask("PING") == "+PONG"
        except OSError:
            return False

    def flush(self) -> None:
        """FLUSHALL: forget everything. Raises ``ServerFailed`` when it does not."""
        answer = self._ask("FLUSHALL")
        if answer != "+OK":
            raise ServerFailed(f"FLUSHALL: {answer}", field="broker")

    @property
    def url(self) -> str:
        """``redis://:PASSWORD@127.0.0.1:PORT/0``."""
        return f"redis://:{self._password}@127.0.0.1:{self.port}/0"

    def _new_child(self) -> Child:
        self.folder.mkdir(parents=True, exist_ok=True)
        configuration = self.folder / "broker.conf"
        write_secret(configuration, self._configuration())
        return Child(self.name, [broker_program(), configuration], log=self.log, cwd=self.folder)

    def _configuration(self) -> str:
        lines = [
            "bind 127.0.0.1",
            f"port {self.port}",
            f"requirepass {self._password}",
            "protected-mode yes",
            "daemonize no",
            'save ""',
            "appendonly no",
            f'dir "{self.folder}"',
            # A queue must never drop a message to make room.
            "maxmemory-policy noeviction",
        ]
        return "\n".join(lines) + "\n"

    def _ask(self, command: str) -> str:
        """One inline command after authenticating; returns the status line of its answer."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=2) as connection:
            connection.sendall(f"AUTH {self._password}\r\n{command}\r\n".encode())
            answers = connection.makefile("r", encoding="utf-8", newline="\r\n")
            greeting = answers.readline().strip()
            return answers.readline().strip() if greeting == "+OK" else greeting
