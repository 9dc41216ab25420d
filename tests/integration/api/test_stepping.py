"""What takes a passkey besides the cookie is heard once, by who was asked, from a passkey that counts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from custody.api.console.stepping import ask_step, hear_step
from custody.evidence.passkeys import Assertion, AssertionRefused
from custody.operators import operations as operators
from custody.operators.operations import PasskeyRefused
from custody.trust import operations as trust
from tests.support import passkeys
from tests.support.passkeys import PRESENT, Passkey
from tests.support.servers import FreshDatabase
from tests.support.world import House

PASSKEYS = (*((name, name) for name in ("alice", "bob", "carol")), ("alice", "new"), ("alice", "lost"))
CHANGE = {"channel": "mail", "address": "alice@example.com"}
NONE = timedelta(0)


@pytest.fixture
def house(database: FreshDatabase) -> Iterator[House]:
    house = passkeys.found(database, credentials=PASSKEYS, cooling=(("new", timedelta(hours=1)),))
    with house.db.unit() as unit:
        lost = Passkey("lost").credential.id
        operators.lock(unit.session, credential=lost, operator="alice", why="lost", now=unit.now)
    yield house
    house.close()


def asked(house: House) -> bytes:
    with house.db.unit() as unit:
        return ask_step(unit.session, about="notices", operator="alice", change=CHANGE, now=unit.now)


def hear(
    house: House,
    challenge: bytes,
    assertion: Assertion,
    *,
    operator: str = "alice",
    about: str = "notices",
    later: timedelta = NONE,
) -> dict[str, str]:
    with house.db.unit() as unit:
        root = trust.in_force(unit.session).root
        now = unit.now + later
        found = hear_step(
            unit.session,
            about=about,
            operator=operator,
            challenge=challenge,
            assertion=assertion,
            root=root,
            now=now,
        )
        return dict(found)


def test_a_step_is_carried_out_by_a_true_answer_and_by_nothing_else(house: House) -> None:
    alice, challenge = Passkey("alice"), asked(house)
    other = {"flags": PRESENT}, {"origin": "https://evil.tld"}, {"rp_id": "evil.tld"}, {"type": "webauthn.create"}
    lies = [(alice.answer(challenge, **lie), {}, reason) for lie, reason in zip(other, REASONS, strict=True)]
    forged = replace(Passkey("thief").answer(challenge), credential=alice.credential.id)
    lies += [
        (forged, {}, "signature"),
        (Passkey("thief").answer(challenge), {}, "unknown-passkey"),
        (Passkey("new").answer(challenge), {}, "unknown-passkey"),
        (Passkey("lost").answer(challenge), {}, "locked"),
        (Passkey("bob").answer(challenge), {"operator": "bob"}, "challenge-of-another"),
        (alice.answer(challenge), {"about": "webhooks"}, "another-question"),
        (alice.answer(challenge), {"later": timedelta(minutes=6)}, "challenge-expired"),
        (alice.answer(asked(house)), {}, "challenge-unknown"),
    ]
    for assertion, changes, reason in lies:
        with pytest.raises((PasskeyRefused, AssertionRefused)) as refused:
            hear(house, challenge, assertion, **changes)
        assert refused.value.facts["reason"] == reason
    assert hear(house, challenge, alice.answer(challenge)) == CHANGE
    for again, reason in ((challenge, "challenge-reused"), (asked(house), "counter")):
        with pytest.raises(PasskeyRefused) as refused:
            hear(house, again, alice.answer(again, sign_count=1))
        assert refused.value.facts["reason"] == reason


REASONS = ("not-verified", "origin", "relying-party", "type")
