"""One child process: its own session and log, tied to us, ended by its id and never by its name."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from custody.kernel.errors import Unavailable

TETHER = Path(__file__).with_name("tether.py")
# Below the kernel's range for outgoing connections, so a server that was killed finds its port free again.
PORTS = range(10240, 32768)

# The kernel ties a child to the *thread* that made it, so one thread that never ends makes them all.
_spawner = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spawner")


class ServerFailed(Unavailable):
    """A server ended, or did not answer within its limit. The message carries the last line of its log."""

    code = "server-failed"


@dataclass(frozen=True, slots=True)
class Account:
    """The unprivileged account a program runs under when we are root."""

    uid: int
    gid: int

    def may_reach(self, path: Path) -> bool:
        """Whether every folder above ``path``, and ``path``, can be entered by this account."""
        return all(self._may_enter(folder) for folder in [path, *path.parents])

    def _may_enter(self, folder: Path) -> bool:
        status = folder.stat()
        if status.st_uid == self.uid:
            return bool(status.st_mode & 0o100)
        return bool(status.st_mode & 0o001)


@dataclass(slots=True)
class Child:
    """A program to run: start, signal, stop and kill it. ``death_signal`` is what it gets should we die first."""

    name: str
    argv: Sequence[str | Path]
    log: Path
    env: Mapping[str, str] | None = None
    cwd: Path | None = None
    account: Account | None = None
    death_signal: signal.Signals = signal.SIGTERM
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def start(self) -> int:
        """Start the program and return its process id. Already running: the same id."""
        if self._process is None or self._process.poll() is not None:
            self._process = _spawner.submit(self._spawn).result()
        return self._process.pid

    @property
    def pid(self) -> int:
        """The process id; raises ``ServerFailed`` before the first start."""
        if self._process is None:
            raise ServerFailed("was never started", field=self.name)
        return self._process.pid

    def is_running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def exit_code(self) -> int | None:
        """How it ended (negative: the signal), or None while it runs or before it ran."""
        return None if self._process is None else self._process.poll()

    def wait(self, seconds: float) -> bool:
        """Wait for its end; False when it is still there after ``seconds``."""
        if self._process is None:
            return True
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def send(self, what: signal.Signals) -> None:
        """Signal the process itself, if it runs."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(what)

    def stop(self, *, what: signal.Signals = signal.SIGTERM, patience: float = 20) -> None:
        """Ask it to end, and kill its whole group when it has not after ``patience`` seconds."""
        self.send(what)
        if not self.wait(patience):
            self.kill()
        self._kill_group()

    def kill(self) -> None:
        """SIGKILL to the process and everything it started, and wait for its end."""
        self.send(signal.SIGKILL)
        self._kill_group()
        self.wait(10)

    def await_ready(self, is_ready: Callable[[], bool], *, seconds: float = 60, again_on: Sequence[str] = ()) -> None:
        """Wait until ``is_ready``; raises ``ServerFailed`` when it ends first or the time is over.

        Ending with words of ``again_on`` in its log means that one before it is not quite gone: it is started again.
        """
        limit = time.monotonic() + seconds
        while not is_ready():
            if time.monotonic() > limit:
                raise ServerFailed(f"not ready after {seconds:g} s: {self.last_words()}", field=self.name)
            if not self.is_running():
                if not any(words in self._log_tail() for words in again_on):
                    raise ServerFailed(f"ended with {self.exit_code()}: {self.last_words()}", field=self.name)
                self.start()
            time.sleep(0.02)

    def last_words(self) -> str:
        """The last line of its log."""
        lines = self._log_tail().strip().splitlines()
        return lines[-1] if lines else "its log is empty"

    def _log_tail(self) -> str:
        return self.log.read_text(errors="replace")[-800:] if self.log.exists() else ""

    def _spawn(self) -> subprocess.Popen[bytes]:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        account = f"{self.account.uid}:{self.account.gid}" if self.account else "-"
        tie: list[str | Path] = [
            sys.executable,
            "-I",
            "-S",
            TETHER,
            str(int(self.death_signal)),
            str(os.getpid()),
            account,
        ]
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [*tie, *self.argv],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.env,
                cwd=self.cwd,
                start_new_session=True,
            )

    def _kill_group(self) -> None:
        if self._process is None:
            return
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return


def free_port() -> int:
    """A loopback TCP port nobody listens on now."""
    while True:
        port = secrets.choice(PORTS)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def write_secret(path: Path, text: str, *, account: Account | None = None) -> None:
    """Write a file that only its owner can read (0600); it never exists with wider rights."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        file.write(text)
    if account:
        os.chown(path, account.uid, account.gid)
