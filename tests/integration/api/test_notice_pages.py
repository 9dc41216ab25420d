"""The console's pages of webhooks and notices: changed by a passkey alone, light, and made of text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from starlette.testclient import TestClient

from custody.api.app import application
from custody.api.auth import Callers
from custody.events import queries as events
from custody.jobs import queries as jobs
from custody.notices import choosing
from custody.notices import operations as notices
from custody.notices import queries as channels
from custody.trust.operations import in_force
from custody.webhooks import operations, queries
from custody.webhooks.model import TEST
from custody.webhooks.signing import Sealer
from tests.cosigner.builders import BTC
from tests.integration.api.callers import expect_problem
from tests.integration.api.test_money_pages import HOSTILE, superuser, tags, whole
from tests.integration.movements.counting import statements_of
from tests.support import passkeys
from tests.support.console import Question, Visitor, question_on
from tests.support.notices import mailed_code
from tests.support.oracle import plays
from tests.support.passkeys import Passkey, as_browser
from tests.support.servers import FreshDatabase
from tests.support.world import House, write_tokens

TOKENS = {"alice": ("operator", "token-of-alice-at-the-console-00000")}
WEBHOOKS, NOTICES = "/console/webhooks", "/console/notices"
MAIL = {"channel": "mail", "address": "alice@example.com"}


@pytest.fixture
def house(database: FreshDatabase) -> Iterator[House]:
    house = House.found(database, ceremony=passkeys.world(), webhook_inside="127.0.0.0/8")
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


def hook(house: House, label: str = "books") -> str:
    """An endpoint that nobody listens at, with failed deliveries."""
    with house.db.unit() as unit:
        made = operations.add(
            unit.session,
            url="http://127.0.0.1:1/hooks",
            client=None,
            types=[],
            payload="full",
            label=label,
            sealer=Sealer(house.runtime.seal_key),
            actor="test",
            now=unit.now,
        )
    return made.endpoint.id


def state(house: House, endpoint: str) -> str:
    with house.db.unit() as unit:
        return queries.get(unit.session, endpoint=endpoint).state


def asked(visitor: Visitor, path: str, form: dict[str, str] | None = None) -> Question:
    answer = visitor.post(path, form=form or {})
    assert answer.status_code == 200, answer.text
    return question_on(answer.text)


def send(visitor: Visitor, question: Question, *, to: str = "", passkey: Passkey | None = None) -> Any:
    assertion = (passkey or visitor.passkey).answer(question.challenge)
    body = {"challenge": question.challenge.hex(), "credential": as_browser(assertion)}
    return visitor.post(to or question.send, body=body)


def told(house: House) -> list[tuple[str, str, str, bool]]:
    with house.db.unit() as unit:
        return [(each.operator, each.kind, each.address, each.is_on) for each in channels.channels(unit.session)]


def test_an_endpoint_is_disabled_and_enabled_by_a_passkey(house: House, alice: Visitor) -> None:
    endpoint = hook(house)
    assert "books" in whole(alice, WEBHOOKS)
    question = asked(alice, f"{WEBHOOKS}/{endpoint}/disable")
    assert "what is told meanwhile waits" in question.text
    assert state(house, endpoint) == "active"
    answer = send(alice, question)
    assert (answer.status_code, answer.json()) == (201, {"next": f"{WEBHOOKS}/{endpoint}"})
    assert state(house, endpoint) == "disabled"
    page = whole(alice, f"{WEBHOOKS}/{endpoint}")
    assert "disabled by alice" in page and page.count("It is disabled: nothing is sent there.") == 2
    expect_problem(send(alice, question), 403, "passkey-refused")
    assert send(alice, asked(alice, f"{WEBHOOKS}/{endpoint}/enable")).status_code == 201
    assert state(house, endpoint) == "active"
    assert send(alice, asked(alice, f"{WEBHOOKS}/{endpoint}/resend")).status_code == 201
    with house.db.unit() as unit:
        job = jobs.newest_resend(unit.session, endpoint=endpoint)
    assert job is not None and (job.requester, job.state) == ("alice", "running")
    assert job.id in whole(alice, f"{WEBHOOKS}/{endpoint}")
    assert send(alice, asked(alice, f"{WEBHOOKS}/{endpoint}/test")).status_code == 201
    with house.db.unit() as unit:
        tried = events.of_subject(unit.session, kind="webhook_endpoint", subject=endpoint)[-1]
    assert (tried.type, tried.actor) == (TEST, "alice")


def test_an_operator_is_told_where_their_passkey_agreed(house: House, alice: Visitor) -> None:
    assert "You are told nowhere" in whole(alice, NOTICES)
    question = asked(alice, NOTICES, MAIL)
    assert told(house) == []
    assert send(alice, question).json() == {"next": NOTICES}
    hooked = asked(alice, NOTICES, {"channel": "webhook", "address": "http://127.0.0.1:1/told"})
    (secret,) = re.findall(r"whsec_[A-Za-z0-9+/=]+", hooked.text)
    assert send(alice, hooked).status_code == 201
    assert secret not in whole(alice, NOTICES)
    assert "waits for its code" in whole(alice, NOTICES)
    wrong = alice.post(f"{NOTICES}/mail/code", form={"code": "1234"})
    assert (wrong.status_code, "not the code that was sent" in wrong.text) == (422, True), wrong.text
    confirmed = asked(alice, f"{NOTICES}/mail/code", {"code": mailed_code(house.db, house.runtime.seal_key, "alice")})
    assert "waits for its code" in whole(alice, NOTICES), "asked, and not answered"
    assert send(alice, confirmed).status_code == 201
    assert "waits for its code" not in whole(alice, NOTICES)
    expect_problem(alice.post(f"{NOTICES}/mail/code", form={"code": "1"}), 409, "notice-channel-state")
    assert send(alice, asked(alice, f"{NOTICES}/mail/off")).status_code == 201
    assert told(house) == [
        ("alice", "mail", "alice@example.com", False),
        ("alice", "webhook", "http://127.0.0.1:1/told", True),
    ]
    house.open_client("acme", branch=1)
    house.credit("acme", 10 * BTC)
    house.withdraw(house.withdrawal_request("acme", BTC // 10))
    with house.db.unit() as unit:
        trust, sealer = in_force(unit.session), Sealer(house.runtime.seal_key)
        notices.collect(unit.session, trust=trust, now=unit.now)
        (letter,) = notices.claim(unit.session, trust=trust, sealer=sealer, limit=5, now=unit.now)
    from standardwebhooks import Webhook

    assert Webhook(secret).verify(letter.body, dict(letter.headers))
    for form, words in (
        ({"channel": "mail", "address": "nobody"}, "not a mail address"),
        ({"channel": "webhook", "address": "http://10.0.0.1/"}, "not on the internet"),
    ):
        refused = alice.post(NOTICES, form=form)
        assert (refused.status_code, words in refused.text) == (422, True), refused.text


@plays("P-115", "P-119")
def test_p119_a_stolen_cookie_changes_no_webhook_and_no_notice(
    house: House, alice: Visitor, client: TestClient
) -> None:
    endpoint = hook(house)
    for path, form in ((f"{WEBHOOKS}/{endpoint}/disable", {}), (NOTICES, MAIL)):
        question = asked(alice, path, form)
        expect_problem(send(alice, question, passkey=Passkey("thief")), 403, "passkey-refused")
        expect_problem(send(alice, question, passkey=Passkey("bob")), 403, "passkey-refused")
    # An answer to one question is no answer to another, whoever asked it.
    crossed = asked(alice, NOTICES, MAIL)
    expect_problem(send(alice, crossed, to=f"{WEBHOOKS}/answers"), 403, "passkey-refused")
    other = asked(alice, f"{WEBHOOKS}/{endpoint}/disable")
    expect_problem(send(alice, other, to=f"{NOTICES}/answers"), 403, "passkey-refused")
    door = alice.post("/console/sign-in/question", body={}).json()
    body = {
        "challenge": door["challenge"],
        "credential": as_browser(alice.passkey.answer(bytes.fromhex(door["challenge"]))),
    }
    for path in (f"{WEBHOOKS}/answers", f"{NOTICES}/answers"):
        assert alice.post(path, body=body).status_code in (403, 404, 409)
    foreign = Visitor(client, "alice", alice.passkey, alice.cookie, origin="https://evil.example")
    nobody = Visitor(client, "alice", alice.passkey)
    for path in (f"{WEBHOOKS}/{endpoint}/disable", NOTICES, f"{NOTICES}/mail/off", f"{NOTICES}/answers"):
        assert foreign.post(path, form=MAIL).status_code == 403
        assert nobody.post(path, form=MAIL).status_code == 401
    assert (state(house, endpoint), told(house)) == ("active", [])
    house.expect_whole()


def test_a_passkeys_answer_is_kept_only_where_it_is_evidence(house: House, alice: Visitor) -> None:
    assert send(alice, asked(alice, NOTICES, MAIL)).status_code == 201
    form = {"scope": "everything", "subject": "", "purpose": "a laptop is gone"}
    assert send(alice, asked(alice, "/console/requests/freeze", form)).status_code == 201
    house_opening = house.request_opening(house.opening_request("birch", branch=2))
    assert alice.give(house_opening.digest).status_code == 201
    kept: set[tuple[int, str]] = set()
    with superuser(house) as connection:
        names = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        for (name,) in names:
            for number, answer in enumerate(alice.passkey.given):
                query = f'SELECT count(*) FROM "{name}" t WHERE strpos(t::text, %s) > 0'
                found = connection.execute(query, [answer.signature]).fetchone()  # type: ignore[arg-type]
                kept |= {(number, name)} if found and found[0] else set()
    # In the order given: in at the door, a channel chosen, a freeze asked for, an opening agreed to.
    assert kept == {(2, "intents"), (3, "approvals")}


def test_many_cost_no_more_statements_and_nothing_becomes_markup(house: House, alice: Visitor) -> None:
    endpoint = hook(house)
    with house.db.unit() as unit:
        for name in ("alice", "bob"):
            choosing.choose(
                unit.session,
                operator=name,
                kind="mail",
                address=f"{name}@example.com",
                root=in_force(unit.session).root,
                sealer=Sealer(house.runtime.seal_key),
                actor=name,
                now=unit.now,
            )
    house.open_client("acme", branch=1)
    paths = (WEBHOOKS, f"{WEBHOOKS}/{endpoint}", NOTICES)
    few = [len(statements_of(house.db, partial(whole, alice, path))) for path in paths]
    for number in range(20):
        hook(house, f"more {number}")
    with house.db.unit() as unit:
        operations.take_over(unit.session, now=unit.now)
        unit.session.execute(text(_SENT))
    assert [len(statements_of(house.db, partial(whole, alice, path))) for path in paths] == few
    before = {path: tags(whole(alice, path)) for path in paths}
    for hostile in HOSTILE:
        with superuser(house) as connection:
            for statement in _EVERYWHERE:
                connection.execute(statement, {"text": hostile})
        for path in paths:
            page = alice.get(path).text
            assert tags(page) <= before[path], f"{path}: {tags(page) - before[path]}"
            assert hostile not in page or hostile.startswith("javascript"), path
            assert 'href="javascript' not in page


_SENT = """
    INSERT INTO notice_messages (id, operator, kind, state, intents, attempts, due_at, problem, created_at)
    SELECT 'ntc_' || n, 'alice', 'mail', 'failed', 1, 9, now(), 'why', now() FROM generate_series(1, 200) n
"""
_EVERYWHERE = (
    "UPDATE webhook_endpoints SET label = %(text)s, url = %(text)s, reason = %(text)s, client = %(text)s",
    "UPDATE webhook_deliveries SET type = %(text)s, subject = %(text)s",
    "UPDATE notice_channels SET address = %(text)s, confirmed_at = NULL",
    "UPDATE notice_messages SET problem = %(text)s",
)
