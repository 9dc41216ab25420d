"""Who counts, until when, and what a no is worth: on a real house with its node and its cosigners."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from custody.approvals import queries
from custody.approvals.operations import AlreadySpoken, NotWaiting
from custody.evidence.approvals import ApprovalRefused
from custody.trust import operations as trust
from policies.document import document_hash
from tests.cosigner.builders import DELAYED, DEMO_POLICY
from tests.support import passkeys
from tests.support.oracle import plays
from tests.support.passkeys import Passkey
from tests.support.road import Road, btc
from tests.support.servers import Bitcoind, FreshDatabase

THREE = DEMO_POLICY.replace(
    "approvals: {operators: 2}\n  - forbid: more", "approvals: {operators: 3}\n  - forbid: more"
)


def build(database: FreshDatabase, node: Bitcoind, tmp_path: Any, policy: str) -> Road:
    node.fund()
    house = Road.build(database, node, tmp_path, ceremony=passkeys.world(policy=policy))
    house.open("acme")
    house.deposit("acme", btc("0.5"))
    return house


@pytest.fixture
def house(database: FreshDatabase, bitcoind: Bitcoind, tmp_path: Any) -> Iterator[Road]:
    """Two of three operators agree to a large payment."""
    house = build(database, bitcoind, tmp_path, DEMO_POLICY)
    yield house
    house.close()


@pytest.fixture
def patient(database: FreshDatabase, bitcoind: Bitcoind, tmp_path: Any) -> Iterator[Road]:
    """The same, and then an hour passes."""
    house = build(database, bitcoind, tmp_path, DELAYED)
    yield house
    house.close()


def later(house: Road, monkeypatch: pytest.MonkeyPatch, **passed: int) -> None:
    """Move the house's clock on."""
    monkeypatch.setattr(house.db, "_offset", house.db._offset + timedelta(**passed))


def state(house: Road, digest: str) -> str:
    with house.db.unit() as unit:
        return queries.get(unit.session, digest=digest).state


def missing(house: Road, digest: str) -> dict[str, int]:
    with house.db.unit() as unit:
        filed, root = queries.get(unit.session, digest=digest), trust.in_force(unit.session).root
        return dict(queries.standing(unit.session, filed, root=root, now=unit.now).missing)


@plays("P-052")
def test_p052_who_asked_counts_for_nothing(house: Road) -> None:
    asked = house.ask("acme", btc("0.1"), requester="alice")
    with pytest.raises(ApprovalRefused, match="requester"):
        house.approve(asked.digest, "alice")
    statement = passkeys.asked(house, "alice", asked.digest)
    with pytest.raises(ApprovalRefused, match="requester"):
        passkeys.give(house, Passkey("alice").approval(statement))
    house.approve(asked.digest, "bob")
    assert missing(house, asked.digest) == {"operators": 1}
    house.settle()
    assert house.state(asked) == "pending_approval"
    house.approve(asked.digest, "carol")
    house.settle()
    house.mine(3)
    assert house.state(asked) == "completed"
    house.check()


@plays("P-054")
def test_p054_a_quorum_that_was_raised_counts_for_what_was_agreed_to_before(house: Road) -> None:
    asked = house.ask("acme", btc("0.1"))
    house.approve(asked.digest, "alice", "bob")
    house.deliver(topics={"intents.approved"})
    assert house.state(asked) == "approved"
    with house.db.unit() as unit:
        root = trust.in_force(unit.session).root
    raised = replace(root, version=2, previous=root.hash, policy_hash=document_hash(THREE))
    passkeys.put_in_force(house, raised, policy=THREE)
    house.settle(cosigners=())
    assert house.state(asked) == "pending_approval"
    assert missing(house, asked.digest) == {"operators": 1}
    assert house.attempts(asked) == []
    house.expect_whole()
    house.approve(asked.digest, "carol")
    house.deliver(topics={"intents.approved"})
    assert house.state(asked) == "approved"


@plays("P-056")
def test_p056_verdicts_that_expired_are_given_afresh_or_nothing_is_signed(
    house: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = house.ask("acme", btc("0.1"))
    for person in ("alice", "bob"):
        passkeys.give(house, house.approval(person, asked.digest, not_after=house.now() + timedelta(minutes=5)))
    house.deliver(topics={"intents.approved"})
    assert house.state(asked) == "approved"
    later(house, monkeypatch, minutes=10)
    house.settle()
    assert house.state(asked) == "pending_approval"
    assert missing(house, asked.digest) == {"operators": 2}
    assert house.attempts(asked) == []
    house.approve(asked.digest, "alice", "bob")
    with pytest.raises((AlreadySpoken, NotWaiting)):
        house.approve(asked.digest, "bob")
    house.settle()
    house.mine(3)
    assert house.state(asked) == "completed"
    house.check()


@plays("P-057")
@pytest.mark.parametrize("when", ["first", "after one agreed", "after all agreed"])
def test_p057_a_no_stays(patient: Road, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    asked = patient.ask("acme", btc("0.1"))
    agreed = {"first": (), "after one agreed": ("alice",), "after all agreed": ("alice", "bob")}[when]
    patient.approve(asked.digest, *agreed)
    later(patient, monkeypatch, minutes=50)
    statement = passkeys.asked(patient, "carol", asked.digest, verdict="reject")
    passkeys.give(patient, Passkey("carol").approval(statement))
    for person in ("alice", "bob", "carol"):
        with pytest.raises(NotWaiting):
            patient.approve(asked.digest, person)
    later(patient, monkeypatch, hours=2)
    patient.settle()
    assert (state(patient, asked.digest), patient.state(asked)) == ("rejected", "rejected")
    assert patient.balance("acme") == (btc("0.5"), 0)
    assert patient.attempts(asked) == []
    patient.check()


def test_when_the_delay_is_over_a_no_comes_too_late(patient: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = patient.ask("acme", btc("0.1"))
    patient.approve(asked.digest, "alice", "bob")
    later(patient, monkeypatch, minutes=61)
    with pytest.raises(NotWaiting):
        patient.approve(asked.digest, "carol", verdict="reject")
