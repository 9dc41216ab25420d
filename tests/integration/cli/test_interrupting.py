"""Ctrl-C in long work: real processes stop while the database keeps them waiting, and are run again to the end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import Engine, create_engine, text

from custody.cli.exits import INTERRUPTED
from tests.architecture.pages import REPOSITORY
from tests.integration.cli.conftest import Command
from tests.integration.reconciliation.stage import Stage
from tests.support.processes import wait_until
from tests.support.servers import FreshDatabase

DEMO = REPOSITORY / "policies/documents/demo.yaml"
WORK = {
    ("reconcile",): "a chain that was compared is written down, no other is: run it again",
    ("audit", "verify"): "nothing was changed: run it again",
    ("audit", "export", "--out", "audit.jsonl"): "audit.jsonl was not kept: run it again",
    ("policy", "simulate", str(DEMO), "--since", "2026-01-01"): "nothing was changed: run it again",
}
"""Commands that may take long, and how each goes on."""
READ = "audit_events, intents, reconciliation_runs"
"""What they read or write somewhere in their middle."""


def test_what_is_stopped_half_way_says_how_it_goes_on_and_does(
    command: Command, stage: Stage, database: FreshDatabase, tmp_path: Path
) -> None:
    stage.open("acme")
    stage.fund("acme")
    before = stage.dump()
    engine = create_engine(database.superuser_url)
    with engine.begin() as holding:
        holding.execute(text(f"LOCK TABLE {READ} IN ACCESS EXCLUSIVE MODE"))
        running = [started(*words) for words in WORK]
        try:
            wait_until(lambda: waiting(engine) == len(running), seconds=60)
            assert (tmp_path / "audit.jsonl").is_file(), "it had begun"
            for each in running:
                each.send_signal(signal.SIGINT)
            ended = [each.communicate(timeout=60) for each in running]
        finally:
            for each in running:
                each.kill()
    engine.dispose()
    for (out, err), each, (words, how) in zip(ended, running, WORK.items(), strict=True):
        assert (each.returncode, out) == (INTERRUPTED, ""), (words, err)
        assert err.splitlines() == [f"error: interrupted; {how}"], words
    assert stage.dump() == before
    for words in WORK:
        again = command(*words)
        assert again.code == 0, (words, again.err)


def test_who_only_looks_is_told_that_it_goes_on(
    command: Command, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_seconds: float) -> None:
        raise KeyboardInterrupt

    stage.open("acme")
    stage.fund("acme")
    waiting = stage.request("acme", 10_000_000)
    monkeypatch.setattr("custody.cli.watching.time", SimpleNamespace(sleep=interrupted, monotonic=time.monotonic))
    watched = command("withdrawal", "watch", waiting.id)
    assert (watched.code, watched.out.count("pending_approval")) == (INTERRUPTED, 1)
    assert watched.err == "error: interrupted; the withdrawal goes on by itself: run it again to go on looking\n"


def started(*words: str) -> subprocess.Popen[str]:
    """The real program, with the settings of this test, and Ctrl-C as at a terminal, whatever ignores it here."""
    program = [sys.executable, "-m", "custody.cli.main", *words]
    given = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(program, text=True, env=given, preexec_fn=_heard, **pipes)


def _heard() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def waiting(engine: Engine) -> int:
    """How many connections wait for what we hold."""
    with engine.connect() as connection:
        here = "SELECT oid FROM pg_database WHERE datname = current_database()"
        found = connection.execute(text(f"SELECT count(*) FROM pg_locks WHERE NOT granted AND database = ({here})"))
        return int(found.scalar_one())
