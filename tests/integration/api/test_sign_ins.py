"""What a sign-in is kept by and ended by, and what a browser is told about every answer of the console."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from starlette.testclient import TestClient

from custody.api.console import bells
from custody.db import Unit
from custody.evidence.requests import OperatorChangeRequest
from custody.evidence.trust_root import Person
from custody.operators import entering
from custody.trust import operations as trust
from tests.integration.api.callers import TOKENS, expect_problem
from tests.integration.api.conftest import serving
from tests.support import passkeys
from tests.support.console import Visitor, console_paths, question_on
from tests.support.passkeys import Passkey
from tests.support.processes import wait_until
from tests.support.servers import FreshDatabase
from tests.support.versions import Versions
from tests.support.world import House

GUARDED = {
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "publickey-credentials-get=(self), publickey-credentials-create=(self)",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
PASSKEYS = (("alice", "alice"), ("alice", "alice-phone"), ("bob", "bob"), ("carol", "carol"))


@pytest.fixture
def house(database: FreshDatabase) -> Iterator[House]:
    house = passkeys.found(database, credentials=PASSKEYS)
    yield house
    house.close()


@pytest.fixture
def client(house: House, tmp_path: Path) -> Iterator[TestClient]:
    with serving(house, tmp_path) as client:
        yield client


def enter(client: TestClient, name: str, passkey: str = "") -> Visitor:
    return Visitor(client, name, Passkey(passkey or name)).sign_in()


def is_in(visitor: Visitor) -> bool:
    """Where a page is not shown, the road to the door is."""
    answer = visitor.get("/console/passkeys")
    assert (answer.status_code, answer.headers.get("location")) in ((200, None), (303, "/console/sign-in"))
    return bool(answer.status_code == 200)


def found(house: House, query: str) -> list[Any]:
    """The first column."""
    with house.db.unit() as unit:
        return list(unit.session.execute(text(query)).scalars())


def succeed(house: House, people: tuple[Person, ...], **parts: Any) -> None:
    """The next version, by the road that every version takes."""
    with house.db.unit() as unit:
        following(house, unit, people, **parts)


def following(house: House, unit: Unit, people: tuple[Person, ...], **parts: Any) -> None:
    versions = Versions.of(house.ceremony).then(operators=people, kind=OperatorChangeRequest, now=unit.now, **parts)
    trust.succeed(
        unit.session,
        link=versions.links[0],
        policy_text=versions.policy,
        actor="alice",
        correlation_id="test",
        now=unit.now,
    )


def test_a_page_that_only_listens_keeps_nobody_signed_in(
    house: House, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bells, "LASTS_SECONDS", 0)
    alice = enter(client, "alice")
    monkeypatch.setattr(house.db, "_offset", timedelta(minutes=14))
    assert alice.get("/console/live").status_code == 200
    monkeypatch.setattr(house.db, "_offset", timedelta(minutes=16))
    expect_problem(alice.get("/console/live"), 401, "not-signed-in")
    alice.sign_in()
    assert alice.get("/console/live").status_code == 200
    alice.post("/console/sign-out", form={})
    expect_problem(alice.get("/console/live"), 401, "not-signed-in")


def test_every_answer_of_the_console_says_what_a_browser_may_do_with_it(
    house: House, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages, errors, what scripts fetch and send, and what is no route: for who is signed in and who is not."""
    alice = enter(client, "alice")
    house.open_client("acme", branch=1)
    reached = {200, 201, 303, 401, 403, 404, 405, 422}
    seen = set()
    for visitor in (alice, Visitor(client, "nobody", Passkey("nobody"))):
        paths = [path for path in console_paths(client, "GET") if path != "/console/live" or visitor is not alice]
        answers = [visitor.get(path) for path in (*paths, "/console/nowhere", "/console/static/console.css")]
        answers += [visitor.post(path, body={}) for path in (*console_paths(client, "POST"), "/console/help")]
        for answer in answers:
            expect_guarded(answer)
            seen.add(answer.status_code)
    assert seen <= reached
    assert {200, 303, 401, 404, 405, 422} <= seen
    monkeypatch.setattr(entering, "signed_in", None)
    for accepted in ("text/html", "application/json"):
        broken = client.get("/console", headers={"Accept": accepted})
        expect_guarded(broken)
        assert broken.status_code == 500
    asked = client.get("/v1/assets", headers={"Authorization": f"Bearer {TOKENS['alice'][1]}"})
    assert "content-security-policy" not in asked.headers


def expect_guarded(answer: Any) -> None:
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src")
    assert not re.search(r"unsafe|https?:|\*", policy)
    for part in ("form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'", "require-trusted-types-for"):
        assert part in policy
    kept = {"private, max-age=60"} if "/static/" in answer.url.path and answer.status_code == 200 else {"no-store"}
    assert answer.headers["cache-control"] in kept
    said = {name: answer.headers[name] for name in GUARDED}
    assert said == GUARDED


def test_a_copy_of_a_passkey_ends_everything_that_is_open_for_its_person(house: House, client: TestClient) -> None:
    alice, bob = enter(client, "alice"), enter(client, "bob")
    phone = enter(client, "alice", "alice-phone")
    assert [is_in(each) for each in (alice, phone, bob)] == [True, True, True]
    copy = Visitor(client, "alice", Passkey("alice"))
    expect_problem(copy.enter(sign_count=1), 403, "passkey-counter")
    assert [is_in(each) for each in (alice, phone, bob)] == [False, False, True]
    assert found(house, "SELECT facts -> 'sign_ins_ended' FROM audit_events WHERE event = 'passkey.locked'") == [2]
    phone.sign_in()
    expect_problem(copy.enter(sign_count=1), 401, "sign-in-refused")
    assert is_in(phone), "a lock ends what was open when it fell, and nothing later"


def test_a_version_without_a_passkey_ends_what_is_open_for_its_person(house: House, client: TestClient) -> None:
    phone, bob = enter(client, "alice", "alice-phone"), enter(client, "bob")
    people = tuple(
        replace(person, credentials=person.credentials[:1]) if person.id == "alice" else person
        for person in house.ceremony.root.operators
    )
    succeed(house, people)
    assert [is_in(each) for each in (phone, bob)] == [False, True]
    expect_problem(phone.enter(), 401, "sign-in-refused")
    assert is_in(enter(client, "alice"))


def test_an_invitation_is_over_with_the_passkey_that_may_have_asked_for_it(house: House, client: TestClient) -> None:
    """Who holds a copy, or what was taken away, makes no passkey for its person by a link that was kept."""

    def invited(name: str) -> str:
        with house.db.unit() as unit:
            return entering.invite(unit.session, operator=name, actor=name, now=unit.now)

    copied, others = invited("alice"), invited("bob")
    alice = enter(client, "alice")
    expect_problem(alice.enter(sign_count=1), 403, "passkey-counter")
    expect_problem(ask_by(alice, copied), 403, "invitation-refused")
    assert alice.make(others, Passkey("bob-phone")).status_code == 201
    gone = invited("bob")
    people = tuple(
        replace(person, credentials=()) if person.id == "bob" else person for person in house.ceremony.root.operators
    )
    succeed(house, people)
    expect_problem(ask_by(alice, gone), 403, "invitation-refused")
    assert alice.make(invited("alice"), Passkey("alice-new")).status_code == 201, "a new one works"


def test_nobody_comes_in_beside_the_version_that_takes_their_passkey_away(house: House, client: TestClient) -> None:
    """Nor are they invited beside it: neither would be there to be ended."""
    phone, inside = Visitor(client, "alice", Passkey("alice-phone")), enter(client, "alice", "alice-phone")
    question = question_on(inside.post("/console/passkeys/new", form={}).text)
    people = tuple(
        replace(person, credentials=person.credentials[:1]) if person.id == "alice" else person
        for person in house.ceremony.root.operators
    )
    with ThreadPoolExecutor(2) as pool:
        with house.db.unit() as unit:
            following(house, unit, people)
            let_in = [pool.submit(phone.enter), pool.submit(inside.answer, question)]
            wait_until(lambda: any(each.done() for each in let_in) or found(house, _WAITING) == [2])
        for each in let_in:
            expect_problem(each.result(), 401, "sign-in-refused")
    assert found(house, "SELECT operator FROM console_sign_ins WHERE closed_at IS NULL") == []
    assert found(house, "SELECT operator FROM console_invitations") == []


def test_whoever_is_no_operator_any_more_is_not_invited(database: FreshDatabase, tmp_path: Path) -> None:
    house = passkeys.found(database, credentials=PASSKEYS[:3])
    with house.db.unit() as unit:
        secret = entering.invite(unit.session, operator="carol", actor="alice", now=unit.now)
    people = tuple(person for person in house.ceremony.root.operators if person.id != "carol")
    policy = house.ceremony.policy.replace("operators: [alice, bob, carol]", "operators: [alice, bob]")
    succeed(house, people, groups={"operators": ("alice", "bob")}, policy=policy)
    with serving(house, tmp_path) as client:
        expect_problem(ask_by(Visitor(client, "carol", Passkey("carol")), secret), 403, "invitation-refused")
    house.close()


def ask_by(visitor: Visitor, secret: str) -> Any:
    return visitor.post("/console/invitation/question", body={"secret": secret})


_WAITING = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


def test_a_version_without_a_person_ends_what_is_open_for_them_for_good(house: House, client: TestClient) -> None:
    bob, alice = enter(client, "bob"), enter(client, "alice")
    people = tuple(person for person in house.ceremony.root.operators if person.id != "bob")
    groups = {"operators": ("alice", "carol")}
    policy = house.ceremony.policy.replace("operators: [alice, bob, carol]", "operators: [alice, carol]")
    succeed(house, people, groups=groups, policy=policy)
    assert [is_in(each) for each in (bob, alice)] == [False, True]
    still_open = "SELECT operator FROM console_sign_ins WHERE closed_at IS NULL"
    assert found(house, still_open) == ["alice"], "not even if bob comes back"
