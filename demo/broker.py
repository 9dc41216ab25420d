"""A real Redis or Valkey of our own: loopback only, a random password, nothing kept on disk.

What it holds is a doorbell, so losing it is allowed to cost time and nothing else.
"""

from __future__ import annotations

import secrets
import socket
from pathlib import Path

from demo.child import Child, ServerFailed, free_port, write_secret
from demo.find import broker_program


class Broker:
    """One broker under ``home/broker``; the password is in its 0600 configuration, never in the argument list."""

    name = "broker"

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port = free_port()
        self._password = secrets.token_hex(24)
        self._child: Child | None = None

    def start(self, *, seconds: float = 30) -> None:
        """Start it and wait until it answers. Raises ``ServerFailed`` and ``MissingComponent``."""
        self.prepare()
        self.launch()
        self.await_ready(seconds=seconds)

    def prepare(self) -> None:
        """Write its configuration."""
        if self._child:
            return
        folder = self.home / "broker"
        folder.mkdir(parents=True, exist_ok=True)
        configuration = folder / "broker.conf"
        write_secret(configuration, self._configuration(folder))
        self._child = Child("broker", [broker_program(), configuration], log=self.log, cwd=folder)

    def launch(self) -> int:
        """Start the process without waiting for it and return its id."""
        return self._running_child.start()

    def await_ready(self, *, seconds: float = 30) -> None:
        """Wait until it answers."""
        self._running_child.await_ready(self.is_ready, seconds=seconds)

    def stop(self) -> None:
        """Ask it to end."""
        if self._child:
            self._child.stop()

    def kill(self) -> None:
        """SIGKILL; everything it held is gone."""
        self._running_child.kill()

    def restart(self) -> None:
        """Stop and start again, on the same port with the same password, empty."""
        self.stop()
        self.start()

    def is_running(self) -> bool:
        """Whether its process is there."""
        return self._child is not None and self._child.is_running()

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
    def pid(self) -> int:
        """The process id."""
        return self._running_child.pid

    @property
    def log(self) -> Path:
        """Its log file."""
        return self.home / "logs" / "broker.log"

    @property
    def url(self) -> str:
        """``redis://:PASSWORD@127.0.0.1:PORT/0``."""
        return f"redis://:{self._password}@127.0.0.1:{self.port}/0"

    @property
    def _running_child(self) -> Child:
        if self._child is None:
            raise ServerFailed("was never started", field="broker")
        return self._child

    def _configuration(self, folder: Path) -> str:
        lines = [
            "bind 127.0.0.1",
            f"port {self.port}",
            f"requirepass {self._password}",
            "protected-mode yes",
            "daemonize no",
            'save ""',
            "appendonly no",
            f'dir "{folder}"',
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
