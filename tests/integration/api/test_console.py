"""The console's pages: who gets in, what they may load, what is kept of a passkey, and that nothing becomes markup."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from starlette.testclient import TestClient

from custody.api.app import application
from custody.api.auth import Callers
from custody.api.console.frame import SCRIPTS
from custody.operators import queries as operators
from custody.trust import operations as trust
from tests.cosigner.builders import BTC
from tests.integration.api.callers import expect_problem
from tests.support import passkeys
from tests.support.console import Visitor, question_on
from tests.support.passkeys import PRESENT, Passkey
from tests.support.servers import FreshDatabase
from tests.support.world import House, write_tokens

TOKENS = {
    **{name: ("operator", f"token-of-{name}-at-the-console-00000") for name in ("alice", "bob", "stranger")},
    "exchange": ("requester", "token-of-the-exchange-00000000000"),
    "auditor": ("reader", "token-of-the-auditor-000000000000"),
}
PAGES = ("/console", "/console/passkeys")


@pytest.fixture
def house(database: FreshDatabase) -> Iterator[House]:
    house = passkeys.found(database)
    house.open_client("acme", branch=1)
    house.credit("acme", 10 * BTC)
    yield house
    house.close()


@pytest.fixture
def client(house: House, tmp_path: Path) -> Iterator[TestClient]:
    callers = Callers.load(write_tokens(tmp_path / "tokens.json", TOKENS))
    with TestClient(application(house.runtime, callers), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def alice(client: TestClient) -> Visitor:
    return Visitor(client, "alice", Passkey("alice")).sign_in(TOKENS["alice"][1])


def digest_of(house: House, **changes: Any) -> str:
    return house.withdraw(house.withdrawal_request("acme", BTC // 10, **changes)).digest


def test_every_page_loads_our_own_script_and_style_and_nothing_else(house: House, alice: Visitor) -> None:
    digest = digest_of(house)
    pages = [alice.get(path) for path in (*PAGES, "/console/sign-in", f"/console/intents/{digest}")]
    pages.append(alice.post(f"/console/intents/{digest}/statement", form={"verdict": "approve"}))
    pages.append(alice.post("/console/passkeys/new", form={}))
    for answer in pages:
        assert answer.status_code == 200
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src")
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["cache-control"] == "no-store"
        scripts = re.findall(r"<script[^>]*>", answer.text)
        assert scripts == [f'<script src="/console/static/{name}" defer="defer">' for name in SCRIPTS]
        assert re.search(r"<script[^>]*>[^<]|<style|\son\w+=|style=|javascript:", answer.text) is None
    for name in (*SCRIPTS, "console.css", "icon.svg"):
        assert alice.get(f"/console/static/{name}").status_code == 200
    for name in ("routes.py", "..%2Froutes.py", "../routes.py", "%2e%2e/door.py"):
        assert alice.get(f"/console/static/{name}").status_code in (404, 422)


def test_nothing_that_was_asked_for_becomes_markup(house: House, alice: Visitor) -> None:
    hostile = """<script>alert(1)</script>"'><img src=x onerror=alert(1)>"""
    digest = digest_of(house, purpose=hostile)
    for answer in (alice.get(f"/console/intents/{digest}"), alice.get("/console")):
        assert "<script>alert" not in answer.text
        assert "<img" not in answer.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in alice.get(f"/console/intents/{digest}").text
    assert "&lt;img" in alice.ask(digest).text


def test_a_cookie_is_for_this_site_alone_and_for_no_script(client: TestClient) -> None:
    visitor = Visitor(client, "alice", Passkey("alice"))
    answer = visitor.post("/console/sign-in", form={"token": TOKENS["alice"][1]})
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-custody=")
    for part in ("HttpOnly", "SameSite=strict", "Secure", "Path=/"):
        assert part in cookie
    assert "Domain" not in cookie


@pytest.mark.parametrize("name", ["exchange", "auditor", "stranger"])
def test_only_operators_of_the_trust_root_sign_in(house: House, client: TestClient, name: str) -> None:
    before = house.row_counts()
    for token in (TOKENS[name][1], "nobody's"):
        answer = Visitor(client, name, Passkey(name)).post("/console/sign-in", form={"token": token})
        assert answer.status_code == 401
        assert "set-cookie" not in answer.headers
        assert token not in answer.text
    assert house.row_counts() == before


def test_who_is_not_signed_in_is_led_to_where_one_signs_in(house: House, alice: Visitor) -> None:
    digest = digest_of(house)
    stranger = Visitor(alice.client, "alice", Passkey("alice"), cookie="__Host-custody=invented")
    for path in (*PAGES, f"/console/intents/{digest}"):
        answer = stranger.get(path)
        assert (answer.status_code, answer.headers["location"]) == (303, "/console/sign-in")
    for path in (f"/console/intents/{digest}/statement", "/console/passkeys/new", "/console/passkeys"):
        expect_problem(stranger.post(path, form={"verdict": "approve"}), 401, "not-signed-in")


@pytest.mark.parametrize("origin", ["https://evil.tld", "null", "", "https://console.example.com.evil.tld"])
def test_what_another_page_sends_is_refused(house: House, alice: Visitor, origin: str) -> None:
    digest = digest_of(house)
    before = house.row_counts()
    alice.origin = origin
    posts = ("/console/sign-in", "/console/sign-out", "/console/passkeys", "/console/passkeys/new")
    for path in (*posts, f"/console/intents/{digest}/statement", f"/console/intents/{digest}/verdict"):
        expect_problem(alice.post(path, form={"token": TOKENS["alice"][1]}), 403, "foreign-origin", "origin")
    assert house.row_counts() == before
    assert alice.get("/console").status_code == 200


def test_signing_in_ends(house: House, alice: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    other = Visitor(alice.client, "alice", Passkey("alice")).sign_in(TOKENS["alice"][1])
    assert alice.cookie != other.cookie
    assert alice.post("/console/sign-out", form={}).status_code == 303
    assert alice.get("/console").status_code == 303
    assert other.get("/console").status_code == 200
    monkeypatch.setattr(house.db, "_offset", timedelta(hours=9))
    assert other.get("/console").status_code == 303


def test_who_is_no_operator_any_more_is_out(house: House, alice: Visitor) -> None:
    with house.db.unit() as unit:
        root = trust.in_force(unit.session).root
    others = tuple(person for person in root.operators if person.id != "alice")
    newer = replace(root, version=2, previous=root.hash, operators=others, groups={"operators": ("bob", "carol")})
    passkeys.put_in_force(house, newer)
    assert alice.get("/console").status_code == 303


def test_without_a_console_in_the_trust_root_there_is_none(database: FreshDatabase, tmp_path: Path) -> None:
    house = House.found(database)
    callers = Callers.load(write_tokens(tmp_path / "tokens.json", TOKENS))
    with TestClient(application(house.runtime, callers), raise_server_exceptions=False) as client:
        for path in (*PAGES, "/console/sign-in"):
            expect_problem(client.get(path), 404, "no-console")
    house.close()


def test_a_new_passkey_is_a_candidate_and_counts_for_nothing(house: House, alice: Visitor) -> None:
    phone = Passkey("alice-phone", sign_count=7)
    asked = question_on(alice.post("/console/passkeys/new", form={}).text)
    assert Passkey("alice").credential.id in [each["id"] for each in asked.options["excludeCredentials"]]
    body = {"challenge": asked.challenge.hex(), "credential": phone.registration(asked.challenge)}
    assert alice.post(asked.send, body=body).status_code == 201
    with house.db.unit() as unit:
        (candidate,) = operators.candidates(unit.session, operator="alice")
    assert candidate.credential == phone.credential
    shown = alice.get("/console/passkeys").text
    assert "candidate: counts for nothing yet" in shown
    assert phone.credential.public_key in shown
    alice.passkey = phone
    expect_problem(alice.give(digest_of(house)), 403, "approval-refused")
    expect_problem(alice.post(asked.send, body=body), 403, "passkey-refused")
    again = question_on(alice.post("/console/passkeys/new", form={}).text)
    body = {"challenge": again.challenge.hex(), "credential": phone.registration(again.challenge)}
    expect_problem(alice.post(asked.send, body=body), 409, "already-registered")


def test_a_counter_goes_on_from_where_it_stood_when_the_passkey_was_registered(house: House, alice: Visitor) -> None:
    phone = Passkey("alice-phone", sign_count=7)
    asked = question_on(alice.post("/console/passkeys/new", form={}).text)
    body = {"challenge": asked.challenge.hex(), "credential": phone.registration(asked.challenge)}
    alice.post(asked.send, body=body)
    passkeys.pin_candidates(house, "alice")
    alice.passkey = phone
    expect_problem(alice.give(digest_of(house), sign_count=7), 403, "passkey-counter")


@pytest.mark.parametrize(
    "lie",
    [
        {"flags": PRESENT},
        {"origin": "https://evil.tld"},
        {"type": "webauthn.get"},
        {"challenge": "AAAA"},
    ],
)
def test_a_registration_that_lies_leaves_no_candidate(house: House, alice: Visitor, lie: dict[str, Any]) -> None:
    asked = question_on(alice.post("/console/passkeys/new", form={}).text)
    body = {"challenge": asked.challenge.hex(), "credential": Passkey("new").registration(asked.challenge, **lie)}
    expect_problem(alice.post(asked.send, body=body), 403, "passkey-refused")
    with house.db.unit() as unit:
        assert operators.candidates(unit.session) == []


def test_a_registration_asked_of_somebody_else_leaves_no_candidate(house: House, alice: Visitor) -> None:
    bob = Visitor(alice.client, "bob", Passkey("bob")).sign_in(TOKENS["bob"][1])
    asked = question_on(alice.post("/console/passkeys/new", form={}).text)
    body = {"challenge": asked.challenge.hex(), "credential": Passkey("new").registration(asked.challenge)}
    expect_problem(bob.post(asked.send, body=body), 403, "passkey-refused")
    with house.db.unit() as unit:
        assert operators.candidates(unit.session) == []


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("statement", {"form": {"verdict": "perhaps"}}),
        ("statement", {"form": {"verdict": "approve", "more": "1"}}),
        ("statement", {"form": {}}),
        ("statement", {"body": {"verdict": "approve"}}),
        ("verdict", {"body": {}}),
        ("verdict", {"body": {"challenge": "zz", "credential": {}}}),
        ("verdict", {"body": {"challenge": "00" * 32, "credential": None}}),
        ("verdict", {"body": {"challenge": "00" * 33, "credential": {"id": 1}}}),
        ("verdict", {"form": {"challenge": "00"}}),
    ],
)
def test_bad_input_is_named_and_writes_nothing(house: House, alice: Visitor, path: str, sent: dict[str, Any]) -> None:
    digest = digest_of(house)
    before = house.row_counts()
    expect_problem(alice.post(f"/console/intents/{digest}/{path}", **sent), 422, "invalid-input")
    expect_problem(alice.get("/console/intents/xyz"), 422, "invalid-input", "digest")
    assert house.row_counts() == before


def test_the_page_says_why_there_is_nothing_to_press(house: House, alice: Visitor) -> None:
    digest = digest_of(house)
    assert 'value="approve"' in alice.get(f"/console/intents/{digest}").text
    alice.give(digest)
    assert "You have agreed to it." in alice.get(f"/console/intents/{digest}").text
    own = digest_of(house, requester="alice")
    assert "You asked for it" in alice.get(f"/console/intents/{own}").text
    with house.db.unit() as unit:
        unit.session.execute(
            text("UPDATE credentials SET locked_at = now() WHERE id = :id"), {"id": alice.passkey.credential.id}
        )
    other = digest_of(house)
    assert "no passkey that counts" in alice.get(f"/console/intents/{other}").text


def test_a_lock_never_opens_and_a_counter_never_falls(house: House, alice: Visitor) -> None:
    alice.give(digest_of(house))
    for change in ("sign_count = 0", "locked_at = now()", "locked_at = NULL"):
        statement = text(f"UPDATE credentials SET {change}")
        if change == "locked_at = now()":
            with house.db.unit() as unit:
                unit.session.execute(statement)
            continue
        with pytest.raises(Exception, match="never"), house.db.unit() as unit:
            unit.session.execute(statement)
