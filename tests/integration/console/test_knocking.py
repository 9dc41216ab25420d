"""What refused passkeys leave behind, and what becomes of who fails too often: a pace, and never a lock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from starlette.testclient import TestClient

from custody.api import knocking, limits
from custody.api.knocking import source_of
from custody.api.limits import Pace
from custody.evidence.passkeys import Assertion
from tests.integration.api.callers import expect_problem
from tests.integration.api.conftest import serving
from tests.support.console import Question, Visitor, question_on
from tests.support.passkeys import Passkey, as_browser
from tests.support.world import House

NOTICES = "/console/notices"
MAIL = {"channel": "mail", "address": "alice@example.com"}


def refusals(house: House) -> list[tuple[str, str, str, Mapping[str, Any]]]:
    """What the audit log keeps of them: what, by whom, where, and the facts."""
    query = "SELECT event, actor, subject, facts FROM audit_events WHERE event LIKE '%.refused' ORDER BY sequence"
    with house.db.unit() as unit:
        return [(row.event, row.actor, row.subject, row.facts) for row in unit.session.execute(text(query))]


def forged(challenge: bytes, name: str = "alice") -> Assertion:
    """A thief's answer under the name of somebody's passkey."""
    return replace(Passkey("thief").answer(challenge), credential=Passkey(name).credential.id)


def asked(alice: Visitor) -> Question:
    return question_on(alice.post(NOTICES, form=MAIL).text)


def answer(alice: Visitor, question: Question) -> Any:
    body = {"challenge": question.challenge.hex(), "credential": as_browser(forged(question.challenge))}
    return alice.post(question.send, body=body)


def knock(client: TestClient, assertion_for: Any) -> Any:
    """An answer at the door to a fresh question."""
    nobody = Visitor(client, "nobody", Passkey("thief"))
    question = bytes.fromhex(nobody.post("/console/sign-in/question", body={}).json()["challenge"])
    body = {"challenge": question.hex(), "credential": as_browser(assertion_for(question))}
    return nobody.post("/console/sign-in", body=body)


def test_a_refused_step_leaves_who_what_and_why_and_no_more_than_its_share(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(knocking, "KEPT_OF_ONE", (3, 3_600))
    with serving(house, tmp_path) as client:
        alice, bob = (Visitor(client, name, Passkey(name)).sign_in() for name in ("alice", "bob"))
        question = asked(alice)
        expect_problem(answer(alice, question), 403, "assertion-refused")
        ((what, who, where, why),) = refusals(house)
        assert (what, who, where) == ("step_up.refused", "alice", f"POST {question.send}")
        assert (why["reason"], why["about"], set(why)) == ("signature", "notices", {"reason", "about", "field"})
        for _ in range(4):
            expect_problem(answer(alice, question), 403, "assertion-refused")
        assert [each[1] for each in refusals(house)] == ["alice"] * 3
        answer(bob, asked(bob))
        assert [each[1] for each in refusals(house)] == ["alice"] * 3 + ["bob"]
        assert alice.answer(asked(alice)).status_code == 201, "what is kept of refusals stops nobody"


def test_the_door_keeps_a_little_of_what_fails_in_an_operators_name(house: House, client: TestClient) -> None:
    most = knocking.KEPT_AT_THE_DOOR[0]
    for _ in range(most + 2):
        expect_problem(knock(client, forged), 401, "sign-in-refused")
    kept = refusals(house)
    assert {each[:3] for each in kept} == {("sign_in.refused", "nobody", "POST /console/sign-in")}
    assert [(each[3]["operator"], each[3]["reason"]) for each in kept] == [("alice", "signature")] * most
    expect_problem(knock(client, Passkey("thief").answer), 401, "sign-in-refused")
    assert len(refusals(house)) == most, "a passkey of nobody's leaves nothing"
    expect_problem(knock(client, lambda question: forged(question, "bob")), 401, "sign-in-refused")
    assert refusals(house)[-1][3]["operator"] == "bob"


def test_who_fails_too_often_is_told_to_wait_and_locks_nobody_out(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(knocking, "FAILURES", (3, 3_600))
    with serving(house, tmp_path) as client:
        for _ in range(3):
            expect_problem(knock(client, forged), 401, "sign-in-refused")
        kept = len(refusals(house))
        paced = knock(client, forged)
        assert expect_problem(paced, 429, "too-many-calls")["retryable"] is True
        assert 0 < int(paced.headers["retry-after"]) <= 1_200
        nobody = Visitor(client, "nobody", Passkey("thief"))
        made = {"secret": "x", "challenge": "11" * 32, "credential": nobody.passkey.registration(b"\0" * 32)}
        for path, guess in (("/console/invitation/question", {"secret": "x"}), ("/console/invitation", made)):
            expect_problem(nobody.post(path, body=guess), 429, "too-many-calls")
        assert len(refusals(house)) == kept, "beyond the pace nothing is left behind"
        elsewhere = TestClient(client.app, raise_server_exceptions=False, client=("10.0.0.2", 1))
        expect_problem(knock(elsewhere, forged), 401, "sign-in-refused")
        alice = Visitor(client, "alice", Passkey("alice")).sign_in()
        assert alice.get("/console").status_code == 200, "from the same address, and in the name that was used"
        copied = alice.enter(sign_count=1)
        expect_problem(copied, 403, "passkey-counter")


def test_a_pace_gives_back_by_the_second_and_forgets_who_was_quiet_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    pace = Pace(2, 60, clock=lambda: clock[0])
    assert [pace.take("one") for _ in range(3)] == [0, 0, 30]
    assert pace.take("other") == 0
    clock[0] += 29.5
    assert pace.take("one") == 1
    clock[0] += 1
    assert [pace.take("one"), pace.take("one")] == [0, 30]
    monkeypatch.setattr(limits, "MOST_KEPT", 3)
    assert [pace.take(name) for name in ("quiet", "quiet", "quiet", "third", "one")] == [0, 0, 30, 0, 30]
    assert [pace.take(name) for name in ("fourth", "third", "one", "quiet")] == [0, 0, 30, 0]


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("testclient", "testclient"),
    ],
)
def test_whoever_has_many_addresses_has_one_pace(address: str, source: str) -> None:
    assert source_of(address) == source
