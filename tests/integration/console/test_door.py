"""The console's pages: who gets in, what they may load, what is kept of a passkey, and that nothing becomes markup."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from starlette.testclient import TestClient

from custody.api.console.frame import SCRIPTS
from custody.operators import entering
from custody.operators import queries as operators
from custody.operators.operations import lock
from custody.trust import operations as trust
from tests.cosigner.builders import BTC
from tests.integration.api.callers import expect_problem
from tests.integration.api.conftest import serving
from tests.support import passkeys
from tests.support.console import Visitor, question_on
from tests.support.passkeys import PRESENT, Passkey, as_browser
from tests.support.servers import FreshDatabase
from tests.support.world import House

PAGES = ("/console", "/console/passkeys")


def digest_of(house: House, **changes: Any) -> str:
    return house.withdraw(house.withdrawal_request("acme", BTC // 10, **changes)).digest


def rows(house: House, query: str) -> list[Any]:
    with house.db.unit() as unit:
        return list(unit.session.execute(text(query)))


def test_every_page_loads_our_own_script_and_style_and_nothing_else(house: House, alice: Visitor) -> None:
    digest = digest_of(house)
    pages = [alice.get(path) for path in (*PAGES, "/console/help", "/console/sign-in", f"/console/intents/{digest}")]
    pages.append(alice.post(f"/console/intents/{digest}/statement", form={"verdict": "approve"}))
    pages.append(alice.post("/console/passkeys/new", form={}))
    pages.append(alice.get("/console/invitation"))
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


def test_help_is_read_by_who_is_not_signed_in(house: House, client: TestClient, alice: Visitor) -> None:
    assert alice.get("/console/help").text.count("Keep these settings") == 1
    client.cookies.clear()
    nobody = client.get("/console/help", follow_redirects=False)
    assert nobody.status_code == 200
    assert 'href="/console/sign-in"' in nobody.text
    assert all(word not in nobody.text for word in ("alice", "Keep these settings", "acme"))


def test_nothing_that_was_asked_for_becomes_markup(house: House, alice: Visitor) -> None:
    hostile = """<script>alert(1)</script>"'><img src=x onerror=alert(1)>"""
    digest = digest_of(house, purpose=hostile)
    for answer in (alice.get(f"/console/intents/{digest}"), alice.get("/console")):
        assert "<script>alert" not in answer.text
        assert "<img" not in answer.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in alice.get(f"/console/intents/{digest}").text
    assert "&lt;img" in alice.ask(digest).text


def test_a_cookie_is_for_this_site_alone_and_for_no_script(house: House, client: TestClient) -> None:
    cookie = Visitor(client, "alice", Passkey("alice")).enter().headers["set-cookie"]
    assert cookie.startswith("__Host-custody=")
    for part in ("HttpOnly", "SameSite=strict", "Secure", "Path=/"):
        assert part in cookie
    assert "Domain" not in cookie


LIES = (
    {"origin": "https://evil.tld"},
    {"rp_id": "evil.tld"},
    {"flags": PRESENT},
    {"type": "webauthn.create"},
    {"challenge": "AAAA"},
)


def test_only_a_true_answer_by_a_verified_person_signs_in(house: House, client: TestClient) -> None:
    for lie in LIES:
        answer = Visitor(client, "alice", Passkey("alice")).enter(**lie)
        expect_problem(answer, 401, "sign-in-refused", "credential")
        assert "set-cookie" not in answer.headers
    assert rows(house, "SELECT 1 FROM console_sign_ins") == []


def test_only_passkeys_that_count_sign_in(house: House, client: TestClient) -> None:
    stranger = Visitor(client, "alice", Passkey("stranger"))
    assert "not enrolled" in expect_problem(stranger.enter(), 401, "sign-in-refused", "credential")["detail"]
    with house.db.unit() as unit:
        root = trust.in_force(unit.session).root
        later = {Passkey("bob").credential.id: unit.now + timedelta(hours=1)}
    passkeys.put_in_force(house, replace(root, version=2, previous=root.hash, cooling=later))
    answer = Visitor(client, "bob", Passkey("bob")).enter()
    assert "cooling" in expect_problem(answer, 401, "sign-in-refused", "credential")["detail"]
    with house.db.unit() as unit:
        why = {"credential": Passkey("carol").credential.id, "operator": "carol", "why": "a copy was seen"}
        lock(unit.session, **why, now=unit.now)
    answer = Visitor(client, "carol", Passkey("carol")).enter()
    assert "locked" in expect_problem(answer, 401, "sign-in-refused", "credential")["detail"]


def test_an_answer_at_the_door_opens_it_once_and_a_copy_is_locked(house: House, client: TestClient) -> None:
    alice = Visitor(client, "alice", Passkey("alice"))
    asked = bytes.fromhex(alice.post("/console/sign-in/question", body={}).json()["challenge"])
    body = {"challenge": asked.hex(), "credential": as_browser(alice.passkey.answer(asked, sign_count=7))}
    assert alice.post("/console/sign-in", body=body).status_code == 201
    expect_problem(alice.post("/console/sign-in", body=body), 401, "sign-in-refused")
    expect_problem(alice.enter(sign_count=7), 403, "passkey-counter")
    expect_problem(alice.enter(sign_count=9), 401, "sign-in-refused")
    assert rows(house, "SELECT 1 FROM credentials WHERE locked_at IS NOT NULL") != []


def test_questions_at_the_door_do_not_pile_up(
    house: House, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor = Visitor(client, "nobody", Passkey("nobody"))
    for _ in range(5):
        assert visitor.post("/console/sign-in/question", body={}).status_code == 201
    monkeypatch.setattr(house.db, "_offset", timedelta(minutes=6))
    visitor.post("/console/sign-in/question", body={})
    assert len(rows(house, "SELECT 1 FROM challenges")) == 1


def test_who_is_not_signed_in_is_led_to_where_one_signs_in(house: House, alice: Visitor) -> None:
    digest = digest_of(house)
    stranger = Visitor(alice.client, "alice", Passkey("alice"), cookie="__Host-custody=invented")
    for path in (*PAGES, f"/console/intents/{digest}"):
        answer = stranger.get(path)
        assert (answer.status_code, answer.headers["location"]) == (303, "/console/sign-in")
    for path in (f"/console/intents/{digest}/statement", "/console/passkeys/new", "/console/passkeys", "/console/stay"):
        expect_problem(stranger.post(path, form={"verdict": "approve"}), 401, "not-signed-in")


def test_signing_in_ends(house: House, alice: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    other = Visitor(alice.client, "alice", alice.passkey).sign_in()
    assert alice.cookie != other.cookie
    assert alice.post("/console/sign-out", form={}).status_code == 303
    assert alice.get("/console").status_code == 303
    for minutes in range(14, 8 * 60, 14):
        monkeypatch.setattr(house.db, "_offset", timedelta(minutes=minutes))
        assert other.get("/console").status_code == 200
    monkeypatch.setattr(house.db, "_offset", timedelta(hours=8, minutes=1))
    assert other.get("/console").status_code == 303


def test_signing_in_ends_when_nothing_is_done(house: House, alice: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(house.db, "_offset", timedelta(minutes=14))
    live = alice.client.get("/console", headers={"Cookie": alice.cookie, "X-Custody-Live": "1"}, follow_redirects=False)
    assert live.status_code == 200
    assert 'data-idle="60"' in live.text or 'data-idle="59"' in live.text
    assert alice.post("/console/stay", body={}).json()["idle_seconds"] > 800
    monkeypatch.setattr(house.db, "_offset", timedelta(minutes=28))
    assert alice.get("/console").status_code == 200
    monkeypatch.setattr(house.db, "_offset", timedelta(minutes=44))
    assert alice.get("/console").status_code == 303


def test_who_is_no_operator_any_more_is_out(house: House, alice: Visitor) -> None:
    with house.db.unit() as unit:
        root = trust.in_force(unit.session).root
    others = tuple(person for person in root.operators if person.id != "alice")
    newer = replace(root, version=2, previous=root.hash, operators=others, groups={"operators": ("bob", "carol")})
    passkeys.put_in_force(house, newer)
    assert alice.get("/console").status_code == 303


def test_without_a_console_in_the_trust_root_there_is_none(database: FreshDatabase, tmp_path: Path) -> None:
    house = House.found(database)
    with serving(house, tmp_path) as client:
        for path in (*PAGES, "/console/help", "/console/sign-in"):
            expect_problem(client.get(path), 404, "no-console")
    house.close()


def invitation(house: House, name: str) -> str:
    with house.db.unit() as unit:
        return entering.invite(unit.session, operator=name, actor="test", now=unit.now)


def test_a_passkey_made_by_invitation_is_a_candidate_and_counts_for_nothing(house: House, client: TestClient) -> None:
    phone = Passkey("alice-phone", sign_count=7)
    alice, secret = Visitor(client, "alice", phone), invitation(house, "alice")
    asked = alice.post("/console/invitation/question", body={"secret": secret}).json()
    assert Passkey("alice").credential.id in [each["id"] for each in asked["options"]["excludeCredentials"]]
    made = alice.make(secret, phone)
    assert made.status_code == 201
    shown = alice.get(made.json()["next"]).text
    for text_ in ("counts for nothing yet", phone.credential.public_key, "custody approve proposal.json"):
        assert text_ in shown
    expect_problem(alice.enter(), 401, "sign-in-refused")
    expect_problem(alice.post("/console/invitation/question", body={"secret": secret}), 403, "invitation-refused")
    again = alice.make(invitation(house, "alice"), phone)
    expect_problem(again, 409, "already-registered")
    passkeys.pin_candidates(house, "alice")
    expect_problem(alice.enter(sign_count=7), 403, "passkey-counter")


def test_a_newcomer_is_told_how_a_version_enrols_them(house: House, client: TestClient) -> None:
    dana = Visitor(client, "dana", Passkey("dana"))
    made = dana.make(invitation(house, "dana"), dana.passkey)
    assert "--for dana --new" in dana.get(made.json()["next"]).text
    expect_problem(dana.get("/console/candidates/AAAA"), 404, "no-candidate", "credential")


def test_an_invitation_is_for_one_and_ends(house: House, client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    alice = Visitor(client, "alice", Passkey("alice-phone"))
    first, second = invitation(house, "alice"), invitation(house, "alice")
    for secret in (first, "invented"):
        answer = alice.post("/console/invitation/question", body={"secret": secret})
        expect_problem(answer, 403, "invitation-refused", "invitation")
    asked = alice.post("/console/invitation/question", body={"secret": second}).json()
    challenge = bytes.fromhex(asked["challenge"])
    body = {"challenge": asked["challenge"], "credential": alice.passkey.registration(challenge)}
    other = invitation(house, "bob")
    expect_problem(alice.post("/console/invitation", body={"secret": other, **body}), 403, "passkey-refused")
    monkeypatch.setattr(house.db, "_offset", timedelta(hours=25))
    expect_problem(alice.post("/console/invitation", body={"secret": second, **body}), 403, "invitation-refused")
    with house.db.unit() as unit:
        assert operators.candidates(unit.session) == []


def test_another_passkey_is_made_with_one_that_counts(house: House, alice: Visitor) -> None:
    asked = question_on(alice.post("/console/passkeys/new", form={}).text)
    body = {"challenge": asked.challenge.hex(), "credential": as_browser(alice.passkey.answer(asked.challenge))}
    answer = alice.post(asked.send, body=body)
    assert answer.status_code == 201
    path, _, secret = answer.json()["next"].partition("#")
    assert path == "/console/invitation"
    assert alice.make(secret, Passkey("alice-phone")).status_code == 201
    assert "candidate: counts for nothing yet" in alice.get("/console/passkeys").text
    expect_problem(alice.post(asked.send, body=body), 401, "sign-in-refused")


@pytest.mark.parametrize(
    "lie", [{"flags": PRESENT}, {"origin": "https://evil.tld"}, {"type": "webauthn.get"}, {"challenge": "AAAA"}]
)
def test_a_registration_that_lies_leaves_no_candidate(house: House, client: TestClient, lie: dict[str, Any]) -> None:
    visitor = Visitor(client, "alice", Passkey("new"))
    expect_problem(visitor.make(invitation(house, "alice"), visitor.passkey, **lie), 403, "passkey-refused")
    with house.db.unit() as unit:
        assert operators.candidates(unit.session) == []


def test_who_fails_at_the_door_is_nobody_and_fills_no_log(house: House, client: TestClient) -> None:
    thief = Visitor(client, "thief", Passkey("thief"))
    answered = as_browser(thief.passkey.answer(b"\0" * 32))
    made = thief.passkey.registration(b"\0" * 32)
    before = house.row_counts()
    for path, body in (
        ("/console/sign-in", {"challenge": "abcd", "credential": answered}),
        ("/console/invitation", {"secret": "guessed", "challenge": "abcd", "credential": made}),
        ("/console/invitation", {"secret": "guessed", "challenge": "11" * 32, "credential": made}),
    ):
        expect_problem(thief.post(path, body=body), 403, "passkey-refused")
    assert house.row_counts() == before


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("statement", {"form": {"verdict": "perhaps"}}),
        ("statement", {"form": {"verdict": "approve", "more": "1"}}),
        ("statement", {"form": {"verdict": "reject"}}),
        ("statement", {"form": {"verdict": "reject", "reason": "no        "}}),
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
