"""One supervisor for everything that runs: parallel starts with visible progress, restarts, and no process left.

Members are the servers of ``demo.servers`` and ``Service`` (a process of the daemon). Each is in a session of its own
and tied to us, so nothing outlives this process even when it is killed with SIGKILL. State and logs are in one
folder, ``.custody`` or ``$CUSTODY_HOME``, which one supervisor holds at a time.

``python -m demo.supervisor down`` stops the one that holds it.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType, TracebackType
from typing import IO

from custody.kernel.errors import Conflict, CustodyError
from demo.child import ServerFailed
from demo.service import Member, Service, listening, says

__all__ = ["AlreadyRunning", "Member", "Service", "Supervisor", "default_home", "down", "listening", "run", "says"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_WATCH_SECONDS = 0.05
_RESTART_LIMIT = 5
_RESTART_WINDOW_SECONDS = 10.0


class AlreadyRunning(Conflict):
    """Another supervisor holds this folder."""

    code = "already-running"


class Supervisor:
    """Holds ``home`` for as long as the ``with`` block lasts; on leaving it, however, everything is stopped."""

    def __init__(self, home: Path | None = None, *, say: Callable[[str], None] = print) -> None:
        self.home = home or default_home()
        self.logs = self.home / "logs"
        self.restarts: Counter[str] = Counter()
        self._say = say
        self._members: list[Member] = []
        self._afterwards: list[Callable[[], None]] = []
        self._watched: list[Member] = []
        self._deaths: dict[str, list[float]] = {}
        self._lock = threading.RLock()
        self._ending = threading.Event()
        self._asked = self._stopping = False
        self._watcher = threading.Thread(target=self._watch, name="watcher", daemon=True)
        self._held: IO[str] | None = None

    def __enter__(self) -> Supervisor:
        self.home.mkdir(parents=True, exist_ok=True)
        # Passable, so that Postgres can run as another account; every secret inside is a 0600 file.
        self.home.chmod(0o711)
        self.logs.mkdir(exist_ok=True)
        self._held = _hold(self.home)
        if self._held is None:
            raise AlreadyRunning(f"already running as process {_holder(self.home)}; make down stops it", field="home")
        self._handlers = {number: signal.signal(number, self._asked_to_stop) for number in _SIGNALS}
        self._watcher.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def start(self, *members: Member, called: str = "") -> None:
        """Start these side by side, each with a line of its own when it is ready, or one for all where they are
        ``called`` something together; returns when all are.

        Raises the first failure; what did start stays until the block is left.
        """
        began = time.monotonic()
        pool = ThreadPoolExecutor(max_workers=max(1, len(members)))
        try:
            for outcome in [pool.submit(self._start_one, member, is_told=not called) for member in members]:
                outcome.result()
        finally:
            # After a failure or a signal nobody waits for the others: leaving the block stops them.
            pool.shutdown(wait=False, cancel_futures=True)
        if called:
            self._tell_up(called, began)

    def service(
        self,
        name: str,
        argv: Sequence[str | Path],
        *,
        is_ready: Callable[[], bool],
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        death_signal: signal.Signals = signal.SIGTERM,
        port: int | None = None,
    ) -> Service:
        """A process of the daemon that logs under this home; pass it to ``start``.

        A Celery worker wants SIGQUIT for both signals: it puts what it has in hand back in the queue at once.
        """
        log = self.logs / f"{name}.log"
        return Service(
            name,
            argv,
            log=log,
            is_ready=is_ready,
            env=env,
            cwd=cwd,
            stop_signal=stop_signal,
            death_signal=death_signal,
            port=port,
        )

    def expect_going(self) -> None:
        """For long work in another thread. Raises ``ServerFailed`` once everything is being stopped."""
        if self._asked or self._stopping:
            raise ServerFailed("everything is being stopped", field="supervisor")

    def afterwards(self, work: Callable[[], None]) -> None:
        """Do this when everything is stopped, before the folder is let go."""
        self._afterwards.append(work)

    def wait(self) -> None:
        """Stay until a signal asks for the end."""
        try:
            while True:
                time.sleep(3600)
        except SystemExit:
            return

    def stop(self) -> None:
        """Stop the daemon's processes, then the servers, and let go of the folder."""
        self._stopping = True
        self._ending.set()
        if self._watcher.is_alive():
            self._watcher.join()
        with self._lock:
            # What uses the servers ends before them; inside each group nobody waits for another.
            services = [member for member in self._members if isinstance(member, Service)]
            servers = [member for member in self._members if member not in services]
            self._members.clear()
        for group in (services, servers):
            _stop_all(group)
        while self._afterwards:
            self._afterwards.pop()()
        if self._held:
            (self.home / "supervisor.pid").unlink(missing_ok=True)
            self._held.close()
            self._held = None

    def _start_one(self, member: Member, *, is_told: bool) -> None:
        began = time.monotonic()
        with self._lock:
            if self._ending.is_set():
                raise ServerFailed("not started: everything is being stopped", field=member.name)
            self._members.append(member)
        member.start()
        with self._lock:
            self._watched.append(member)
        if is_told:
            self._tell_up(f"{member.name} is up{_where(member)}", began)

    def _tell_up(self, sentence: str, began: float) -> None:
        # Beside the story's clock, not in its column: these are seconds of its own.
        self._say(f"{'':10}{sentence}, {time.monotonic() - began:.1f} s")

    def _watch(self) -> None:
        while not self._ending.wait(_WATCH_SECONDS):
            with self._lock:
                dead = [member for member in self._watched if isinstance(member, Service) and member.has_ended()]
                for service in dead:
                    self._bring_back(service)

    def _bring_back(self, service: Service) -> None:
        moment = time.monotonic()
        recent = [at for at in self._deaths.get(service.name, []) if moment - at < _RESTART_WINDOW_SECONDS]
        self._deaths[service.name] = [*recent, moment]
        if len(recent) >= _RESTART_LIMIT:
            self._watched.remove(service)
            self._say(f"{'':10}{service.name} keeps ending and is left alone; see {service.log}")
            return
        ending = service.relaunch()
        self.restarts[service.name] += 1
        self._say(f"{'':10}{service.name} {ending}; started again")

    def _asked_to_stop(self, number: int, _frame: FrameType | None) -> None:
        # Plain flags: a handler that took a lock could meet the thread it interrupted inside it.
        if not self._asked and not self._stopping:
            self._asked = True
            raise SystemExit(128 + number)


def _where(member: Member) -> str:
    """The port that was found free for it, where it listens on one."""
    return f" on port {member.port}" if member.port else ""


def _stop_all(members: Sequence[Member]) -> None:
    with ThreadPoolExecutor(max_workers=max(1, len(members))) as pool:
        for ended in [pool.submit(member.stop) for member in members]:
            ended.result()


def default_home() -> Path:
    """``$CUSTODY_HOME``, else ``.custody`` in the working directory."""
    return Path(os.environ.get("CUSTODY_HOME") or ".custody").absolute()


def run(story: Callable[[Supervisor], int], *, home: Path | None = None) -> int:
    """Run ``story`` under a supervisor and return its exit code; what is ours to refuse is one line and 2."""
    try:
        with Supervisor(home) as supervisor:
            return story(supervisor)
    except CustodyError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def down(home: Path | None = None, *, seconds: float = 120) -> str:
    """Stop the supervisor that holds ``home`` and wait until all of it is gone; says what it did."""
    home = home or default_home()
    if not (home / "supervisor.lock").exists() or _try_hold(home):
        return "nothing is running"
    pid = _holder(home)
    os.kill(pid, signal.SIGTERM)
    limit = time.monotonic() + seconds
    while not _try_hold(home):
        if time.monotonic() > limit:
            os.kill(pid, signal.SIGKILL)
            return f"process {pid} did not end in {seconds:g} s and was killed"
        time.sleep(0.05)
    return f"stopped process {pid} and everything it ran"


def main(arguments: Sequence[str]) -> int:
    """``down``: stop a running stack."""
    if list(arguments) != ["down"]:
        print("error: command: accepted is `down`", file=sys.stderr)
        return 2
    print(down())
    return 0


def _hold(home: Path) -> IO[str] | None:
    """Take the folder's lock and leave our process id; None when another process has it."""
    file = (home / "supervisor.lock").open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    (home / "supervisor.pid").write_text(str(os.getpid()))
    return file


def _try_hold(home: Path) -> bool:
    """Whether the folder's lock is free. A process id alone may be a stranger's by now."""
    with (home / "supervisor.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def _holder(home: Path) -> int:
    return int((home / "supervisor.pid").read_text())


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
