"""The rules change by their own people, after their delay, and what is on its way is judged by the stricter of both."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from custody.approvals import queries as intents
from custody.approvals.asking import Asked
from custody.approvals.operations import NotWaiting
from custody.changes import operations as changes
from custody.cosigner.answering import Signed, SignedRefusal, Waiting
from custody.evidence.proposals import Proposal
from custody.evidence.requests import GroupChangeRequest, OperatorChangeRequest, RuleChange
from custody.evidence.succession import SuccessionRefused
from custody.kernel.errors import InvalidInput
from custody.trust import operations as trust
from custody.withdrawals.model import Withdrawal
from demo.servers import Bitcoind
from tests.cosigner.builders import DEMO_POLICY, World
from tests.support.oracle import plays
from tests.support.road import Road, btc, yes
from tests.support.roads import road
from tests.support.servers import FreshDatabase
from tests.support.status import state_status
from tests.support.versions import Versions, change_request, relaxed, slow
from tests.support.world import House

__all__ = ["road"]

STRICTER = DEMO_POLICY.replace(
    'amount: {above: "0.05 BTC"}}\n    approvals: {operators: 2}',
    'amount: {above: "0.05 BTC"}}\n    approvals: {operators: 3}',
)
WITHOUT_BOB = DEMO_POLICY.replace("operators: [alice, bob, carol]", "operators: [alice, carol]")


@pytest.fixture
def house(database: FreshDatabase) -> Any:
    built = House.found(database)
    yield built
    built.close()


def ask(house: House, policy: str, *, kind: Any = None, asked: dict[str, Any] | None = None, **parts: Any) -> Asked:
    """Alice proposes the next version; what was asked says so."""
    with house.db.unit() as unit:
        current = trust.in_force(unit.session)
        versions = Versions(house.ceremony, current.links, current.policy_text)
        new = versions.draft(policy=policy, now=unit.now, **parts)
        chosen = {} if kind is None else {"kind": kind}
        request = change_request(new, now=unit.now, **chosen, **(asked or {}))
        return changes.request(
            unit.session,
            request=request,  # type: ignore[arg-type]
            signature=house.signed(request),  # type: ignore[arg-type]
            attachments=Proposal(new, policy).to_json(),
            trust=current,
            now=unit.now,
        )


def complete(house: House, digest: str, *, later: timedelta = timedelta(0)) -> str:
    with house.db.unit() as unit:
        return changes.complete(unit.session, digest=digest, correlation_id="test", now=unit.now + later)


def version(house: House) -> int:
    with house.db.unit() as unit:
        return trust.in_force(unit.session).root.version


def state(house: House, digest: str) -> str:
    with house.db.unit() as unit:
        return intents.get(unit.session, digest=digest).state


def test_a_version_comes_into_force_by_its_people(house: House) -> None:
    asked = ask(house, STRICTER)
    assert complete(house, asked.digest) == "pending"
    house.approve(asked.digest, "bob", "carol")
    assert complete(house, asked.digest) == "approved"
    assert complete(house, asked.digest) == "approved"
    with house.db.unit() as unit:
        found = trust.in_force(unit.session)
        assert [number for number, _, _ in trust.versions(unit.session)] == [1, 2]
    assert (found.root.version, found.policy_text, len(found.links)) == (2, STRICTER, 1)
    assert found.links[0].proven.intent.digest == asked.digest
    house.expect_whole()


@plays("P-055")
def test_p055_one_admin_alone_changes_nothing_and_payouts_meanwhile_use_the_old_policy(
    database: FreshDatabase, chain: Bitcoind, tmp_path: Path
) -> None:
    with database.db.unit() as unit:
        world = World(policy=slow(DEMO_POLICY), now=unit.now, expires_at=unit.now + timedelta(days=365))
    house = Road.build(database, chain, tmp_path, ceremony=world)
    house.open("acme")
    house.deposit("acme", btc("1"))
    asked = ask(house, relaxed(world.policy))
    house.approve(asked.digest, "bob")
    assert complete(house, asked.digest) == "pending"
    house.approve(asked.digest, "carol")
    assert complete(house, asked.digest, later=timedelta(minutes=59)) == "approved"
    assert version(house) == 1
    meanwhile = house.ask("acme", btc("0.5"))
    house.approve(meanwhile.digest, "bob")
    house.settle()
    assert house.state(meanwhile) == "pending_approval"
    assert complete(house, asked.digest, later=timedelta(minutes=61)) == "approved"
    assert version(house) == 2
    # Asked for under the old policy, it keeps the stricter of both.
    house.deliver()
    assert house.state(meanwhile) == "pending_approval"
    after = house.ask("acme", btc("0.1"))
    house.approve(after.digest, "bob")
    assert state(house, after.digest) == "approved"
    # Cosigners count the delay for themselves, and have seen the change a moment ago.
    house.deliver()
    assert {answer.why.split(":")[0] for answer in house.cosign()} == {"delay-not-over"}
    house.check()
    house.close()


def test_the_first_of_two_proposals_wins_and_the_other_is_closed(house: House) -> None:
    first, second = ask(house, STRICTER), ask(house, relaxed(DEMO_POLICY))
    house.approve(first.digest, "bob", "carol")
    house.approve(second.digest, "bob", "carol")
    complete(house, second.digest)
    assert (state(house, first.digest), state(house, second.digest)) == ("withdrawn", "approved")
    assert complete(house, first.digest) == "withdrawn"
    assert version(house) == 2
    with pytest.raises(NotWaiting):
        house.approve(first.digest, "bob")


@pytest.mark.parametrize(
    ("changes_of_it", "field"),
    [
        ({"kind": GroupChangeRequest}, "succession.policy"),
        ({"asked": {"version": 3}}, "succession.root"),
        ({"asked": {"root": "00" * 32}}, "succession.root"),
        ({"asked": {"requester": "exchange"}}, "succession.proven.intent.request.requester"),
        ({"previous": "00" * 32}, "succession.root.previous"),
        ({"keysets": ()}, "succession.root"),
    ],
)
def test_what_cosigners_would_refuse_is_refused_when_it_is_asked_for(
    house: House, changes_of_it: dict[str, Any], field: str
) -> None:
    before = house.row_counts()
    with pytest.raises(SuccessionRefused) as refused:
        ask_with(house, **changes_of_it)
    assert refused.value.field == field
    assert house.row_counts() == before


def ask_with(house: House, *, previous: str | None = None, **options: Any) -> Asked:
    if previous is None:
        return ask(house, STRICTER, **options)
    with house.db.unit() as unit:
        current = trust.in_force(unit.session)
        new = replace(Versions.of(house.ceremony).draft(policy=STRICTER, now=unit.now), previous=previous)
        request = change_request(new, now=unit.now)
        return changes.request(
            unit.session,
            request=request,  # type: ignore[arg-type]
            signature=house.signed(request),  # type: ignore[arg-type]
            attachments=Proposal(new, STRICTER).to_json(),
            trust=current,
            now=unit.now,
        )


def test_names_what_is_missing_beside_a_request(house: House) -> None:
    with house.db.unit() as unit, pytest.raises(InvalidInput) as refused:
        request: RuleChange = change_request(Versions.of(house.ceremony).draft(policy=STRICTER, now=unit.now))
        request = replace(request, not_after=unit.now + timedelta(days=1))
        changes.request(
            unit.session,
            request=request,  # type: ignore[arg-type]
            signature=house.signed(request),  # type: ignore[arg-type]
            attachments={"policy": STRICTER},
            trust=trust.in_force(unit.session),
            now=unit.now,
        )
    assert refused.value.field == "attachments.root"


def on_its_way(road: Road) -> Withdrawal:
    """Half a bitcoin that alice and bob agreed to, composed and not given out."""
    road.open("acme")
    road.deposit("acme", btc("0.9"))
    asked = road.ask("acme", btc("0.5"))
    road.approve(asked.digest, "alice", "bob")
    road.settle(cosigners=())
    assert road.state(asked) == "awaiting_signatures"
    return asked


def change(road: Road, policy: str, **options: Any) -> None:
    asked = ask(road, policy, **options)
    road.approve(asked.digest, "bob", "carol")
    road.deliver()
    assert version(road) == 2


@plays("P-054")
def test_p054_a_quorum_raised_after_approvals_is_asked_for_at_signing(road: Road) -> None:
    asked = on_its_way(road)
    (before,) = road.bundles_for("south")
    change(road, STRICTER)
    assert road.cosign() == []
    # What was given out before the change is refused by whoever learns of the change.
    road.desks["south"].answer(before, confirm=lambda _: None, clock=road.now)
    road.approve(asked.digest, "carol")
    road.settle()
    road.mine(2)
    assert road.state(asked) == "completed" or road.state(asked) == "confirmed"
    assert road.events(before.id).count("bundle.renewed") == 1
    road.check()


@plays("P-053")
def test_p053_who_was_removed_after_approving_does_not_count_at_signing(road: Road) -> None:
    asked = on_its_way(road)
    (before,) = road.bundles_for("north")
    people = tuple(person for person in road.ceremony.root.operators if person.id != "bob")
    removal = ask(
        road, WITHOUT_BOB, kind=OperatorChangeRequest, operators=people, groups={"operators": ("alice", "carol")}
    )
    road.approve(removal.digest, "bob", "carol")
    road.deliver()
    assert road.cosign() == []
    held = replace(before, status=state_status(road.db))
    answer = road.desks["north"].answer(held, confirm=yes, clock=road.now)
    assert isinstance(answer, Waiting)
    assert answer.why.startswith("root-older")
    road.approve(asked.digest, "carol")
    road.settle()
    road.mine(2)
    assert road.state(asked) in ("completed", "confirmed")
    road.check()


NO_MORE = '  - forbid: half a bitcoin\n    match: {kind: withdrawal, amount: {above: "0.4 BTC"}}\n'
NEVER = DEMO_POLICY.replace("  - forbid: more than 1 BTC", NO_MORE + "  - forbid: more than 1 BTC")


def test_a_policy_that_now_denies_asks_no_cosigner(road: Road) -> None:
    asked = on_its_way(road)
    change(road, NEVER)
    assert road.cosign() == []
    road.settle()
    assert road.state(asked) == "denied"
    road.check()


def test_a_policy_that_now_denies_what_was_given_out_has_cosigners_say_so(road: Road) -> None:
    asked = on_its_way(road)
    assert road.bundles_for("north"), "from now on it may have signed"
    change(road, NEVER)
    answers = road.cosign()
    assert {type(answer) for answer in answers} == {SignedRefusal}
    road.settle()
    assert road.state(asked) == "failed"
    assert not any(isinstance(answer, Signed) for answer in answers)
    road.check()
