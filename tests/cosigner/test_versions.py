"""A cosigner walks to later versions of the trust root by itself, and remembers what it has seen."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from custody.cosigner.answering import Answer, Desk, Signed, Waiting
from custody.cosigner.limits import Limits
from custody.cosigner.memory import Memory
from custody.evidence.announcement import Announcement
from custody.evidence.announcement import Waiting as Waits
from custody.evidence.bundle import Bundle
from custody.evidence.proven import ProvenIntent
from custody.evidence.requests import OperatorChangeRequest
from tests.cosigner.builders import DEMO_POLICY, NOW, World
from tests.cosigner.keyholder import DONE, WAITING, Keyholder, live_bundle
from tests.support.versions import Versions, relaxed, slow

LEFT = DEMO_POLICY.replace("operators: [alice, bob, carol]", "operators: [bob, carol]")


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    found = Memory.create(tmp_path / "memory.sqlite")
    found.pin(World().root.hash, now=NOW)
    return found


def desk(memory: Memory, **limits: int) -> Desk:
    return Desk(World().key, memory, Limits(**limits))


def answer(at: Desk, bundle: Bundle, *, now: datetime = NOW) -> Answer:
    return at.answer(bundle, confirm=lambda _verdict: True, clock=lambda: now)


def without_alice(versions: Versions) -> Versions:
    people = tuple(person for person in versions.root.operators if person.id != "alice")
    return versions.then(
        kind=OperatorChangeRequest, policy=LEFT, operators=people, groups={"operators": ("bob", "carol")}
    )


def test_walks_to_the_newest_version_and_signs_under_it(memory: Memory) -> None:
    versions = Versions.of(World()).then(policy=relaxed(DEMO_POLICY)).then(policy=DEMO_POLICY)
    found = answer(desk(memory), versions.small())
    assert isinstance(found, Signed)
    pinned = memory.pinned()
    assert pinned is not None
    assert (pinned.version, pinned.hash) == (3, versions.root.hash)
    assert [entry.body["version"] for entry in memory.log() if entry.kind == "advanced"] == [2, 3]


def test_never_goes_back_and_never_to_a_fork(memory: Memory) -> None:
    first = Versions.of(World())
    there = first.then(policy=relaxed(DEMO_POLICY))
    assert isinstance(answer(desk(memory), there.small()), Signed)
    older = answer(desk(memory), replace(first.large(), id="bnd_2", attempt="att_2"))
    assert isinstance(older, Waiting)
    assert older.why.startswith("root-older")
    again = Memory.open(Path(memory._connection.execute("PRAGMA database_list").fetchone()[2]))
    pinned = again.pinned()
    assert pinned is not None
    assert pinned.version == 2


def test_takes_a_version_over_even_where_it_refuses_the_payment(memory: Memory) -> None:
    there = Versions.of(World()).then(policy=relaxed(DEMO_POLICY))
    assert not isinstance(answer(desk(memory), there.large(approvers=())), Signed)
    pinned = memory.pinned()
    assert pinned is not None
    assert pinned.version == 2


def test_a_delayed_version_counts_from_when_it_was_first_seen_here(memory: Memory, tmp_path: Path) -> None:
    world = World(policy=slow(DEMO_POLICY))
    memory = Memory.create(tmp_path / "slow.sqlite")
    memory.pin(world.root.hash, now=NOW)
    there = Versions.of(world).then(policy=relaxed(world.policy))
    first = answer(desk(memory), there.small())
    assert isinstance(first, Waiting)
    assert first.why.startswith("delay-not-over")
    assert memory.pinned() is not None
    assert memory.pinned().version == 1  # type: ignore[union-attr]
    soon, late = NOW + timedelta(minutes=59), NOW + timedelta(minutes=61)
    assert isinstance(answer(desk(memory), there.small(now=soon), now=soon), Waiting)
    assert isinstance(answer(desk(memory), there.small(now=late), now=late), Signed)
    assert memory.pinned().version == 2  # type: ignore[union-attr]


def test_payments_meanwhile_use_the_old_policy(tmp_path: Path) -> None:
    world = World(policy=slow(DEMO_POLICY))
    memory = Memory.create(tmp_path / "slow.sqlite")
    memory.pin(world.root.hash, now=NOW)
    answer(desk(memory), Versions.of(world).then(policy=relaxed(world.policy)).large(approvers=("bob",)))
    assert isinstance(answer(desk(memory), replace(world.small(), id="bnd_2", attempt="att_2")), Signed)
    one = replace(world.large(approvers=("bob",)), id="bnd_3", attempt="att_3")
    assert not isinstance(answer(desk(memory), one), Signed)


def test_an_opening_outlives_the_operator_who_agreed_to_it(memory: Memory) -> None:
    there = without_alice(Versions.of(World()))
    bundle = there.large(approvers=("bob", "carol"))
    assert [each.statement.approver for each in bundle.openings[0].approvals] == ["alice"]
    assert isinstance(answer(desk(memory), bundle), Signed)


def test_an_opening_outlives_its_operator_where_the_later_version_is_pinned(memory: Memory) -> None:
    there = without_alice(Versions.of(World()))
    with memory.exclusive():
        memory.advance([(2, there.root.hash)], now=NOW)
    assert isinstance(answer(desk(memory), there.large(approvers=("bob", "carol"))), Signed)


def test_an_opening_known_here_needs_no_proof_again(memory: Memory) -> None:
    bundle = World().small()
    assert isinstance(answer(desk(memory), bundle), Signed)
    bare = replace(bundle.openings[0], approvals=())
    world = World()
    payment = world.payment(world.withdrawal("acme", 1_000_000), branch=7)
    psbt = world.transaction([payment], [world.coin(7, 10_000_000, salt="second")], fee_sat=3_000)
    assert isinstance(answer(desk(memory), world.bundle([payment], [bare], psbt, name="bnd_2")), Signed)


def test_an_opening_nobody_of_any_version_agreed_to_is_refused(memory: Memory) -> None:
    there = without_alice(Versions.of(World()))
    bundle = there.large(approvers=("bob", "carol"))
    bare = replace(bundle, openings=(replace(bundle.openings[0], approvals=()),))
    assert not isinstance(answer(desk(memory), bare), Signed)


def test_remembers_a_status_statement_whatever_becomes_of_the_bundle(memory: Memory) -> None:
    world = World()
    refused = replace(world.large(approvers=()), status=world.status(number=9))
    assert not isinstance(answer(desk(memory), refused), Signed)
    assert memory.newest_status("keeper") == (9, world.status(number=9).status.message.hex())
    older = replace(world.small(name="bnd_2"), status=world.status(number=8))
    found = answer(desk(memory), older)
    assert isinstance(found, Waiting)
    assert found.why.startswith("status-turned-back")


def test_a_fresher_statement_lets_the_same_bundle_go_on(memory: Memory) -> None:
    world = World()
    frozen = replace(world.small(), status=world.status(frozen=("client:acme",)))
    assert isinstance(answer(desk(memory), frozen), Waiting)
    later = NOW + timedelta(minutes=1)
    thawed = replace(frozen, status=world.status(now=later))
    assert thawed.digest == frozen.digest
    assert isinstance(answer(desk(memory), thawed, now=later), Signed)


def test_a_keyholder_who_wants_to_read_versions_is_waited_for(memory: Memory) -> None:
    there = Versions.of(World()).then(policy=relaxed(DEMO_POLICY))
    careful = desk(memory, confirm_versions=1)
    found = answer(careful, there.small())
    assert isinstance(found, Waiting)
    assert found.why.startswith("version-not-confirmed")
    standing = careful.learn(there.small(), now=NOW)
    assert standing is not None
    with memory.exclusive():
        careful.advance(standing, now=NOW)
    assert isinstance(answer(careful, there.small()), Signed)


def test_a_memory_of_an_older_program_learns_to_remember_them(tmp_path: Path) -> None:
    path = tmp_path / "memory.sqlite"
    Memory.create(path).close()
    bare = sqlite3.connect(path)
    for table in ("versions", "statuses"):
        bare.execute(f"DROP TABLE {table}")
    bare.commit()
    bare.close()
    memory = Memory.open(path)
    with memory.exclusive():
        memory.advance([(2, "00" * 32)], now=NOW)
        memory.note_status(World().status(number=1), now=NOW)
    with pytest.raises(sqlite3.Error, match="append-only"):
        memory._connection.execute("DELETE FROM versions")


def announced(versions: Versions, *asked: ProvenIntent) -> Announcement:
    waiting = tuple(Waits(each.intent, each.request_signature) for each in asked)
    return Announcement(versions.policy, versions.world.signed_root, versions.links, versions.world.status(), waiting)


def test_a_delay_is_served_once_while_people_decide(tmp_path: Path) -> None:
    world = World(policy=slow(DEMO_POLICY))
    memory = Memory.create(tmp_path / "slow.sqlite")
    memory.pin(world.root.hash, now=NOW)
    there = Versions.of(world).then(policy=relaxed(world.policy))
    assert desk(memory).see(announced(Versions.of(world), there.links[0].proven), now=NOW) == 1
    late = NOW + timedelta(minutes=61)
    assert isinstance(answer(desk(memory), there.small(now=late), now=late), Signed)


def test_a_delay_begins_for_nothing_that_its_requester_did_not_sign(memory: Memory) -> None:
    versions = Versions.of(World())
    change = versions.then(policy=relaxed(DEMO_POLICY)).links[0].proven
    forged = replace(change, request_signature=World().small().payments[0].proven.request_signature)
    assert desk(memory).see(announced(versions, forged), now=NOW) == 0
    assert memory.first_seen(change.intent.digest) is None
    other = Versions.of(World(requesters=("exchange", "mallory")))
    assert desk(memory).see(announced(other, change), now=NOW) == 0
    assert memory.first_seen(change.intent.digest) is None


def test_advance_shows_what_a_version_changes_and_pins_it_after_a_yes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    live = World(now=datetime.now(NOW.tzinfo))
    north = Keyholder("north", tmp_path)
    assert north.init() == DONE
    assert north.pin(live) == DONE
    there = Versions.of(live).then(policy=relaxed(DEMO_POLICY), now=live.now)
    rules = north.write("bundle.json", json.dumps(there.carry(live_bundle(live)).to_json()))
    capsys.readouterr()
    assert north.run("advance", rules) == WAITING
    told = capsys.readouterr().out
    assert "agreed to by bob, carol" in told
    assert "it changes: policy_hash" in told
    assert north.run("advance", rules, "--yes") == DONE
    assert north.run("advance", rules) == DONE
    assert "version 2 is pinned already" in capsys.readouterr().out
