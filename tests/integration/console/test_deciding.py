"""What stands between a person and a verdict: the question before it, where it is sent from, and what an error says."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import text
from starlette.testclient import TestClient

from custody.api.console.pages.interruption import hidden_groups
from custody.api.console.parts import groups_of
from custody.api.console.routes import intents as routes
from custody.api.console.trouble import MONEY
from custody.approvals import misreading, queries
from custody.telemetry.tally import Tally
from tests.cosigner.builders import BTC
from tests.integration.api.callers import expect_problem
from tests.support.console import WHY_NOT, Visitor, question_on
from tests.support.passkeys import Passkey, as_browser
from tests.support.processes import wait_until
from tests.support.world import House


def with_a_twin(house: House) -> tuple[str, str]:
    """A withdrawal to an address that a listed one could be taken for. Returns its digest and the address."""
    asked = house.withdraw(house.withdrawal_request("acme", BTC // 10))
    to = asked.destination
    twin = f"{to[:-12]}{'qp' * 4}{to[-4:]}"
    with house.db.unit() as unit:
        unit.session.execute(
            text(
                "INSERT INTO listings (digest, client_id, chain, destination, locator, label, listed_at, counts_from) "
                "VALUES (:digest, 'acme', :chain, :twin, 'twin', 'Kraken cold 3', now(), now())"
            ),
            {"digest": asked.digest, "chain": asked.chain, "twin": twin},
        )
    return asked.digest, to


def rows(house: House, query: str) -> list[Any]:
    with house.db.unit() as unit:
        return list(unit.session.execute(text(query)))


def statement(visitor: Visitor, digest: str, *groups: str, verdict: str = "approve") -> Any:
    form = {"verdict": verdict} | dict(zip(("first", "second"), groups, strict=False))
    form |= {"reason": WHY_NOT} if verdict == "reject" else {}
    return visitor.post(f"/console/intents/{digest}/statement", form=form)


def test_a_look_alike_is_agreed_to_by_who_reads_the_address_elsewhere(house: House, alice: Visitor) -> None:
    digest, to = with_a_twin(house)
    shown = alice.get(f"/console/intents/{digest}").text
    assert "Kraken cold 3" in shown
    assert "looks like" in shown
    asked = statement(alice, digest)
    assert asked.status_code == 200
    assert "data-challenge" not in asked.text
    assert rows(house, "SELECT 1 FROM challenges WHERE purpose = 'approval'") == []
    tally = Tally()
    assert interrupted(house, tally) == []
    groups = groups_of(to)[1]
    right = [groups[place] for place in hidden_groups(to, digest, "alice")]
    assert all(group not in asked.text.partition("<main")[2] for group in right)
    answer = statement(alice, digest, *right)
    question = question_on(answer.text)
    assert alice.send(digest, question.challenge, alice.passkey.answer(question.challenge)).status_code == 201
    assert interrupted(house, tally) == [1], "H3: how often approvals are interrupted is counted"


def interrupted(house: House, tally: Tally) -> list[float]:
    """What the page of metrics says of it, as far as it says anything."""
    with house.db.unit() as unit:
        return [each.value for each in tally.take(unit.session) if each.labels == (misreading.READ,)]


def test_who_reads_it_wrongly_twice_is_asked_no_more_and_others_are(house: House, alice: Visitor) -> None:
    digest, to = with_a_twin(house)
    groups = groups_of(to)[1]
    right = [groups[place] for place in hidden_groups(to, digest, "alice")]
    first = statement(alice, digest, "wrng", right[1])
    assert "No verdict is recorded" in first.text
    second = statement(alice, digest, *right[::-1])
    assert "somebody else has to read the address" in second.text
    assert "next to ask: bob or carol" in second.text
    for groups_ in ((), right):
        refused = expect_problem(statement(alice, digest, *groups_), 403, "address-misread", "verdict")
        assert "bob or carol" in refused["detail"]
    logged = rows(house, "SELECT actor, subject FROM audit_events WHERE event = 'intent.address_misread'")
    assert [tuple(each) for each in logged] == [("alice", digest)] * 2
    assert rows(house, "SELECT 1 FROM challenges WHERE purpose = 'approval'") == []
    page = alice.get(f"/console/intents/{digest}").text
    assert "You read another address twice" in page
    assert statement(alice, digest, verdict="reject").status_code == 200
    bob = Visitor(alice.client, "bob", Passkey("bob")).sign_in()
    hers = [groups[place] for place in hidden_groups(to, digest, "bob")]
    assert question_on(statement(bob, digest, *hers).text).challenge
    other, _ = with_a_twin_of_another(house)
    assert "Two groups" in statement(alice, other).text


def test_answers_that_come_at_once_are_counted_one_by_one(house: House, alice: Visitor) -> None:
    digest, to = with_a_twin(house)
    groups = groups_of(to)[1]
    bob = Visitor(alice.client, "bob", Passkey("bob")).sign_in()

    def answers(visitor: Visitor, *given: tuple[str, ...]) -> list[int]:
        """What comes back for all of them, sent while one wrong answer of the same person is being written down."""
        with ThreadPoolExecutor() as pool, house.db.unit() as unit:
            misreading.misread(unit.session, digest=digest, operator=visitor.name, correlation_id="", now=unit.now)
            sent = [pool.submit(statement, visitor, digest, *each) for each in given]
            wait_until(lambda: held_back(house) == len(given))
            unit.session.commit()
            return sorted(each.result().status_code for each in sent)

    wrong, right = ("wrng", "wrng"), tuple(groups[place] for place in hidden_groups(to, digest, "bob"))
    assert answers(alice, wrong, wrong) == [200, 403]
    assert "No verdict is recorded" in statement(bob, digest, *wrong).text
    assert answers(bob, right) == [403]
    counted = "SELECT actor, count(*) FROM audit_events WHERE event = 'intent.address_misread' GROUP BY actor"
    assert {tuple(each) for each in rows(house, counted)} == {("alice", 2), ("bob", 2)}
    assert rows(house, "SELECT 1 FROM challenges WHERE purpose = 'approval'") == []


def held_back(house: House) -> int:
    """How many wait for a lock of another."""
    (found,) = rows(
        house,
        "SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database"
        " WHERE locktype = 'advisory' AND NOT granted AND d.datname = current_database()",
    )
    return int(found[0])


def with_a_twin_of_another(house: House) -> tuple[str, str]:
    """Another withdrawal to the same address: the same twin stands on the list."""
    asked = house.withdraw(house.withdrawal_request("acme", BTC // 20))
    return asked.digest, asked.destination


def test_what_another_page_sends_is_refused_whatever_the_cookie_says(house: House, alice: Visitor) -> None:
    digest, _ = with_a_twin(house)
    before = house.row_counts()
    form = "verdict=reject&reason=not+what+was+asked"
    path = f"/console/intents/{digest}/statement"
    for name, headers in (
        ("origin", {"Origin": "https://evil.tld"}),
        ("origin", {"Origin": "null"}),
        ("origin", {}),
        ("sec-fetch-site", {"Origin": alice.origin, "Sec-Fetch-Site": "cross-site"}),
        ("sec-fetch-site", {"Origin": alice.origin, "Sec-Fetch-Site": "same-site"}),
        ("sec-fetch-site", {"Origin": alice.origin, "Sec-Fetch-Site": "none"}),
    ):
        answer = alice.client.post(path, content=form, headers={"Cookie": alice.cookie, **headers})
        expect_problem(answer, 403, "foreign-origin", name)
    assert house.row_counts() == before
    fine = {"Cookie": alice.cookie, "Origin": alice.origin, "Sec-Fetch-Site": "same-origin"}
    assert alice.client.post(path, content=form, headers=fine).status_code == 200


def test_an_answer_to_one_question_answers_no_other(house: House, alice: Visitor) -> None:
    """A verdict's challenge opens no door and no invitation, and a door's gives no verdict."""
    digest = house.withdraw(house.withdrawal_request("acme", BTC // 10)).digest
    verdict = alice.ask(digest).challenge
    body = {"challenge": verdict.hex(), "credential": as_browser(alice.passkey.answer(verdict))}
    expect_problem(alice.post("/console/sign-in", body=body), 401, "sign-in-refused")
    send = question_on(alice.post("/console/passkeys/new", form={}).text).send
    expect_problem(alice.post(send, body=body), 401, "sign-in-refused")
    door = bytes.fromhex(alice.post("/console/sign-in/question", body={}).json()["challenge"])
    assert alice.send(digest, door, alice.passkey.answer(door)).status_code == 403
    with house.db.unit() as unit:
        assert queries.given(unit.session, digest=digest) == []
    assert alice.send(digest, verdict, alice.passkey.answer(verdict)).status_code == 201


def test_what_was_decided_meanwhile_takes_no_verdict_and_asks_nobody_for_a_passkey(
    house: House, alice: Visitor
) -> None:
    """Of a page that was opened before: first its button, then the answer to what its button asked."""
    digest = house.withdraw(house.withdrawal_request("acme", BTC // 10)).digest
    asked = alice.ask(digest)
    answer = alice.passkey.answer(asked.challenge)
    house.approve(digest, "bob", verdict="reject")
    before = house.row_counts()
    for verdict in ("approve", "reject"):
        expect_problem(statement(alice, digest, verdict=verdict), 409, "not-waiting", "digest")
    expect_problem(alice.send(digest, asked.challenge, answer), 409, "not-waiting", "digest")
    assert house.row_counts() == before, "nobody is asked anything"
    with house.db.unit() as unit:
        assert [each.statement.approver for each in queries.given(unit.session, digest=digest)] == ["bob"]


def test_the_stream_and_the_pages_are_for_who_is_signed_in(house: House, client: TestClient) -> None:
    expect_problem(client.get("/console/live"), 401, "not-signed-in")
    expect_problem(client.get("/console/live", headers={"Cookie": "__Host-custody=invented"}), 401, "not-signed-in")


def test_a_withdrawal_is_found_by_its_id(house: House, alice: Visitor) -> None:
    asked = house.withdraw(house.withdrawal_request("acme", BTC // 10))
    answer = alice.get(f"/console/withdrawals/{asked.id}")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/console/intents/{asked.digest}")
    expect_problem(alice.get("/console/withdrawals/wdr_none"), 404, "unknown-withdrawal")


def test_a_withdrawal_is_found_by_what_its_client_calls_it_and_nobody_is_told_it_was_signed(
    house: House, alice: Visitor
) -> None:
    called = house.withdraw(house.withdrawal_request("acme", BTC // 10), reference="invoice <4711>")
    other = house.withdraw(house.withdrawal_request("acme", BTC // 10))
    every = alice.get("/console/withdrawals").text
    assert called.digest in every and other.digest in every
    assert "invoice &lt;4711&gt;" in every
    found = alice.get("/console/withdrawals?reference=+invoice+%3C4711%3E").text
    assert called.digest in found and other.digest not in found
    assert 'value="invoice &lt;4711&gt;"' in found
    assert "Nothing here is so." in alice.get("/console/withdrawals?reference=invoice").text
    assert 'name="reference"' not in alice.get("/console/deposits").text
    expect_problem(alice.get(f"/console/withdrawals?reference={'x' * 129}"), 422, "invalid-input", "reference")
    shown = alice.get(f"/console/intents/{called.digest}").text
    folded = shown.partition('id="reference"')
    assert folded[2].startswith(">invoice &lt;4711&gt;</p>") and "Nobody signed this." in folded[2]
    assert folded[0].rpartition("<details>")[2].count("</details>") == 0
    assert 'id="reference"' not in alice.get(f"/console/intents/{other.digest}").text


def test_errors_are_pages_that_speak_of_the_money_first(
    house: House, alice: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest, _ = with_a_twin(house)
    page = {"Cookie": alice.cookie, "Accept": "text/html,*/*;q=0.8"}
    posted = page | {"Origin": alice.origin}
    where = f"/console/intents/{digest}"
    foreign = alice.client.post(f"{where}/statement", content="verdict=approve", headers=page)
    unknown = alice.client.get(f"/console/intents/{'00' * 32}", headers=page)
    wrong = alice.client.post(f"{where}/statement", content="verdict=perhaps", headers=posted)
    monkeypatch.setattr(routes, "deciding", lambda *_args, **_more: 1 // 0)
    broken = alice.client.get(where, headers=page)
    for answer, status in ((foreign, 403), (unknown, 404), (wrong, 422), (broken, 500)):
        assert answer.status_code == status
        assert answer.headers["content-type"].startswith("text/html")
        main = answer.text.partition("<main")[2]
        assert 0 < main.index(MONEY) < main.index("request")
        assert "Traceback" not in answer.text
        assert "ZeroDivision" not in answer.text
