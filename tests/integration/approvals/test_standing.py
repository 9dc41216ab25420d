"""Who counts when it matters: members then and now, keys that are still held, delays, and what nobody is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from custody.approvals import asking, queries
from custody.approvals import operations as approvals
from custody.approvals.operations import AlreadySpoken, NotWaiting
from custody.evidence.approvals import ApprovalRefused
from custody.evidence.requests import FreezeRequest, OperatorChangeRequest, Request, UnfreezeRequest
from custody.evidence.trust_root import TrustRoot
from custody.operators.operations import PasskeyRefused
from custody.trust import operations as trust
from custody.trust.history import root_at
from policies.decision import stricter
from policies.document import document_hash, load_document
from policies.engine import evaluate
from policies.facts import Facts, nothing_used
from tests.cosigner.builders import BTC, DEMO_POLICY, World
from tests.support import passkeys
from tests.support.passkeys import Passkey
from tests.support.servers import FreshDatabase
from tests.support.world import House

PATIENT = DEMO_POLICY + "  - require: a day passes\n    match: {kind: unfreeze}\n    delay: 24h\n"
_PEOPLE = "[unfreeze, break_resolution, manual_entry]}\n    approvals"
ONLY_TIME = PATIENT.replace(_PEOPLE, "[break_resolution, manual_entry]}\n    approvals")
SLOW_STOP = DEMO_POLICY + "  - require: a day passes\n    match: {kind: freeze}\n    delay: 24h\n"
DORA = World(operators=("alice", "bob", "carol", "dora")).root.operators[3]


@pytest.fixture
def house(database: FreshDatabase) -> Iterator[House]:
    """A house with one client that has 10 BTC in the books."""
    house = passkeys.found(database)
    house.open_client("acme", branch=1)
    house.credit("acme", 10 * BTC)
    yield house
    house.close()


def freeze(house: House, requester: str = "alice") -> UnfreezeRequest:
    return UnfreezeRequest(
        requester=requester,
        scope="everything",
        subject="everything",
        purpose="a drill",
        not_after=house.now() + timedelta(days=3),
        idempotency_key="drill",
    )


def ask(house: House, request: Request) -> asking.Asked:
    with house.db.unit() as unit:
        return asking.ask(
            unit.session,
            request=request,
            signature=house.signed(request),
            trust=trust.in_force(unit.session),
            now=unit.now,
        )


def root_of(house: House) -> TrustRoot:
    with house.db.unit() as unit:
        return trust.in_force(unit.session).root


def missing(house: House, digest: str) -> dict[str, int]:
    with house.db.unit() as unit:
        filed, root = queries.get(unit.session, digest=digest), trust.in_force(unit.session).root
        return dict(queries.standing(unit.session, filed, root=root, now=unit.now).missing)


def state(house: House, digest: str) -> str:
    with house.db.unit() as unit:
        return queries.get(unit.session, digest=digest).state


def told(house: House, digest: str) -> list[float]:
    """How many seconds after each word of the approval was written it is due."""
    due = "SELECT extract(epoch FROM due_at - created_at) FROM outbox WHERE topic = 'intents.approved'"
    with house.db.unit() as unit:
        rows = unit.session.execute(text(f"{due} AND payload ->> 'digest' = :d ORDER BY id"), {"d": digest})
        return [float(seconds) for seconds in rows.scalars()]


def test_who_became_a_member_later_has_no_say(house: House) -> None:
    old = root_of(house)
    before = house.withdraw(house.withdrawal_request("acme", BTC // 10)).digest
    members = (*old.groups["operators"], "dora")
    newer = replace(old, version=2, previous=old.hash, operators=(*old.operators, DORA), groups={"operators": members})
    passkeys.put_in_force(house, newer)
    with pytest.raises(ApprovalRefused, match="nobody the policy asks"):
        house.approve(before, "dora")
    after = house.withdraw(house.withdrawal_request("acme", BTC // 11)).digest
    house.approve(after, "dora")
    assert (missing(house, before), missing(house, after)) == ({"operators": 2}, {"operators": 1})


def test_who_left_counts_no_more_and_neither_does_a_key_that_was_taken_away(house: House) -> None:
    old = root_of(house)
    asked = house.withdraw(house.withdrawal_request("acme", BTC // 10)).digest
    passkeys.give(house, Passkey("alice").approval(passkeys.asked(house, "alice", asked)))
    assert missing(house, asked) == {"operators": 1}
    alice = old.operators[0]
    without = replace(old, version=2, previous=old.hash, operators=(replace(alice, credentials=()), *old.operators[1:]))
    passkeys.put_in_force(house, without)
    assert missing(house, asked) == {"operators": 2}
    house.approve(asked, "bob")
    left = replace(without, version=3, previous=without.hash, groups={"operators": ("alice", "carol")})
    passkeys.put_in_force(house, left)
    assert missing(house, asked) == {"operators": 2}
    assert state(house, asked) == "pending"


def test_a_passkey_that_still_cools_does_not_count(database: FreshDatabase) -> None:
    house = passkeys.found(database, cooling=(("alice", timedelta(hours=1)),))
    house.open_client("acme", branch=1)
    house.credit("acme", BTC)
    asked = house.withdraw(house.withdrawal_request("acme", BTC // 10)).digest
    with pytest.raises(ApprovalRefused, match="does not count yet"):
        passkeys.give(house, Passkey("alice").approval(passkeys.asked(house, "alice", asked)))
    house.approve(asked, "alice")
    house.close()


def test_a_change_of_the_rules_takes_no_passkey(house: House) -> None:
    root = root_of(house)
    request = OperatorChangeRequest(
        requester="bob",
        version=2,
        root="ab" * 32,
        subject="dora",
        purpose="enrol",
        not_after=house.now() + timedelta(days=1),
        idempotency_key="enrol",
    )
    asked = ask(house, request)
    with pytest.raises(ApprovalRefused, match="shows no words"):
        passkeys.give(house, Passkey("alice").approval(passkeys.asked(house, "alice", asked.digest)))
    house.approve(asked.digest, "alice")
    assert missing(house, asked.digest) == {"operators": 1}
    assert root.console is not None


def test_a_statement_that_was_never_asked_for_is_no_verdict(house: House) -> None:
    asked = house.withdraw(house.withdrawal_request("acme", BTC // 10)).digest
    own = house.approval("alice", asked).statement
    with pytest.raises(PasskeyRefused) as refused:
        passkeys.give(house, Passkey("alice").approval(own))
    assert refused.value.facts["reason"] == "challenge-unknown"


def test_one_person_who_speaks_twice_at_once_is_heard_once(house: House) -> None:
    asked = house.withdraw(house.withdrawal_request("acme", BTC // 10)).digest
    said = [house.approval("alice", asked) for _ in range(2)]

    def give(place: int) -> str:
        try:
            return passkeys.give(house, said[place])
        except AlreadySpoken:
            return "refused"

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(give, range(2))) == ["pending", "refused"]


def test_the_database_itself_refuses_a_second_verdict_and_a_second_use(house: House) -> None:
    first = house.withdraw(house.withdrawal_request("acme", BTC // 10)).digest
    second = house.withdraw(house.withdrawal_request("acme", BTC // 11)).digest
    passkeys.give(house, Passkey("alice").approval(passkeys.asked(house, "alice", first)))
    copied = (
        "INSERT INTO approvals (digest, approver, verdict, nonce, document, given_at, not_after, credential, challenge)"
        " SELECT :digest, {approver}, verdict, md5(nonce), document, given_at, not_after, {credential}, challenge"
        " FROM approvals WHERE digest = :first"
    )
    for digest, approver, credential, constraint in (
        (first, "approver", "'other'", "a verdict that stands"),
        (second, "'bob'", "credential", "uq_approvals_credential_challenge"),
    ):
        statement = text(copied.format(approver=approver, credential=credential))
        with house.db.unit() as unit, pytest.raises(IntegrityError, match=constraint), unit.session.begin_nested():
            unit.session.execute(statement, {"digest": digest, "first": first})


def test_where_only_time_is_asked_for_it_passes_and_a_member_may_still_say_no(database: FreshDatabase) -> None:
    house = passkeys.found(database, policy=SLOW_STOP)
    letting_go = freeze(house)
    stopping = FreezeRequest(**{name: getattr(letting_go, name) for name in FreezeRequest.spelling})
    asked = ask(house, stopping)
    assert state(house, asked.digest) == "approved"
    assert told(house, asked.digest) == [pytest.approx(86_400)]
    with pytest.raises(NotWaiting):
        house.approve(asked.digest, "bob")
    house.approve(asked.digest, "carol", verdict="reject")
    assert state(house, asked.digest) == "rejected"
    house.close()


def test_a_decision_that_asks_for_more_time_is_waited_for(house: House) -> None:
    asked = ask(house, freeze(house)).digest
    house.approve(asked, "bob", "carol")
    assert (state(house, asked), told(house, asked)) == ("approved", [0])
    with house.db.unit() as unit:
        decision = queries.get(unit.session, digest=asked).decision
        facts = Facts.from_json(decision.facts)
        longer = stricter(decision, evaluate(load_document(PATIENT), facts, nothing_used))
        root = trust.in_force(unit.session).root
        found = approvals.redecide(unit.session, digest=asked, decision=longer, root=root, now=unit.now)
    assert found == "delayed"
    assert told(house, asked)[1] == pytest.approx(86_400, abs=60)
    with house.db.unit() as unit:
        (waits,) = queries.vetoable(unit.session, now=unit.now)
    assert waits.digest == asked


def test_what_was_rejected_is_not_decided_again(house: House) -> None:
    asked = ask(house, freeze(house)).digest
    house.approve(asked, "bob", verdict="reject")
    with house.db.unit() as unit:
        filed, root = queries.get(unit.session, digest=asked), trust.in_force(unit.session).root
        allowed = evaluate(load_document(ONLY_TIME), Facts.from_json(filed.decision.facts), nothing_used)
        assert approvals.redecide(unit.session, digest=asked, decision=allowed, root=root, now=unit.now) == "rejected"
    assert state(house, asked) == "rejected"


def test_what_nobody_agreed_to_in_time_is_over(house: House) -> None:
    asked = ask(house, freeze(house)).digest
    withdrawal = house.withdraw(house.withdrawal_request("acme", BTC // 10)).digest
    with house.db.unit() as unit:
        assert approvals.expire_overdue(unit.session, now=unit.now) == []
        later = unit.now + timedelta(days=4)
        assert approvals.expire_overdue(unit.session, now=later) == [asked]
    assert (state(house, asked), state(house, withdrawal)) == ("expired", "pending")


def test_a_root_of_the_past_is_found_by_its_time(house: House) -> None:
    first, began = root_of(house), house.now()
    second = passkeys.put_in_force(house, replace(first, version=2, previous=first.hash, name="later"))
    with house.db.unit() as unit:
        assert root_at(unit.session, at=began, newest=second).hash == first.hash
        assert root_at(unit.session, at=began - timedelta(days=400), newest=second).hash == first.hash
        assert root_at(unit.session, at=unit.now, newest=second).hash == second.hash
    assert document_hash(DEMO_POLICY) == first.policy_hash
