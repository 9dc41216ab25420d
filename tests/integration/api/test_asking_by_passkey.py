"""What operators ask for at the console: a form, its words, a passkey's answer, and a request filed as any other."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from sqlalchemy import text
from starlette.testclient import TestClient

from custody.api.app import application
from custody.api.auth import Callers
from custody.approvals import queries as intents
from custody.evidence.check import check_author
from custody.evidence.codes import digest_code
from custody.evidence.passkeys import Assertion
from custody.evidence.requests import parse_request
from custody.stops import queries as stops
from custody.trust import operations as trust
from custody.views.destinations import destinations_view
from custody.views.freezing import freezes_view
from custody.views.people import people_view
from custody.views.policy import policy_view
from tests.cosigner.builders import BTC, DEMO_POLICY, REGTEST, address
from tests.integration.api.callers import expect_problem
from tests.integration.movements.counting import statements_of
from tests.support import passkeys
from tests.support.console import Question, Visitor, question_on
from tests.support.governing import agree, carry_out, file, find_break, freeze, listing
from tests.support.oracle import plays
from tests.support.passkeys import PRESENT, Passkey, as_browser
from tests.support.servers import FreshDatabase
from tests.support.versions import relaxed
from tests.support.world import House, write_tokens

TOKENS = {name: ("operator", f"token-of-{name}-at-the-console-00000") for name in ("alice", "bob", "carol")}
FREEZE = {"scope": "client", "subject": "acme", "purpose": "a laptop is gone"}


@pytest.fixture
def house(database: FreshDatabase) -> Iterator[House]:
    house = passkeys.found(database)
    house.open_client("acme", branch=1)
    yield house
    house.close()


@pytest.fixture
def client(house: House, tmp_path: Path) -> Iterator[TestClient]:
    callers = Callers.load(write_tokens(tmp_path / "tokens.json", TOKENS))
    with TestClient(application(house.runtime, callers), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def alice(client: TestClient) -> Visitor:
    return Visitor(client, "alice", Passkey("alice")).sign_in()


def asked(visitor: Visitor, kind: str, form: Mapping[str, str]) -> Question:
    """The page that asks the passkey, which shows what will be signed."""
    answer = visitor.post(f"/console/requests/{kind}", form=form)
    assert answer.status_code == 200, answer.text
    return question_on(answer.text)


def send(visitor: Visitor, question: Question, assertion: Assertion) -> Any:
    body = {"challenge": question.challenge.hex(), "credential": as_browser(assertion)}
    return visitor.post(question.send, body=body)


def ask(visitor: Visitor, kind: str, form: Mapping[str, str], **lies: Any) -> Any:
    """All of it: form, words, answer."""
    question = asked(visitor, kind, form)
    return send(visitor, question, visitor.passkey.answer(question.challenge, **lies))


def digest_in(question: Question) -> str:
    found = re.search(r'id="digest">([0-9a-f]{64})<', question.text)
    assert found is not None
    return found[1]


def frozen(house: House) -> list[str]:
    with house.db.unit() as unit:
        return list(stops.names(unit.session))


def reasons(house: House) -> list[str]:
    question = "SELECT facts ->> 'reason' FROM audit_events WHERE event = 'request.refused' ORDER BY sequence"
    with house.db.unit() as unit:
        return list(unit.session.execute(text(question)).scalars())


def test_a_passkey_freezes_at_once_and_the_house_stays_whole(house: House, alice: Visitor) -> None:
    question = asked(alice, "freeze", FREEZE)
    digest = digest_in(question)
    assert digest_code(digest) in question.text
    assert "takes effect at once" in question.text
    assert frozen(house) == []
    answer = send(alice, question, alice.passkey.answer(question.challenge))
    assert answer.status_code == 201, answer.text
    assert answer.json() == {"state": "approved", "next": f"/console/intents/{digest}"}
    assert frozen(house) == ["client:acme"]
    with house.db.unit() as unit:
        filed = intents.get(unit.session, digest=digest)
        check_author(
            filed.intent.request, filed.request_signature, root=trust.in_force(unit.session).root, now=unit.now
        )
        assert isinstance(filed.request_signature, Assertion)
    page = alice.get("/console/freezes").text
    assert "client acme" in page
    assert "alice" in page
    house.expect_whole()


def test_an_answer_counts_once_and_for_its_own_question(house: House, alice: Visitor) -> None:
    question = asked(alice, "freeze", FREEZE)
    answer = alice.passkey.answer(question.challenge)
    assert send(alice, question, answer).status_code == 201
    # The very same again is the same request again: what it did is said, and nothing is done.
    assert send(alice, question, answer).json()["state"] == "approved"
    other = asked(alice, "unfreeze", FREEZE)
    expect_problem(send(alice, other, answer), 403, "request-refused")
    assert reasons(house) == ["challenge-unknown"]


@pytest.mark.parametrize(
    ("reason", "lie"),
    [("origin", {"origin": "https://evil.example.com"}), ("not-verified", {"flags": PRESENT})],
)
def test_a_lie_files_nothing_and_is_recorded(reason: str, lie: dict[str, Any], house: House, alice: Visitor) -> None:
    expect_problem(ask(alice, "freeze", FREEZE, **lie), 403, "request-refused")
    assert reasons(house) == [reason]
    assert frozen(house) == []


def test_a_verdicts_question_files_no_request_and_the_other_way_round(house: House, alice: Visitor) -> None:
    house.credit("acme", BTC)
    digest = house.withdraw(house.withdrawal_request("acme", BTC // 10)).digest
    verdict = alice.ask(digest)
    body = {"challenge": verdict.challenge.hex(), "credential": as_browser(alice.passkey.answer(verdict.challenge))}
    expect_problem(alice.post("/console/requests", body=body), 403, "passkey-refused")
    question = asked(alice, "freeze", FREEZE)
    answer = alice.send(digest, question.challenge, alice.passkey.answer(question.challenge))
    expect_problem(answer, 403, "passkey-refused")
    assert frozen(house) == []
    with house.db.unit() as unit:
        assert intents.given(unit.session, digest=digest) == []


def test_another_persons_question_and_a_copied_passkey_ask_for_nothing(
    house: House, alice: Visitor, client: TestClient
) -> None:
    bob = Visitor(client, "bob", Passkey("bob")).sign_in()
    question = asked(alice, "freeze", FREEZE)
    expect_problem(send(bob, question, bob.passkey.answer(question.challenge)), 403, "passkey-refused")
    assert ask(alice, "freeze", FREEZE).status_code == 201
    expect_problem(ask(alice, "freeze", FREEZE, sign_count=1), 403, "passkey-counter")
    # The copy locked it, and who came in by it is out.
    expect_problem(alice.post("/console/requests/freeze", form=FREEZE), 401, "not-signed-in")


@plays("P-115", "P-119")
def test_p119_a_stolen_cookie_asks_for_nothing(house: House, alice: Visitor) -> None:
    before = {name: number for name, number in house.row_counts().items() if name not in ("challenges", "audit_events")}
    thief = Visitor(alice.client, "alice", Passkey("mallory"), cookie=alice.cookie)
    forms = {
        "freeze": FREEZE,
        "unfreeze": FREEZE,
        "destination_listing": book("a cold wallet"),
        "policy_change": {"document": relaxed(DEMO_POLICY), "purpose": "faster"},
        "break_resolution": {"subject": "brk_1", "resolution": "explained", "purpose": "it is nothing"},
    }
    for kind, form in forms.items():
        question = asked(thief, kind, form)
        forged = thief.passkey.answer(question.challenge)
        expect_problem(send(thief, question, forged), 403, "request-refused")
        foreign = Visitor(alice.client, "alice", alice.passkey, cookie=alice.cookie, origin="https://evil.example.com")
        expect_problem(foreign.post(f"/console/requests/{kind}", form=form), 403, "foreign-origin")
    after = {name: number for name, number in house.row_counts().items() if name in before}
    assert after == before
    for kind in ("withdrawal", "sweep", "respend", "client_opening"):
        expect_problem(alice.post(f"/console/requests/{kind}", form={}), 422, "invalid-input")
    house.expect_whole()


def test_nothing_that_was_written_into_a_form_becomes_markup(house: House, alice: Visitor) -> None:
    hostile = """<script>alert(1)</script>"'><img src=x onerror=alert(1)>"""
    pages = [
        alice.post("/console/requests/freeze", form={**FREEZE, "purpose": hostile}),
        alice.post("/console/requests/freeze", form={**FREEZE, "scope": hostile, "purpose": hostile}),
        alice.post("/console/policy/draft", form={"document": hostile, "days": hostile, "do": "compare"}),
        alice.get(f"/console/destinations?{urlencode({'client': hostile})}"),
        alice.get(f"/console/policy?{urlencode({'kind': hostile, 'client': hostile})}"),
        alice.get(f"/console/requests/break_resolution?{urlencode({'subject': hostile})}"),
    ]
    assert ask(alice, "destination_listing", book("<b>bold</b>", purpose=hostile)).status_code == 201
    assert ask(alice, "freeze", {**FREEZE, "purpose": hostile}).status_code == 201
    with house.db.unit() as unit:
        (waiting,) = intents.waiting(unit.session)
    agree(house.db, waiting.digest, "bob")
    carry_out(house.db, waiting.digest)
    pages += [alice.get(path) for path in ("/console/freezes", "/console/destinations?client=acme")]
    for page in pages:
        for markup in ("<script>alert", "<img", "<b>bold"):
            assert markup not in page.text
    assert "&lt;script&gt;" in pages[-2].text
    assert "&lt;b&gt;bold" in pages[-1].text


def book(label: str, **changes: str) -> dict[str, str]:
    asked = {
        "client": "acme",
        "chain": REGTEST.chain,
        "destination": address("somebody"),
        "label": label,
        "action": "list",
        "purpose": "as the client wrote",
    }
    return {**asked, **changes}


def test_a_destination_is_listed_by_passkey_and_one_more_person(house: House, alice: Visitor) -> None:
    assert ask(alice, "destination_listing", book("a cold wallet")).json()["state"] == "pending"
    with house.db.unit() as unit:
        (waiting,) = intents.waiting(unit.session)
    agree(house.db, waiting.digest, "bob")
    carry_out(house.db, waiting.digest)
    page = alice.get("/console/destinations?client=acme").text
    for word in ("a cold wallet", "alice", "bob", "listed"):
        assert word in page
    assert alice.get("/console/destinations?client=nobody").status_code == 404
    house.expect_whole()


def test_what_is_wrong_is_said_beside_its_field_and_nothing_is_asked(house: House, alice: Visitor) -> None:
    cases = {
        "freeze": ({**FREEZE, "scope": "planet"}, "scope"),
        "destination_listing": (book("a cold wallet", destination="bcrt1qnothing"), "destination"),
        "policy_change": ({"document": "policy: 7", "purpose": "why not"}, "document"),
    }
    before = house.row_counts()
    for kind, (form, field) in cases.items():
        answer = alice.post(f"/console/requests/{kind}", form=form)
        assert answer.status_code in (403, 422), answer.text
        assert "Nothing was asked for, and nothing has changed" in answer.text
        assert "<title>" in answer.text
        assert "Error: " in answer.text.partition("</title>")[0]
        assert field in answer.text
    assert alice.post("/console/requests/freeze", form={**FREEZE, "purpose": ""}).status_code == 422
    assert house.row_counts() == before


def test_a_policy_is_proposed_by_passkey_agreed_to_by_file_and_in_force(house: House, alice: Visitor) -> None:
    document = relaxed(DEMO_POLICY)
    question = asked(alice, "policy_change", {"document": document.replace("\n", "\r\n"), "purpose": "one is enough"})
    assert "policy with:    approvals: {operators: 1}" in question.text
    answer = send(alice, question, alice.passkey.answer(question.challenge))
    assert answer.json() == {"state": "pending", "next": "/console/policy"}
    digest = digest_in(question)
    page = alice.get("/console/policy").text
    assert digest_code(digest) in page
    proposal = alice.get(f"/console/policy/proposals/{digest}")
    assert proposal.headers["content-disposition"] == 'attachment; filename="proposal.json"'
    found = json.loads(proposal.text)
    assert parse_request(found["request"]).to_json() == found["request"]
    # No passkey agrees to it, and nobody who asked for it.
    assert "custody approve proposal.json" in page
    assert "others have to agree" in alice.get(f"/console/intents/{digest}").text
    agree(house.db, digest, "bob")
    assert carry_out(house.db, digest).state == "pending"
    agree(house.db, digest, "carol")
    carry_out(house.db, digest)
    with house.db.unit() as unit:
        current = trust.in_force(unit.session)
    assert (current.root.version, current.policy_text) == (2, document)
    people = alice.get("/console/people").text
    assert "policy change" in people
    house.expect_whole()


def test_rules_that_one_person_agrees_to_take_a_key(database: FreshDatabase, tmp_path: Path) -> None:
    head, _, tail = DEMO_POLICY.partition("- require: two operators change the rules")
    alone = f"{head}- require: two operators change the rules{tail.replace('operators: 2', 'operators: 1', 1)}"
    house = passkeys.found(database, policy=alone)
    callers = Callers.load(write_tokens(tmp_path / "tokens.json", TOKENS))
    with TestClient(application(house.runtime, callers)) as client:
        visitor = Visitor(client, "alice", Passkey("alice")).sign_in()
        answer = ask(visitor, "policy_change", {"document": relaxed(alone), "purpose": "faster"})
        expect_problem(answer, 403, "request-refused")
    assert reasons(house) == ["too-few-readers"]
    house.close()


def test_the_pages_of_rules_ask_the_database_as_often_for_many_as_for_one(house: House, alice: Visitor) -> None:
    def now(view: Any) -> int:
        def read() -> None:
            with house.db.unit() as unit:
                view(unit.session, trust.in_force(unit.session), unit.now)

        return len(statements_of(house.db, read))

    views = {
        "policy": lambda session, found, at: policy_view(session, found, now=at),
        "people": lambda session, found, at: people_view(session, found, now=at),
        "destinations": lambda session, found, at: destinations_view(session, client="acme", now=at),
        "freezes": lambda session, found, at: freezes_view(session, found, operator="alice", now=at),
    }
    costs = []
    for place in range(2):
        for each in range(3 * place + 1):
            name = f"{place}-{each}"
            done = file(house.db, listing(house.db, "acme", address(name), label=name))
            agree(house.db, done.digest, "bob")
            carry_out(house.db, done.digest)
            file(house.db, freeze(house.db, "client", "acme"))
        costs.append({name: now(view) for name, view in views.items()})
    assert costs[0] == costs[1]
    assert max(costs[1].values()) <= 10, costs


@pytest.mark.parametrize("what", ["compare", "replay"])
def test_another_document_is_compared_and_replayed_without_being_kept(what: str, house: House, alice: Visitor) -> None:
    house.credit("acme", BTC)
    house.withdraw(house.withdrawal_request("acme", BTC // 10))
    before = house.row_counts()
    form = {"document": relaxed(DEMO_POLICY), "days": "7", "do": what}
    answer = alice.post("/console/policy/draft", form=form)
    assert answer.status_code == 200, answer.text
    expected = {"compare": "It lets more out than the policy in force", "replay": "1 × withdrawal: fewer people"}[what]
    assert expected in answer.text
    # A request that shows the difference says how much it is of what, as people do.
    assert what == "replay" or "Would leave from then on: withdrawal of 0.05001000 BTC (" in answer.text
    assert house.row_counts() == before
    wrong = alice.post("/console/policy/draft", form={**form, "document": "rules: [}"})
    assert wrong.status_code == 422
    assert "nothing has changed" in wrong.text
    for days in ("900", "0", "0007" + "9" * 9, "0007" + "9" * 60, "-1"):
        assert alice.post("/console/policy/draft", form={**form, "days": days}).status_code == 422


def test_the_policy_page_explains_one_request(house: House, alice: Visitor) -> None:
    asked = "kind=withdrawal&client=acme&asset=BTC&amount=0.2&destination=new"
    answer = alice.get(f"/console/policy?{asked}")
    assert "two operators above 0.05 BTC" in answer.text.partition('id="answer"')[2].partition("</ul>")[0]
    assert alice.get("/console/policy?kind=withdrawal&client=nobody").status_code == 422
    assert alice.get("/console/policy/document").text == DEMO_POLICY


def test_a_break_is_resolved_with_what_differs_beside_the_form(house: House, alice: Visitor) -> None:
    name = find_break(house.db, house.vaults["acme"])
    form = alice.get(f"/console/requests/break_resolution?subject={name}").text
    for word in (name, house.vaults["acme"], "assets-answer", "paused"):
        assert word in form
    said = {"subject": name, "resolution": "explained", "purpose": "the issuer had paused it"}
    question = asked(alice, "break_resolution", said)
    assert "2 of operators agree" in question.text
    assert send(alice, question, alice.passkey.answer(question.challenge)).json()["state"] == "pending"
    agree(house.db, digest_in(question), "bob", "carol")
    assert carry_out(house.db, digest_in(question)).carried_out_at is not None
    assert "open: the vault pays nothing" not in alice.get(f"/console/requests/break_resolution?subject={name}").text
