"""Approvals bind one digest, come from distinct people who may give them and did not ask, and expire (I8)."""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from custody.approvals import operations as approvals
from custody.approvals import queries
from custody.approvals.operations import AlreadySpoken, IdempotencyMismatch, NotWaiting
from custody.approvals.queries import IntentTampered, UnknownIntent
from custody.evidence.approvals import Approval, ApprovalRefused, check_approval
from custody.evidence.signatures import sign_ed25519
from custody.trust import operations as trust
from custody.withdrawals.model import Withdrawal
from tests.cosigner.builders import BTC, World, person_key
from tests.support.servers import FreshDatabase
from tests.support.world import House


@pytest.fixture
def house(database: FreshDatabase) -> Any:
    """A house with one client that has 10 BTC in the books."""
    world = House.found(database)
    world.open_client("acme", branch=1)
    world.credit("acme", 10 * BTC)
    yield world
    world.expect_ledger()
    world.close()


@pytest.fixture
def asked(house: House) -> Withdrawal:
    """A withdrawal that needs two of three operators."""
    return house.withdraw(house.withdrawal_request("acme", BTC // 10))


def give(house: House, digest: str, approval: Approval) -> str:
    with house.db.unit() as unit:
        root = trust.in_force(unit.session).root
        return approvals.give(
            unit.session, digest=digest, approval=approval, root=root, correlation_id="test", now=unit.now
        ).state


def state_of(house: House, digest: str) -> str:
    with house.db.unit() as unit:
        return queries.get(unit.session, digest=digest).state


def test_two_operators_meet_the_quorum_once(house: House, asked: Withdrawal) -> None:
    assert give(house, asked.digest, house.approval("alice", asked.digest)) == "pending"
    assert give(house, asked.digest, house.approval("bob", asked.digest)) == "approved"
    with pytest.raises(NotWaiting):
        give(house, asked.digest, house.approval("carol", asked.digest))
    with house.db.unit() as unit:
        rung = unit.session.execute(
            text("SELECT count(*) FROM outbox WHERE topic = 'intents.approved' AND payload ->> 'digest' = :d"),
            {"d": asked.digest},
        )
        assert rung.scalar_one() == 1


def test_one_person_counts_once(house: House, asked: Withdrawal) -> None:
    give(house, asked.digest, house.approval("alice", asked.digest))
    for verdict in ("approve", "reject"):
        with pytest.raises(AlreadySpoken):
            give(house, asked.digest, house.approval("alice", asked.digest, verdict=verdict))
    assert state_of(house, asked.digest) == "pending"


def test_who_was_heard_stands_beside_the_intent_with_the_first_end_of_a_word(house: House, asked: Withdrawal) -> None:
    first, now = house.approval("alice", asked.digest), house.now()
    later = now + timedelta(hours=2)
    again = house.approval("alice", asked.digest, given_at=later, not_after=later + timedelta(hours=1))
    give(house, asked.digest, first)
    with house.db.unit() as unit:
        root = trust.in_force(unit.session).root
        approvals.give(unit.session, digest=asked.digest, approval=again, root=root, correlation_id="test", now=later)
    with house.db.unit() as unit:
        query = text("SELECT heard, heard_until FROM intents WHERE digest = :digest")
        row = unit.session.execute(query, {"digest": asked.digest}).one()
    assert tuple(row) == (["alice"], first.statement.not_after)


def test_a_nonce_is_used_once(house: House, asked: Withdrawal) -> None:
    other = house.withdraw(house.withdrawal_request("acme", BTC // 11))
    nonce = secrets.token_hex(16)
    give(house, asked.digest, house.approval("alice", asked.digest, nonce=nonce))
    with pytest.raises(AlreadySpoken):
        give(house, other.digest, house.approval("alice", other.digest, nonce=nonce))


def test_p045_an_approval_is_for_one_digest(house: House, asked: Withdrawal) -> None:
    other = house.withdraw(house.withdrawal_request("acme", BTC // 11))
    said = house.approval("alice", asked.digest)
    with pytest.raises(ApprovalRefused, match="digest"):
        give(house, other.digest, said)
    give(house, asked.digest, said)
    with pytest.raises(AlreadySpoken):
        give(house, asked.digest, said)


def test_p052_the_requester_does_not_count(house: House, asked: Withdrawal) -> None:
    """A trust root names nobody in both roles; should one ever, the request's author still counts zero."""
    with house.db.unit() as unit:
        filed = queries.get(unit.session, digest=asked.digest)
        root = trust.in_force(unit.session).root
        said = house.approval("alice", asked.digest)
        with pytest.raises(ApprovalRefused, match="requester"):
            check_approval(
                said,
                digest=asked.digest,
                requester="alice",
                request_not_after=filed.not_after,
                root=root,
                now=unit.now,
            )
        tally = queries.tally(filed.decision, [said], root=root, requester="alice")
    assert (tally.approved, tally.met) == ((), False)


@pytest.mark.parametrize("stranger", ["mallory", "exchange"])
def test_a_key_that_no_operator_has_does_not_count(house: House, asked: Withdrawal, stranger: str) -> None:
    with pytest.raises(ApprovalRefused):
        give(house, asked.digest, house.approval(stranger, asked.digest))


def test_one_persons_signature_under_anothers_name_does_not_count(house: House, asked: Withdrawal) -> None:
    said = house.approval("alice", asked.digest)
    statement = replace(said.statement, approver="bob")
    by_alice = sign_ed25519(person_key("alice"), "bob-1", statement.message)
    with pytest.raises(ApprovalRefused, match="verify"):
        give(house, asked.digest, Approval(statement, by_alice))
    with pytest.raises(ApprovalRefused):
        give(house, asked.digest, Approval(statement, replace(by_alice, key="alice-1")))


def test_a_rejection_cannot_be_turned_into_an_approval(house: House, asked: Withdrawal) -> None:
    said = house.approval("alice", asked.digest, verdict="reject")
    turned = Approval(replace(said.statement, verdict="approve"), said.signature)
    with pytest.raises(ApprovalRefused, match="verify"):
        give(house, asked.digest, turned)


def test_times_bind(house: House, asked: Withdrawal) -> None:
    now = house.now()
    wrong: tuple[dict[str, Any], ...] = (
        {"not_after": now - timedelta(seconds=1)},
        {"given_at": now + timedelta(hours=1), "not_after": now + timedelta(hours=2)},
        {"not_after": now + timedelta(days=3)},
    )
    for times in wrong:
        with pytest.raises(ApprovalRefused, match=r"not_after|given_at"):
            give(house, asked.digest, house.approval("alice", asked.digest, **times))


def test_an_operator_outside_the_required_group_does_not_count(database: FreshDatabase) -> None:
    policy = World().policy.replace(
        "operators: [alice, bob, carol]", "operators: [alice, bob, carol]\n  guards: [dora]"
    )
    world = World(
        policy=policy,
        operators=("alice", "bob", "carol", "dora"),
        groups=(("operators", ("alice", "bob", "carol")), ("guards", ("dora",))),
    )
    house = House.found(database, ceremony=world)
    house.open_client("acme", branch=1)
    house.credit("acme", BTC)
    asked = house.withdraw(house.withdrawal_request("acme", BTC // 10))
    for verdict in ("approve", "reject"):
        with pytest.raises(ApprovalRefused, match="nobody the policy asks"):
            give(house, asked.digest, house.approval("dora", asked.digest, verdict=verdict))
    house.close()


def test_a_refused_approval_leaves_nothing_behind(house: House, asked: Withdrawal) -> None:
    before = house.row_counts()
    with pytest.raises(ApprovalRefused):
        give(house, asked.digest, house.approval("mallory", asked.digest))
    with pytest.raises(UnknownIntent):
        give(house, "ab" * 32, house.approval("alice", "ab" * 32))
    assert house.row_counts() == before


def test_the_same_key_with_another_body_is_refused(house: House) -> None:
    request = house.withdrawal_request("acme", BTC // 50, idempotency_key="once")
    first = house.withdraw(request)
    assert house.withdraw(request).id == first.id
    for other in (replace(request, amount=request.amount + 1), replace(request, purpose="another")):
        before = house.row_counts()
        with pytest.raises(IdempotencyMismatch):
            house.withdraw(other)
        assert house.row_counts() == before


def test_an_edited_intent_is_read_by_nobody(house: House, asked: Withdrawal) -> None:
    edit = "UPDATE intents SET document = jsonb_set(document, '{request,purpose}', '\"mine\"') WHERE digest = :d"
    with pytest.raises(Exception, match="never edited"), house.db.unit() as unit:
        unit.session.execute(text(edit), {"d": asked.digest})
    engine = create_engine(house.database.superuser_url)
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text(edit), {"d": asked.digest})
    engine.dispose()
    with pytest.raises(IntentTampered), house.db.unit() as unit:
        queries.proven(unit.session, digest=asked.digest)
    with pytest.raises(IntentTampered):
        give(house, asked.digest, house.approval("alice", asked.digest))
