"""What every server of ours has in common: one process, started, waited for, stopped, killed, and started again."""

from __future__ import annotations

import signal
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from demo.child import Child, ServerFailed


class Server(ABC):
    """One server under ``home``; the files of the one called ``name`` are in ``home/NAME``."""

    name: str
    home: Path
    port: int
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    stop_patience: ClassVar[float] = 20
    again_on: ClassVar[tuple[str, ...]] = ()
    """Last words of a start that failed because the one before was not quite gone: it is tried again."""
    _child: Child | None = None

    def start(self, *, seconds: float = 60) -> None:
        """Start it and wait until it answers. Raises ``ServerFailed`` and ``MissingComponent``."""
        self.prepare()
        self.launch()
        self.await_ready(seconds=seconds)

    def prepare(self) -> None:
        """Everything before the process, once: its program found, its folder and configuration made."""
        if self._child is None:
            self._child = self._new_child()

    def launch(self) -> int:
        """Start the process without waiting for it and return its id."""
        return self._running_child.start()

    def await_ready(self, *, seconds: float = 60) -> None:
        """Wait until it answers. Raises ``ServerFailed`` when it ends first or the time is over."""
        self._running_child.await_ready(self.is_ready, seconds=seconds, again_on=self.again_on)

    def stop(self) -> None:
        """Ask it to end; what it has to write is written first."""
        if self._child:
            self._child.stop(what=self.stop_signal, patience=self.stop_patience)

    def kill(self) -> None:
        """SIGKILL, as a power cut would."""
        self._running_child.kill()

    def restart(self) -> None:
        """Stop and start again, on the same ports with the same passwords."""
        self.stop()
        self.start()

    def is_running(self) -> bool:
        """Whether its process is there."""
        return self._child is not None and self._child.is_running()

    @abstractmethod
    def is_ready(self) -> bool:
        """Whether it answers."""

    @property
    def pid(self) -> int:
        """The process id."""
        return self._running_child.pid

    @property
    def log(self) -> Path:
        """Its log file."""
        return self.home / "logs" / f"{self.name}.log"

    @property
    def folder(self) -> Path:
        """Where its files are."""
        return self.home / self.name

    @abstractmethod
    def _new_child(self) -> Child:
        """The process, not started, with everything it needs in place."""

    @property
    def _running_child(self) -> Child:
        if self._child is None:
            raise ServerFailed("was never started", field=self.name)
        return self._child
