"""A forge of daemon processes: one program imports everything once and forks a worker, relay or API on command.

Forked from a small single-threaded program and not from pytest, which has threads and connections a child must not
inherit. ``python -m tests.support.forge`` is that program: one JSON object a line in, one out. When its standard
input closes, however pytest ended, it kills whatever it forked.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[2]
_PR_SET_PDEATHSIG = 1


class Forge:
    """The forking program, from outside. Safe to use from several threads."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start the program and wait until it has imported everything."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("CUSTODY_")}
        environment.pop("CRASH_AT", None)
        with (self.home / "forge.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.forge"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=REPOSITORY,
                env=environment,
            )
        assert self._ask(do="hello") == {"ready": True}

    def fork(self, kind: str, environment: Mapping[str, str], log: Path, *, crash_at: str = "") -> Forged:
        """A process of this kind, one of ``_PARTS``, that dies at ``crash_at``, if named."""
        answer = self._ask(do="fork", kind=kind, environment=dict(environment), log=str(log), crash_at=crash_at)
        return Forged(self, kind, answer["pid"])

    def stop(self) -> None:
        """End the program; it kills what it forked and still runs."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            self._process.wait(20)

    def _ask(self, **question: Any) -> dict[str, Any]:
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        with self._lock:
            process.stdin.write(json.dumps(question) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        assert line, f"the forge is gone; see {self.home / 'forge.log'}"
        answer: dict[str, Any] = json.loads(line)
        return answer


@dataclass(frozen=True)
class Forged:
    """One forked process."""

    forge: Forge
    kind: str
    pid: int

    def ending(self) -> int | None:
        """None while it runs; then its exit code, or minus the signal that ended it."""
        found: int | None = self.forge._ask(do="poll", pid=self.pid)["ending"]
        return found

    def kill(self, what: signal.Signals = signal.SIGKILL) -> None:
        """Signal it and wait for its end."""
        self.forge._ask(do="kill", pid=self.pid, signal=int(what))
        limit = time.monotonic() + 30
        while self.ending() is None:
            assert time.monotonic() < limit, f"{self.kind} does not end"
            time.sleep(0.01)


class _Program:
    """The forking side."""

    def __init__(self) -> None:
        self._running: set[int] = set()
        self._ended: dict[int, int] = {}

    def serve(self) -> None:
        for line in sys.stdin:
            answer = self._answer(json.loads(line))
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()
        for pid in self._running:
            os.kill(pid, signal.SIGKILL)

    def _answer(self, question: dict[str, Any]) -> dict[str, Any]:
        match question["do"]:
            case "fork":
                return {"pid": self._fork(question)}
            case "poll":
                return {"ending": self._poll(question["pid"])}
            case "kill":
                if self._poll(question["pid"]) is None:
                    os.kill(question["pid"], question["signal"])
                return {}
            case _:
                return {"ready": True}

    def _fork(self, question: dict[str, Any]) -> int:
        parent = os.getpid()
        pid = os.fork()
        if pid:
            self._running.add(pid)
            return pid
        code = 1
        try:
            _become(question, parent)
            code = _PARTS[question["kind"]]() or 0
        except SystemExit as ending:
            code = ending.code if isinstance(ending.code, int) else 1
        finally:
            if sys.exc_info()[0] is not None:
                sys.excepthook(*sys.exc_info())
            sys.stderr.flush()
            os._exit(code)

    def _poll(self, pid: int) -> int | None:
        if pid in self._running:
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                self._running.discard(pid)
                self._ended[pid] = os.waitstatus_to_exitcode(status)
        return self._ended.get(pid)


def _become(question: dict[str, Any], parent: int) -> None:
    """Cut every tie to the forge but one: the child dies with it."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        raise SystemExit(1)
    os.setsid()
    log = os.open(question["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for descriptor, place in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(descriptor, place)
    os.environ.update(question["environment"])
    from custody.kernel.crash import arm

    arm(question["crash_at"])


def _worker() -> int:
    from workers.app import app

    worker = app.Worker(
        hostname=f"worker{os.getpid()}@test",
        pool="solo",
        concurrency=1,
        loglevel="WARNING",
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
    )
    worker.start()
    return int(worker.exitcode or 0)


def _relay() -> int:
    from workers.relay import main

    main()
    return 0


def _api() -> int:
    from custody.api.__main__ import main

    return main()


def _replay() -> int:
    from custody.bootstrap import start
    from custody.restore.replay import replay

    here = start(process="replay")
    replay(here.database, [chain.followed for chain in here.chains.values()], seal_key=here.seal_key)
    return 0


def _follow() -> int:
    from tests.crash.following import main

    return main()


_PARTS: dict[str, Callable[[], int]] = {
    "worker": _worker,
    "relay": _relay,
    "api": _api,
    "replay": _replay,
    "follow": _follow,
}


_MODULES = (
    "celery.apps.worker",
    "celery.concurrency.solo",
    "celery.worker.consumer",
    "custody.api.__main__",
    "custody.chains.bitcoin.adapter",
    "custody.chains.bitcoin.spending",
    "custody.chains.ethereum.adapter",
    "custody.chains.ethereum.payer",
    "custody.chains.ethereum.spending",
    "custody.relaying.effect",
    "custody.restore.replay",
    "kombu.transport.redis",
    "psycopg",
    "tests.crash.following",
    "uvicorn.lifespan.on",
    "uvicorn.loops.auto",
    "uvicorn.protocols.http.auto",
    "workers.relay",
    "workers.tasks",
)
"""Everything the parts import, also what they import late."""


if __name__ == "__main__":
    for module in _MODULES:
        importlib.import_module(module)
    # What is there now is never garbage; a collection in a child would only copy its pages.
    gc.freeze()
    _Program().serve()
