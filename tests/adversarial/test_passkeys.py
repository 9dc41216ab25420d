"""Verdicts by passkey through the console's own routes, by people who lie about one thing at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from starlette.testclient import TestClient

from custody.api.app import application
from custody.api.auth import Callers
from custody.approvals import queries
from custody.evidence import fields
from custody.evidence.passkeys import base64url
from custody.kernel.errors import InvalidInput
from custody.operators import operations as operators
from custody.trust import operations as trust
from tests.cosigner.builders import DEMO_POLICY
from tests.integration.api.callers import expect_problem
from tests.support import passkeys
from tests.support.console import DANGER, HOSTILE, Visitor, console_paths, question_on
from tests.support.oracle import plays
from tests.support.passkeys import PRESENT, VERIFIED, Passkey, as_browser
from tests.support.road import Road, btc
from tests.support.servers import Servers
from tests.support.world import write_tokens

PEOPLE = {name: ("operator", f"token-of-{name}-at-the-console-00000") for name in ("alice", "bob", "carol")}
COPIED = ("alice-0", "alice-4", "alice-5")
"""Each is copied, and locked, in a case of its own."""
SPARE = "carol-spare"
"""Never used before the case in which somebody else registers it."""
PASSKEYS = (
    *((name, name) for name in PEOPLE),
    *(("alice", name) for name in ("alice-phone", *COPIED)),
    ("carol", SPARE),
)
POLICY = DEMO_POLICY.replace("0.05 BTC", "0.0005 BTC")
"""Two people for little money: many cases fit under a day's limit."""


@dataclass
class Stage:
    """A house with its console, and people who have passkeys."""

    house: Road
    client: TestClient
    passkeys: dict[str, Passkey]

    def visitor(self, name: str, passkey: str = "") -> Visitor:
        """An operator who has signed in; a passkey's counter goes on from case to case."""
        theirs = self.passkeys.setdefault(passkey or name, Passkey(passkey or name, counts=passkey != "alice-phone"))
        door = self.passkeys.setdefault(name, Passkey(name))
        return Visitor(self.client, name, theirs).sign_in(door)

    def digest(self, amount_sat: int = 100_000) -> str:
        """A withdrawal that needs two of three operators."""
        return self.house.ask("acme", amount_sat, max_fee=10_000).digest

    def state(self, digest: str) -> str:
        with self.house.db.unit() as unit:
            return queries.get(unit.session, digest=digest).state

    def given(self, digest: str) -> int:
        with self.house.db.unit() as unit:
            return len(queries.given(unit.session, digest=digest))

    def missing(self, digest: str) -> int:
        """How many people are missing."""
        with self.house.db.unit() as unit:
            filed, root = queries.get(unit.session, digest=digest), trust.in_force(unit.session).root
            return sum(queries.standing(unit.session, filed, root=root, now=unit.now).missing.values())

    def age(self, challenge: bytes) -> None:
        """Make a question an hour older: with a superuser's rights, for the application has none to."""
        engine = create_engine(self.house.database.superuser_url)
        older = "UPDATE challenges SET expires_at = expires_at - interval '1 hour' WHERE challenge = :challenge"
        with engine.begin() as connection:
            assert connection.execute(text(older), {"challenge": challenge.hex()}).rowcount == 1
        engine.dispose()

    def reasons(self) -> list[str]:
        """Why verdicts were refused, in order."""
        question = "SELECT facts ->> 'reason' FROM audit_events WHERE event = 'approval.refused' ORDER BY sequence"
        with self.house.db.unit() as unit:
            return list(unit.session.execute(text(question)).scalars())

    def alarms(self) -> list[str]:
        with self.house.db.unit() as unit:
            return list(unit.session.execute(text("SELECT kind FROM alarms ORDER BY id")).scalars())


@pytest.fixture(scope="module")
def stage(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One for all cases: each asks for what is its own."""
    database, node, folder = servers.fresh_database(), servers.bitcoind(), tmp_path_factory.mktemp("people")
    node.fund()
    house = Road.build(database, node, folder, ceremony=passkeys.world(credentials=PASSKEYS, policy=POLICY))
    house.open("acme")
    house.deposit("acme", btc("0.5"))
    callers = Callers.load(write_tokens(folder / "tokens.json", PEOPLE))
    with TestClient(application(house.runtime, callers), raise_server_exceptions=False) as client:
        yield Stage(house, client, {})
    house.close()
    servers.drop(database)


def refused(stage: Stage, answer: Any, reason: str, code: str = "approval-refused") -> None:
    """Refused, and the audit says why in a word of its own."""
    expect_problem(answer, 403, code)
    assert stage.reasons()[-1] == reason


@plays("P-044")
def test_p044_a_changed_amount_is_another_intent_and_takes_no_verdict_along(stage: Stage) -> None:
    first = stage.digest()
    alice = stage.visitor("alice")
    asked = alice.ask(first)
    answer = alice.passkey.answer(asked.challenge)
    assert alice.send(first, asked.challenge, answer).status_code == 201
    for path in (f"/v1/intents/{first}", "/v1/withdrawals/wdr_01ARZ3NDEKTSV4RRFFQ69G5FAV"):
        for method in ("PATCH", "PUT"):
            expect_problem(stage.client.request(method, path, json={"amount": "1"}), 405, "method-not-allowed")
    second = stage.digest(110_000)
    assert second != first
    assert stage.given(second) == 0
    refused(stage, alice.send(second, asked.challenge, answer), "digest")
    assert (stage.given(first), stage.given(second)) == (1, 0)
    stage.house.expect_whole()


@plays("P-045")
def test_p045_an_answer_counts_once(stage: Stage) -> None:
    first, second = stage.digest(), stage.digest(110_000)
    for passkey, here, there in (("alice", first, second), ("alice-phone", second, first)):
        alice = stage.visitor("alice", passkey)
        asked = alice.ask(here)
        answer = alice.passkey.answer(asked.challenge)
        assert alice.send(here, asked.challenge, answer).status_code == 201
        refused(stage, alice.send(here, asked.challenge, answer), "challenge-reused", "passkey-refused")
        refused(stage, alice.send(there, asked.challenge, answer), "digest")
    assert (stage.given(first), stage.given(second)) == (1, 1)
    stage.house.expect_whole()


@plays("P-046")
def test_p046_each_wrong_challenge_is_refused_for_a_reason_of_its_own(stage: Stage) -> None:
    digest = stage.digest()
    alice = stage.visitor("alice")
    expired = alice.ask(digest)
    stage.age(expired.challenge)
    answer = alice.passkey.answer(expired.challenge)
    refused(stage, alice.send(digest, expired.challenge, answer), "challenge-expired", "passkey-refused")

    invented = bytes(range(32))
    refused(stage, alice.send(digest, invented, alice.passkey.answer(invented)), "challenge-unknown", "passkey-refused")
    asked = alice.ask(digest)
    refused(stage, alice.send(digest, asked.challenge, alice.passkey.answer(invented)), "challenge-unknown")
    short = base64url(asked.challenge)[:-2]
    answer = alice.passkey.answer(asked.challenge, challenge=short)
    refused(stage, alice.send(digest, asked.challenge, answer), "challenge-truncated")
    refused(
        stage,
        alice.send(digest, asked.challenge[:-1], alice.passkey.answer(asked.challenge)),
        "challenge-truncated",
        "passkey-refused",
    )
    assert alice.send(digest, asked.challenge, alice.passkey.answer(asked.challenge)).status_code == 201
    again = alice.send(digest, asked.challenge, alice.passkey.answer(asked.challenge))
    refused(stage, again, "challenge-reused", "passkey-refused")
    assert stage.given(digest) == 1
    stage.house.expect_whole()


@plays("P-047")
@pytest.mark.parametrize(
    "origin",
    [
        "http://console.example.com",
        "https://other.example.com",
        "https://console.example.com:8443",
        "https://console.example.com.evil.tld",
        "https://xn--cnsole-dua.example.com",
    ],
)
def test_p047_another_site_is_refused(stage: Stage, origin: str) -> None:
    digest = stage.digest()
    alice = stage.visitor("alice")
    refused(stage, alice.give(digest, origin=origin), "origin")
    asked = alice.ask(digest)
    alice.origin = origin
    answer = alice.send(digest, asked.challenge, alice.passkey.answer(asked.challenge))
    expect_problem(answer, 403, "foreign-origin", "origin")
    assert stage.given(digest) == 0
    stage.house.expect_whole()


@plays("P-048")
@pytest.mark.parametrize(
    ("lie", "reason"),
    [
        ({"rp_id": "example.com"}, "relying-party"),
        ({"flags": VERIFIED}, "nobody-present"),
        ({"flags": PRESENT}, "not-verified"),
        ({"type": "webauthn.create"}, "type"),
    ],
)
def test_p048_what_is_no_approval_by_a_verified_person_is_refused(
    stage: Stage, lie: dict[str, Any], reason: str
) -> None:
    digest = stage.digest()
    refused(stage, stage.visitor("alice").give(digest, **lie), reason)
    assert stage.given(digest) == 0
    stage.house.expect_whole()


@plays("P-049")
@pytest.mark.parametrize("counter", [0, 4, 5])
def test_p049_a_counter_that_does_not_rise_locks_the_passkey(stage: Stage, counter: int) -> None:
    first, second, third = stage.digest(), stage.digest(110_000), stage.digest(120_000)
    alice = stage.visitor("alice", f"alice-{counter}")
    assert alice.give(first, sign_count=5).status_code == 201
    alarms = stage.alarms()
    refused(stage, alice.give(second, sign_count=counter), "counter", "passkey-counter")
    assert stage.alarms() == [*alarms, "passkey-locked"]
    assert stage.given(second) == 0
    # Whoever is in as this person is out, and comes in again by another passkey.
    assert alice.get("/console").status_code == 303
    alice.sign_in(stage.passkeys["alice"])
    refused(stage, alice.give(third, sign_count=1_000), "locked", "passkey-refused")
    assert "locked" in alice.get("/console/passkeys").text
    # What it gave before counts no more: somebody may have had its copy then.
    assert stage.missing(first) == 2
    phone = stage.visitor("alice", "alice-phone")
    assert phone.give(second).status_code == 201
    stage.house.expect_whole()


def test_nobody_locks_somebody_elses_passkey_by_registering_it(stage: Stage) -> None:
    """A registration is its sender's word, and says nothing of another person's counter."""
    with stage.house.db.unit() as unit:
        credential = Passkey(SPARE).credential
        operators.register(unit.session, credential=credential, operator="bob", sign_count=2**32 - 1, now=unit.now)
    assert stage.visitor("carol", SPARE).give(stage.digest(), verdict="reject").status_code == 201


@plays("P-050")
def test_p050_another_persons_passkey_is_refused(stage: Stage) -> None:
    digest = stage.digest()
    alice, bob = stage.visitor("alice"), stage.visitor("bob")
    refused(stage, Visitor(alice.client, "alice", bob.passkey, alice.cookie).give(digest), "unknown-passkey")
    asked = bob.ask(digest)
    answer = bob.passkey.answer(asked.challenge)
    refused(stage, alice.send(digest, asked.challenge, answer), "challenge-of-another", "passkey-refused")
    assert stage.given(digest) == 0
    stage.house.expect_whole()


@plays("P-051")
def test_p051_one_human_with_two_passkeys_and_a_key_counts_once(stage: Stage) -> None:
    digest = stage.digest()
    assert stage.visitor("alice").give(digest).status_code == 201
    phone = stage.visitor("alice", "alice-phone")
    expect_problem(phone.give(digest), 409, "already-spoken")
    with pytest.raises(Exception, match="spoken"):
        stage.house.approve(digest, "alice")
    assert (stage.state(digest), stage.given(digest), stage.missing(digest)) == ("pending", 1, 1)
    stage.house.expect_whole()


ASKED_ONLY = ("challenges", "rejection_reasons", "audit_events", "audit_seals")
"""What a question to a passkey leaves behind: nobody has answered it."""
FOREIGN = (
    ({"Origin": "https://evil.tld"}, "origin"),
    ({"Origin": "null"}, "origin"),
    ({"Origin": ""}, "origin"),
    ({}, "origin"),
    ({"Origin": "https://console.example.com.evil.tld"}, "origin"),
    ({"Origin": passkeys.CONSOLE.origin, "Sec-Fetch-Site": "cross-site"}, "sec-fetch-site"),
    ({"Origin": passkeys.CONSOLE.origin, "Sec-Fetch-Site": "same-site"}, "sec-fetch-site"),
)


@plays("P-115")
def test_p115_what_another_page_sends_with_the_cookie_is_refused_everywhere(stage: Stage) -> None:
    house, alice = stage.house, stage.visitor("alice")
    before, paths = house.row_counts(), console_paths(alice.client, "POST")
    assert len(paths) >= 9
    for headers, field in FOREIGN:
        for path in paths:
            answer = alice.client.post(
                path, content="verdict=approve", headers={"Cookie": alice.cookie, **headers}, follow_redirects=False
            )
            expect_problem(answer, 403, "foreign-origin", field)
    assert house.row_counts() == before
    assert alice.get("/console").status_code == 200
    house.expect_whole()


@plays("P-119")
def test_p119_a_stolen_cookie_without_the_passkey_changes_nothing(stage: Stage) -> None:
    """The thief posts what the pages would, with answers by a passkey of his own, to every route there is."""
    house, alice = stage.house, stage.visitor("alice")
    digest = stage.digest()
    thief = Visitor(alice.client, "alice", Passkey("thief"), alice.cookie)
    expect_problem(thief.give(digest), 403, "approval-refused")
    expect_problem(thief.give(digest, verdict="reject"), 403, "approval-refused")
    asked = question_on(thief.post("/console/passkeys/new", form={}).text)
    own = as_browser(thief.passkey.answer(asked.challenge))
    answer = thief.post(asked.send, body={"challenge": asked.challenge.hex(), "credential": own})
    expect_problem(answer, 401, "sign-in-refused")
    assert stage.given(digest) == 0
    assert house.rows("SELECT 1 FROM credential_candidates WHERE operator = 'alice'") == []
    assert house.rows("SELECT 1 FROM console_invitations") == []
    assert house.rows("SELECT 1 FROM stops") == []
    # Without a body made by a passkey, no route of the console changes anything that the books or the rules know.
    before = {name: count for name, count in house.row_counts().items() if name not in ASKED_ONLY}
    for path in console_paths(alice.client, "POST"):
        for content in ("{}", "verdict=approve"):
            headers = {"Cookie": thief.cookie, "Origin": thief.origin}
            alice.client.post(path, content=content, headers=headers, follow_redirects=False)
    assert {name: count for name, count in house.row_counts().items() if name not in ASKED_ONLY} == before
    house.expect_whole()


@plays("P-114")
def test_p114_what_others_write_stays_text_on_every_page(stage: Stage) -> None:
    house, bob = stage.house, stage.visitor("bob")
    digests, refused_words = [], []
    for words in HOSTILE:
        try:
            digests.append(
                house.ask("acme", 100_000, max_fee=10_000, purpose=fields.text(words, field="purpose")).digest
            )
        except InvalidInput:
            refused_words.append(words)
    # What turns the direction of writing, is not seen, or is a foreign letter in a Latin word never gets in.
    assert refused_words == [words for words in HOSTILE if set("\u202e\u200b\u041a") & set(words)]
    asked = bob.post(f"/console/intents/{digests[0]}/statement", form={"verdict": "reject", "reason": HOSTILE[1]})
    question = question_on(asked.text)
    assert bob.send(digests[0], question.challenge, bob.passkey.answer(question.challenge)).status_code == 201
    assert "&lt;img" in bob.get(f"/console/intents/{digests[0]}").text
    for path in (
        "/console",
        "/console?tab=needs-others",
        "/console/passkeys",
        *(f"/console/intents/{each}" for each in digests),
    ):
        answer = bob.get(path)
        assert answer.status_code == 200
        assert DANGER.search(answer.text) is None, path
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'")
        assert "unsafe" not in policy
    house.expect_whole()
