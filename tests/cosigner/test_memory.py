"""The memory: append-only, synced, one writer at a time, never silently new."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from custody.cosigner.journal import JournalBroken
from custody.cosigner.memory import Memory, MemoryMissing, OtherRootPinned
from custody.evidence.bundle import Refusal
from custody.kernel.errors import InvalidInput
from tests.cosigner.builders import NOW, World, remember

TABLES = (
    "journal",
    "pinned",
    "signed",
    "signed_intents",
    "signed_coins",
    "requests",
    "openings",
    "seen",
    "nonces",
    "refusals",
)


@pytest.fixture
def full(world: World, memory: Memory) -> Memory:
    memory.pin(world.root.hash, now=NOW)
    memory.note_seen(["aa" * 32], now=NOW)
    remember(memory, world.judge(world.large(), memory))
    with memory.exclusive():
        refusal = Refusal("bnd_9", "bb" * 32, "north", "rejected", "no", NOW)
        memory.record_refusal(refusal, signature="00", spend="cc", intents=["dd"])
    return memory


def test_remembers_what_was_signed(world: World, full: Memory) -> None:
    (signed,) = full.signed_for_intent(world.large().payments[0].proven.intent.digest)
    verdict = world.judge(world.large(), Memory.open(_path(full)))
    assert signed == verdict.memory
    (claim,) = signed.claims
    assert full.signed_with_claim(claim) == [signed]
    assert full.signed_since(NOW) == [signed]
    assert full.signed_since(NOW + timedelta(microseconds=1)) == []
    assert full.answer_of(signed.spend) == "answer"
    assert full.signed_bundle("bnd_1", "other") == signed
    assert full.signed_bundle("other", "att_bnd_1") == signed
    assert full.intent_of_request(signed.intents[0].request_digest) == signed.intents[0].digest
    assert [opening.client for opening in full.openings()] == ["acme"]


def test_remembers_after_it_was_closed(full: Memory) -> None:
    path = _path(full)
    before = (full.log(), full.openings(), full.pinned())
    full.close()
    again = Memory.open(path)
    assert (again.log(), again.openings(), again.pinned()) == before


def test_the_first_sight_of_an_intent_stays_the_first(full: Memory) -> None:
    full.note_seen(["aa" * 32, "ab" * 32], now=NOW + timedelta(hours=1))
    assert full.first_seen("aa" * 32) == NOW
    assert full.first_seen("ab" * 32) == NOW + timedelta(hours=1)


def test_keeps_its_first_pin(world: World, full: Memory) -> None:
    full.pin(world.root.hash, now=NOW + timedelta(days=1))
    with pytest.raises(OtherRootPinned):
        full.pin("00" * 32, now=NOW)
    assert full.pinned() == world.pinned


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("statement", ["DELETE FROM {}", "UPDATE {} SET {} = 'changed'"])
def test_no_row_is_changed_or_taken_away(full: Memory, table: str, statement: str) -> None:
    with sqlite3.connect(_path(full)) as connection:
        column = connection.execute(f"PRAGMA table_info({table})").fetchall()[-1][1]
        assert connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] > 0
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            connection.execute(statement.format(table, column))


@pytest.mark.parametrize(
    "change", ["UPDATE journal SET body = '{}' WHERE place = 1", "DELETE FROM journal WHERE place = 1"]
)
def test_notices_a_log_that_was_altered_around_the_triggers(full: Memory, change: str) -> None:
    with sqlite3.connect(_path(full)) as connection:
        connection.execute("DROP TRIGGER journal_no_update")
        connection.execute("DROP TRIGGER journal_no_delete")
        connection.execute(change)
    with pytest.raises(JournalBroken):
        full.log()


def test_a_transaction_that_fails_leaves_nothing(world: World, memory: Memory) -> None:
    verdict = world.judge(world.small(), memory)
    with pytest.raises(ZeroDivisionError), memory.exclusive():
        memory.record_signature(verdict.memory, openings=verdict.openings, nonces=(), answer="answer")
        raise ZeroDivisionError
    assert (memory.log(), memory.openings(), memory.signed_since(NOW)) == ([], [], [])


def test_refuses_to_sign_one_transaction_twice_over(world: World, memory: Memory) -> None:
    verdict = world.judge(world.small(), memory)
    remember(memory, verdict)
    with pytest.raises(sqlite3.IntegrityError):
        remember(memory, verdict)


def test_lets_only_one_process_write_at_a_time(full: Memory) -> None:
    second = sqlite3.connect(_path(full), timeout=0, isolation_level=None)
    with full.exclusive(), pytest.raises(sqlite3.OperationalError, match="locked"):
        second.execute("BEGIN IMMEDIATE")


@pytest.mark.parametrize("left", [None, b""])
def test_refuses_to_go_on_without_its_memory(tmp_path: Path, left: bytes | None) -> None:
    path = tmp_path / "gone.sqlite"
    if left is not None:
        path.write_bytes(left)
    with pytest.raises(MemoryMissing):
        Memory.open(path)
    assert path.exists() == (left is not None)


def test_is_never_made_over_another(tmp_path: Path) -> None:
    Memory.create(tmp_path / "memory").close()
    with pytest.raises(InvalidInput):
        Memory.create(tmp_path / "memory")


def test_is_nobody_elses_to_read(tmp_path: Path) -> None:
    Memory.create(tmp_path / "memory").close()
    assert (tmp_path / "memory").stat().st_mode & 0o777 == 0o600


def test_syncs_what_it_records(full: Memory) -> None:
    assert full._row("PRAGMA synchronous")[0] == 3


def test_survives_being_killed_between_record_and_release(tmp_path: Path) -> None:
    path = tmp_path / "memory"
    Memory.create(path).close()
    program = f"""
        import os, signal
        from pathlib import Path
        from custody.cosigner.memory import Memory
        from tests.cosigner.builders import World, remember
        memory, world = Memory.open(Path({str(path)!r})), World()
        remember(memory, world.judge(world.small(), memory))
        os.kill(os.getpid(), signal.SIGKILL)
    """
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], cwd=root, env={**os.environ}, timeout=60)
    assert done.returncode == -signal.SIGKILL
    world, memory = World(), Memory.open(path)
    assert [entry.kind for entry in memory.log()] == ["signed"]
    assert memory.signed_for_intent(world.small().payments[0].proven.intent.digest)


def test_amounts_of_signed_coins_are_kept(world: World, memory: Memory) -> None:
    verdict = world.judge(world.small(), memory)
    other = replace(verdict.memory, spend="dd" * 32)
    with memory.exclusive():
        memory.record_signature(other, openings=(), nonces=(), answer="answer")
    assert [list(signed.claims.values()) for signed in memory.signed_since(NOW)] == [[10_000_000]]


def test_a_refusal_holds_for_the_intents_it_was_asked_for(full: Memory) -> None:
    assert full.refused_spend("cc", ["dd", "ee"])
    assert not full.refused_spend("cc", ["ee"])
    assert not full.refused_spend("c0", ["dd"])


def test_a_file_of_an_older_program_opens_and_keeps_every_refusal(full: Memory) -> None:
    path = _path(full)
    full.close()
    with sqlite3.connect(path) as connection:
        connection.execute("ALTER TABLE refusals DROP COLUMN intents")
    for _time in range(2):
        again = Memory.open(path)
        assert again.refused_spend("cc", []), "nobody wrote down for which intents: for all"
        again.close()
    with sqlite3.connect(path) as connection, pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connection.execute("UPDATE refusals SET intents = '[]'")


def _path(memory: Memory) -> Path:
    return Path(memory._row("PRAGMA database_list")[2])
