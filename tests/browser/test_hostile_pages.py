"""A page that lies makes a passkey sign what its person does not see; and that buys nothing (P-058)."""

from __future__ import annotations

import json

from playwright.sync_api import Page, Route
from sqlalchemy import create_engine, text

from custody.api.console import parts
from custody.approvals import queries
from custody.chains.bitcoin.offline.address import parse_address
from custody.cosigner.reasons import Reason
from custody.evidence.codes import digest_code
from custody.evidence.intents import Intent
from custody.withdrawals.model import Withdrawal
from tests.browser.conftest import RoadStage
from tests.cosigner.builders import REGTEST, address
from tests.support.oracle import plays
from tests.support.road import Road, btc

THIEF = address("thief")


def invent(house: Road, model: Withdrawal) -> str:
    """The thief owns the database: a withdrawal nobody asked for, made of one that somebody did. Returns its digest."""
    with house.db.unit() as unit:
        document = queries.get(unit.session, digest=model.digest).intent.to_json()
    document["request"]["destination"] = THIEF
    forged = Intent.parse(document)
    values = {"new": forged.digest, "old": model.digest, "document": json.dumps(document), "to": THIEF}
    locator = parse_address(THIEF, network=REGTEST).script_pubkey.hex()
    engine = create_engine(house.database.superuser_url)
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        for statement in (
            "UPDATE intents SET digest = :new, document = CAST(:document AS jsonb) WHERE digest = :old",
            f"UPDATE withdrawals SET digest = :new, destination = :to, locator = '\\x{locator}' WHERE digest = :old",
        ):
            assert connection.execute(text(statement), values).rowcount == 1
    engine.dispose()
    return forged.digest


def own_page(page: Page, shown: str, signed: str, words: dict[str, str]) -> None:
    """The proxy: whatever is asked of ``shown`` is asked of ``signed``, and made to look as if it were not."""

    def hide(body: str) -> str:
        for true, false in words.items():
            body = body.replace(true, false)
        return body

    def rewrite(route: Route) -> None:
        answer = route.fetch(url=route.request.url.replace(shown, signed))
        if "json" in answer.headers.get("content-type", ""):
            route.fulfill(response=answer, body=answer.text().replace(signed, shown))
            return
        route.fulfill(response=answer, body=hide(answer.text()))

    page.route(f"**/console/intents/{shown}/**", rewrite)
    page.route(f"**/console/intents/{signed}/**", rewrite)


@plays("P-058")
def test_p058_a_page_that_shows_one_intent_and_has_another_signed_gains_nothing(road_stage: RoadStage) -> None:
    house = road_stage.house
    true = house.ask("acme", btc("0.1"))
    invented = invent(house, house.ask("acme", btc("0.1")))
    lies = {
        THIEF: true.destination,
        parts.address(THIEF): parts.address(true.destination),
        digest_code(invented): digest_code(true.digest),
        f">{invented}<": f">{true.digest}<",
    }
    for name in ("alice", "bob"):
        person = road_stage.person(name)
        own_page(person.page, true.digest, invented, lies)
        person.ask(true.digest)
        seen = person.page.inner_text("body")
        assert true.destination in seen
        assert digest_code(true.digest) in seen
        assert THIEF not in seen
        assert digest_code(invented) not in seen
        assert person.sign() == 201
    with house.db.unit() as unit:
        assert len(queries.given(unit.session, digest=invented)) == 2
        assert queries.given(unit.session, digest=true.digest) == []
    house.settle()
    done = [entry for memory in house.memories for entry in memory.log() if entry.kind in ("signed", "refused")]
    assert {(entry.kind, entry.body["reason"]) for entry in done} == {("refused", Reason.REQUEST_NOT_PROVEN.value)}
    assert house.rows("SELECT 1 FROM bundle_answers WHERE verdict = 'signed'") == []
    assert house.paid(THIEF) == []
    assert house.state(true) == "pending_approval"
    house.expect_whole()


def test_the_second_person_and_the_cosigner_see_the_words_of_the_digest_that_was_signed(
    road_stage: RoadStage,
) -> None:
    """Only alice's page lies: on bob's screen, and in what the cosigner decides on, stands what she really signed."""
    house = road_stage.house
    shown, signed = house.ask("acme", btc("0.1")), house.ask("acme", btc("0.2"))
    alice, bob = road_stage.person("alice"), road_stage.person("bob")
    own_page(alice.page, shown.digest, signed.digest, {digest_code(signed.digest): digest_code(shown.digest)})
    assert alice.give(shown.digest) == 201
    bob.open(f"/console/intents/{signed.digest}")
    seen = bob.page.inner_text("body")
    assert "Pay 0.20000000 BTC" in seen
    assert digest_code(signed.digest) in seen
    bob.open(f"/console/intents/{shown.digest}")
    assert "missing 2 of operators" in bob.page.inner_text("body")


def test_a_person_who_is_not_verified_gives_no_verdict(road_stage: RoadStage) -> None:
    alice = road_stage.person("alice")
    asked = road_stage.house.ask("acme", btc("0.1"))
    alice.set_verified(False)
    alice.ask(asked.digest)
    alice.page.click("#passkey")
    alice.page.wait_for_selector("#outcome.bad")
    assert "Nothing was recorded" in alice.page.inner_text("#outcome")
    with road_stage.house.db.unit() as unit:
        assert queries.given(unit.session, digest=asked.digest) == []
    alice.set_verified(True)
    assert alice.sign() == 201


def test_answers_are_replayed_through_a_browser_in_vain(road_stage: RoadStage) -> None:
    """P-044, P-045 and P-050 once more, with what a real browser sent."""
    first, second = road_stage.house.ask("acme", btc("0.1")), road_stage.house.ask("acme", btc("0.11"))
    alice, bob = road_stage.person("alice"), road_stage.person("bob")
    alice.ask(first.digest)
    with alice.page.expect_request(lambda request: request.url.endswith("/verdict")) as sent:
        assert alice.sign() == 201
    body = sent.value.post_data
    for person, digest, reason in (
        (alice, first.digest, "answered before"),
        (alice, second.digest, "another digest"),
        (bob, first.digest, "somebody else"),
    ):
        answer = person.send(f"/console/intents/{digest}/verdict", body)
        assert answer["status"] == 403
        assert reason in answer["detail"]
    changed = alice.send(f"/console/intents/{first.digest}", "{}", method="PATCH")
    assert changed["status"] == 405
    with road_stage.house.db.unit() as unit:
        assert len(queries.given(unit.session, digest=first.digest)) == 1
        assert queries.given(unit.session, digest=second.digest) == []


def test_another_origin_may_not_use_the_passkey(road_stage: RoadStage) -> None:
    """The same page under another name of this machine: the browser itself refuses, and so does the house."""
    asked = road_stage.house.ask("acme", btc("0.1"))
    alice = road_stage.person("alice")
    elsewhere = road_stage.console.origin.replace("localhost", "127.0.0.1")
    alice.ask(asked.digest)
    options = alice.page.get_attribute("#passkey", "data-options")
    alice.page.goto(f"{elsewhere}/console/sign-in")
    tried = alice.page.evaluate(
        """async (options) => {
          try {
            await navigator.credentials.get({
              publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(JSON.parse(options)),
            });
            return "answered";
          } catch (error) {
            return error.name;
          }
        }""",
        options,
    )
    assert tried == "SecurityError"
    with road_stage.house.db.unit() as unit:
        assert queries.given(unit.session, digest=asked.digest) == []
