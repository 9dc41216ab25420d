"""A cosigner leaves: new addresses come from the later keyset, the older is watched for ever, its money is swept."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest

from custody.evidence.intents import VaultName
from custody.evidence.keysets import ProofRefused
from custody.kernel.errors import InvalidInput
from custody.reconciliation.stuck import stuck
from custody.restore.operations import NotReplayed, finish
from custody.restore.replay import replay
from custody.rotation.model import RotationPlan, Step
from custody.rotation.planning import NO_VAULT, Means, plan
from custody.rotation.queries import read
from custody.trust import operations as trust
from custody.withdrawals.operations import expire_overdue
from demo.servers import Bitcoind
from tests.cosigner.builders import KEYSET
from tests.integration.restore.conftest import Backup, backup
from tests.support.governing import file, freeze
from tests.support.road import Road, btc
from tests.support.rotating import LATER, NEWCOMER, RotatingWorld, open_later, propose, succeed, sweep
from tests.support.servers import FreshDatabase

__all__ = ["backup"]


@pytest.fixture
def road(database: FreshDatabase, chain: Bitcoind, tmp_path: Path) -> Iterator[Road]:
    """A house under version 1, with desks for everybody; the newcomer's waits for version 2."""
    now = datetime.now(UTC)
    built = Road.build(database, chain, tmp_path, ceremony=RotatingWorld(now=now, expires_at=now + timedelta(days=365)))
    built.seat(NEWCOMER, tmp_path / "west.sqlite")
    yield cast("Road", built)
    built.close()


def rotate(road: Road) -> None:
    """The later keyset comes into force as everything else does: proposed, agreed to, walked to by the cosigners."""
    assert isinstance(road.ceremony, RotatingWorld)
    succeed(road, road.ceremony.later, deliver=road.deliver)


def planned(road: Road, *, most_inputs: int = 50, fee_rate: int | None = None) -> RotationPlan:
    """What is to be asked for next, with the node's fees."""
    here = road.runtime.only
    with road.db.unit() as unit:
        standing = read(unit.session, root=trust.in_force(unit.session).root, rules={here.chain: here.spend_rules})
    means = {here.chain: Means(here.node, here.spend_rules, fee_rate)}
    return plan(standing, means=means, most_inputs=most_inputs)


def start(road: Road, steps: tuple[Step, ...]) -> list[str]:
    """Bob asks for each, alice agrees, and the cosigners of the older keyset sign."""
    found = []
    for step in steps:
        asked = sweep(road, step.client, step.units, out_of=step.out_of, max_fee=step.max_fee_units)
        road.approve(asked.digest, "alice")
        found.append(asked.id)
    road.settle()
    road.mine(6)
    return found


def test_a_cosigner_is_replaced_and_the_money_follows(road: Road) -> None:
    road.open("acme")
    first = road.address("acme")
    road.deposit("acme", btc("0.3"), btc("0.2"), btc("0.1"))
    rotate(road)
    assert [(left.units, left.why) for left in planned(road).left] == [(btc("0.6"), NO_VAULT)]
    older = open_later(road, "acme", branch=60_001)
    assert road.address("acme").vault == f"{LATER}/60001", "new addresses come from the later keyset"

    steps = planned(road, most_inputs=2).steps
    assert [(step.out_of, step.to, step.inputs) for step in steps] == [
        (older, f"{LATER}/60001", 2),
        (older, f"{LATER}/60001", 1),
    ]
    assert sum(step.units + step.max_fee_units for step in steps) == btc("0.6"), "nothing stays behind"
    done = [road.see(name) for name in start(road, steps)]
    assert {(each.state, each.kind) for each in done} == {("completed", "sweep")}
    assert [each.fee_units for each in done] == [step.max_fee_units for step in steps]
    fees = sum(step.max_fee_units for step in steps)
    assert road.balance("acme") == (btc("0.6") - fees, 0), "nobody was paid but the network"
    assert planned(road) == RotationPlan((), ())
    road.check()

    # P-023 holds over a rotation: who pays to the oldest address is credited, and the plan shows it.
    road.node.send(first.address, btc("0.1"))
    road.mine(6)
    assert road.balance("acme") == (btc("0.7") - fees, 0), "an older address is watched for ever"
    (late,) = planned(road, fee_rate=20_000).steps
    assert late.units + late.max_fee_units == btc("0.1")
    start(road, (late,))
    assert planned(road) == RotationPlan((), ()), "nothing came back, though it paid more than the node asks"
    asked = road.ask("acme", btc("0.04"))
    assert asked.vault == f"{LATER}/60001"
    road.settle(cosigners=("north", NEWCOMER))
    road.mine(6)
    assert road.see(asked).state == "completed", "the newcomer signs for the later keyset"
    road.check()


def test_pays_out_of_the_vault_that_can(road: Road) -> None:
    road.open("acme")
    road.deposit("acme", btc("0.5"))
    rotate(road)
    older = open_later(road, "acme", branch=60_002)
    asked = road.ask("acme", btc("0.04"))
    assert asked.vault == older, "what was not swept yet is still the client's to withdraw"
    road.settle()
    road.mine(6)
    assert road.see(asked).state == "completed"
    road.check()


def test_plans_nothing_twice_and_nothing_that_is_stopped(road: Road) -> None:
    pool = road.pool("acme", "bolt")
    road.deposit("acme", btc("0.2"))
    road.deposit("bolt", btc("0.1"))
    rotate(road)
    for client in ("acme", "bolt"):
        open_later(road, client, branch=60_010, segregation="omnibus")
    steps = planned(road).steps
    assert sum(step.units + step.max_fee_units for step in steps) <= btc("0.3")
    assert {step.client for step in steps} == {"acme", "bolt"}
    for step in steps:
        assert step.units + step.max_fee_units <= road.balance(step.client)[0]
    asked = sweep(road, "acme", btc("0.1"), out_of=pool)
    waiting = planned(road)
    assert [step.client for step in waiting.steps] == ["bolt"]
    assert "1 sweeps of it wait" in waiting.left[0].why
    file(road.db, freeze(road.db, "everything", "everything"))
    assert planned(road).steps == ()
    assert road.cancel(asked.id).state == "cancelled"
    road.check()


def test_a_database_that_forgot_a_sweep_pays_nothing_and_says_so(road: Road, backup: Backup) -> None:
    road.open("acme")
    road.deposit("acme", btc("0.5"))
    rotate(road)
    older = open_later(road, "acme", branch=60_030)
    moved = sweep(road, "acme", btc("0.4999"), out_of=older, max_fee=10_000)
    forgetful = backup()
    road.approve(moved.digest, "alice")
    road.settle()
    road.mine(6)
    assert road.state(moved) == "completed"

    restored = road.on(forgetful)
    assert restored.start() is not None
    here = restored.runtime
    replay(restored.db, [chain.followed for chain in here.chains.values()], seal_key=here.seal_key)
    restored.settle()
    stopped = {found.vault for found in restored.reconcile().breaks}
    assert stopped == {older, f"{LATER}/60030"}, "one holds less than is booked, both less than is owed"
    with pytest.raises(NotReplayed), restored.db.unit() as unit:
        finish(unit.session, heights={here.only.chain: road.node.rpc("getblockcount")}, actor="test", now=unit.now)
    assert restored.state(moved) == "pending_approval"
    asked = restored.ask("acme", btc("0.04"))
    restored.settle()
    assert restored.attempts(asked) == [], "what arrived at the later vault pays nobody before people have looked"
    restored.db.dispose()


def test_a_sweep_that_nobody_agrees_to_is_in_the_stuck_queue(road: Road) -> None:
    road.open("acme")
    road.deposit("acme", btc("0.5"))
    rotate(road)
    older = open_later(road, "acme", branch=60_031)
    asked = sweep(road, "acme", btc("0.1"), out_of=older)
    with road.db.unit() as unit:
        late = unit.now + timedelta(days=3)
        rows = [row for row in stuck(unit.session, deadlines=road.runtime.deadlines, now=late) if row.id == asked.id]
    assert [(row.state, row.why) for row in rows] == [("pending_approval", "waits for people's approval")]
    with road.db.unit() as unit:
        assert expire_overdue(unit.session, now=late) == [asked.id]
    assert road.balance("acme") == (btc("0.5"), 0)
    road.check()


def test_opens_nothing_under_a_keyset_that_was_left(road: Road) -> None:
    rotate(road)
    before = road.row_counts()
    with pytest.raises(InvalidInput, match=rf"request\.keyset: .*{LATER}"):
        road.request_opening(road.opening_request("bolt", branch=60_020, keyset=KEYSET))
    assert road.row_counts() == before


def test_no_keyset_comes_without_each_of_its_cosigners(road: Road) -> None:
    assert isinstance(road.ceremony, RotatingWorld)
    before = road.row_counts()
    with pytest.raises(ProofRefused):
        propose(road, road.ceremony.later, consents=2)
    assert road.row_counts() == before


def test_refuses_a_sweep_that_cosigners_would_refuse(road: Road) -> None:
    road.open("acme")
    road.open("bolt")
    road.deposit("acme", btc("0.5"))
    rotate(road)
    older = open_later(road, "acme", branch=60_003)
    strange = road.address("bolt").address
    before = road.row_counts()
    for field, said, changes in (
        ("request.destination", older, {"destination": strange}),
        ("request.out_of", road.vaults["bolt"], {}),
        ("request.to", older, {"to": VaultName.parse(older, field="to")}),
        ("request.destination", older, {"index": 0}),
    ):
        with pytest.raises(InvalidInput) as refused:
            sweep(road, "acme", btc("0.1"), out_of=said, **changes)
        assert refused.value.field == field
    changed = {name for name, count in road.row_counts().items() if count != before[name]}
    assert changed <= {"audit_events", "events", "outbox"}, "only addresses were handed out"
