"""What a supervisor runs: a server of ``demo.servers`` or one process of the daemon, and when it counts as ready."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from demo.child import Child

PATIENCE_SECONDS = 20.0


class Member(Protocol):
    """What the supervisor runs: a server of ``demo.servers`` or a ``Service``."""

    @property
    def name(self) -> str:
        """How it is called in progress lines and logs."""

    @property
    def port(self) -> int | None:
        """Where it listens, if it does."""

    @property
    def pid(self) -> int:
        """Its process id."""

    def start(self) -> None:
        """Start it and return when it is ready."""

    def stop(self) -> None:
        """Ask it to end, and see to it that it does."""

    def kill(self) -> None:
        """SIGKILL."""

    def is_running(self) -> bool:
        """Whether its process is there."""


@dataclass
class Service:
    """One process of the daemon. It is started again whenever it ends without being asked to.

    ``is_ready`` gets called until it is true. ``stop_signal`` is what it gets at the end, ``death_signal`` when
    the supervisor itself is gone: something quicker, for a program that finishes its work on ``stop_signal``.
    """

    name: str
    argv: Sequence[str | Path]
    log: Path
    is_ready: Callable[[], bool]
    env: Mapping[str, str] | None = None
    cwd: Path | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGTERM
    patience_seconds: float = PATIENCE_SECONDS
    port: int | None = None
    """Where it listens, if it does; said when it is up."""
    _child: Child = field(init=False)

    def __post_init__(self) -> None:
        self._child = Child(
            self.name, self.argv, log=self.log, env=self.env, cwd=self.cwd, death_signal=self.death_signal
        )

    @property
    def pid(self) -> int:
        """Its process id; another one after each restart."""
        return self._child.pid

    def start(self, *, seconds: float = 60) -> None:
        """Start it and wait until it is ready; raises ``ServerFailed``."""
        self._child.start()
        self._child.await_ready(self.is_ready, seconds=seconds)

    def relaunch(self) -> str:
        """End what is left of the process that died, start another; returns how the old one ended."""
        ending = _ending(self._child.exit_code())
        self._child.kill()
        self._child.start()
        return ending

    def stop(self) -> None:
        """Ask it to end; after ``patience_seconds`` kill it and all it started."""
        self._child.stop(what=self.stop_signal, patience=self.patience_seconds)

    def kill(self) -> None:
        """SIGKILL to the process itself, as a machine that runs out of memory would."""
        self._child.send(signal.SIGKILL)

    def is_running(self) -> bool:
        """Whether its process is there."""
        return self._child.is_running()

    def has_ended(self) -> bool:
        """Whether it ran and is gone."""
        return self._child.exit_code() is not None


def listening(port: int) -> Callable[[], bool]:
    """A readiness check: something accepts connections on this loopback port."""

    def is_listening() -> bool:
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex(("127.0.0.1", port)) == 0

    return is_listening


def says(log: Path, words: str) -> Callable[[], bool]:
    """A readiness check: these words were added to ``log`` after this call."""
    already = log.stat().st_size if log.exists() else 0

    def has_said() -> bool:
        if not log.exists():
            return False
        with log.open("rb") as file:
            file.seek(already)
            return words.encode() in file.read()

    return has_said


def _ending(code: int | None) -> str:
    if code is not None and code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended with {code}"
