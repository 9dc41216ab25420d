"""What the page shows, what the audit records and what the signer's log says are one digest (P-059)."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from sqlalchemy import text
from starlette.testclient import TestClient

from custody.api.app import application
from custody.api.auth import Callers
from custody.api.console.pages import intents as pages
from custody.approvals import operations as approvals
from custody.approvals import queries
from custody.cosigner.answering import Desk, Signed
from custody.cosigner.limits import Limits
from custody.cosigner.memory import Memory
from custody.evidence.bundle import Payment
from custody.evidence.intents import Intent, VaultName
from custody.evidence.passkeys import Console
from custody.evidence.proven import ProvenIntent
from custody.trust import operations as trust
from custody.trust.assets import known_assets
from custody.views.objects import intent_view
from demo.child import free_port
from policies.engine import evaluate
from policies.facts import Facts, nothing_used
from policies.tally import Tally
from tests.browser.chromium import Person
from tests.browser.serving import TOKENS, serving
from tests.cosigner.builders import BTC, KEYSET, REGTEST, address, cosigner_key
from tests.cosigner.builders import approval as verdict
from tests.support import passkeys
from tests.support.console import Visitor, alone, at_console
from tests.support.oracle import plays
from tests.support.passkeys import Passkey
from tests.support.servers import FreshDatabase
from tests.support.world import House, write_tokens

INTENTS, IN_A_BUNDLE, BY_HAND, BY_HTTP, BY_BROWSER = 1_000, 125, 50, 20, 3
BRANCH = 7
POLICY = """
policy: one agrees
version: 1
groups: {operators: [alice, bob, carol]}
rules:
  - permit: withdrawals
    match: {kind: withdrawal}
  - require: one operator
    match: {kind: withdrawal}
    approvals: {operators: 1}
  - permit: clients
    match: {kind: client_opening}
  - require: one operator opens
    match: {kind: client_opening}
    approvals: {operators: 1}
"""
_SHOWN = re.compile(r'id="digest">([0-9a-f]{64})<')
_PURPOSES = "abcXYZ<>&\"' äß漢字€{}[]\\/;:,.-_0123456789"


@dataclass
class Stage:
    """A house, its console's address, and a cosigner."""

    house: House
    console: Console
    desk: Desk
    memory: Memory


@pytest.fixture
def stage(database: FreshDatabase, tmp_path: Path) -> Iterator[Stage]:
    console = Console(f"http://localhost:{free_port()}", "localhost")
    house = passkeys.found(database, policy=POLICY, console=console)
    house.open_client("acme", branch=BRANCH)
    memory = Memory.create(tmp_path / "north.sqlite")
    memory.pin(house.ceremony.root.hash, now=house.now())
    yield Stage(house, console, Desk(cosigner_key("north"), memory, Limits()), memory)
    memory.close()
    house.close()


def file_intents(house: House, chance: random.Random) -> list[str]:
    """A thousand withdrawals of anything to anybody, filed as they are asked for."""
    now, digests, world = house.now(), [], house.ceremony
    known = Facts.from_json(world.decision(world.withdrawal("acme", BTC))["facts"])
    with house.db.unit() as unit:
        policy = trust.in_force(unit.session).policy
        for place in range(INTENTS):
            purpose = "".join(chance.choice(_PURPOSES) for _ in range(chance.randrange(1, 60))).strip() or "-"
            request = world.withdrawal(
                "acme",
                chance.randrange(20_000, BTC // 100),
                destination=address(str(chance.random())),
                max_fee=chance.randrange(10_000, 20_000),
                purpose=purpose,
                idempotency_key=f"key-{place}",
            )
            facts = replace(known, amount_units=request.amount, destination_text=request.destination)
            intent = Intent(request=request, chain=REGTEST.chain, vault=VaultName(KEYSET, BRANCH))
            approvals.file_intent(
                unit.session,
                intent=intent,
                signature=house.signed(request),
                decision=evaluate(policy, facts, nothing_used),
                client="acme",
                now=now,
            )
            digests.append(intent.digest)
    return digests


def pages_of(house: House, digests: list[str]) -> list[str]:
    """The digest on each approve page, of the view that the route shows when nobody has spoken yet."""
    with house.db.unit() as unit:
        assets = known_assets(unit.session)
        views = [
            intent_view(
                queries.get(unit.session, digest=digest),
                given=(),
                tally=Tally((), {"operators": 1}, met=False),
                missing={},
                assets=assets,
                now=unit.now,
            )
            for digest in digests
        ]
    made = [pages.intent(at_console("alice"), alone(view)) for view in views]
    return [found for page in made for found in _SHOWN.findall(page)]


def pages_by_http(stage: Stage, digests: list[str], folder: Path) -> list[str]:
    """The same through the routes, and given a verdict there with a passkey."""
    callers = Callers.load(write_tokens(folder / "http.json", TOKENS))
    with TestClient(application(stage.house.runtime, callers)) as client:
        alice = Visitor(client, "alice", Passkey("alice", stage.console), origin=stage.console.origin)
        alice.sign_in()
        found = []
        for digest in digests:
            found += _SHOWN.findall(alice.get(f"/console/intents/{digest}").text)
            assert alice.give(digest).status_code == 201
    return found


def pages_in_browser(stage: Stage, browser: Browser, digests: list[str], folder: Path) -> list[str]:
    """The same on a screen."""
    port = int(stage.console.origin.rsplit(":", 1)[1])
    with serving(stage.house, port, folder):
        bob = Person.at(browser, stage.console.origin)
        bob.hold(Passkey("bob", stage.console))
        bob.sign_in()
        found = []
        for digest in digests:
            bob.ask(digest)
            found.append(bob.page.inner_text("#digest"))
            assert bob.sign() == 201
        bob.context.close()
    return found


def approve(house: House, digests: list[str]) -> None:
    """By carol, with her key."""
    with house.db.unit() as unit:
        root = trust.in_force(unit.session).root
        for digest in digests:
            until = queries.get(unit.session, digest=digest).not_after
            said = verdict("carol", digest, given_at=unit.now, not_after=until)
            approvals.give(unit.session, digest=digest, approval=said, root=root, correlation_id="test", now=unit.now)


def audited(house: House, event: str) -> list[str]:
    """What the audit log says of withdrawals, in order."""
    recorded = "SELECT subject FROM audit_events WHERE event = :event AND subject <> :opening ORDER BY sequence"
    with house.db.unit() as unit:
        opening = queries.by_key(unit.session, requester="exchange", idempotency_key="open-acme")
        assert opening is not None
        return list(unit.session.execute(text(recorded), {"event": event, "opening": opening.digest}).scalars())


def agreed(proven: ProvenIntent, now: datetime) -> ProvenIntent:
    """With carol's yes, where nobody has given one to the house."""
    if proven.approvals:
        return proven
    said = verdict("carol", proven.intent.digest, given_at=now, not_after=proven.intent.request.not_after)
    return replace(proven, approvals=(said,))


def signed_by_cosigner(stage: Stage, digests: list[str]) -> list[str]:
    """Every intent in a bundle that the cosigner signs; what its log says then."""
    house, world = stage.house, stage.house.ceremony
    with house.db.unit() as unit:
        decision = queries.get(unit.session, digest=digests[0]).decision.to_json()
        payments = [
            Payment(agreed(queries.proven(unit.session, digest=digest), unit.now), decision) for digest in digests
        ]
    opening = world.opening("acme", BRANCH)
    for place in range(0, len(payments), IN_A_BUNDLE):
        chosen = payments[place : place + IN_A_BUNDLE]
        coin = world.coin(BRANCH, 2 * BTC, salt=str(place))
        psbt = world.transaction(chosen, [coin], fee_sat=40_000)
        bundle = world.bundle(chosen, [opening], psbt, name=f"bnd_{place}")
        answer = stage.desk.answer(bundle, confirm=lambda _verdict: True, clock=house.now)
        assert isinstance(answer, Signed), answer
    logged = [entry.body["intents"] for entry in stage.memory.log() if entry.kind == "signed"]
    return [intent["digest"] for intents in logged for intent in intents]


@plays("P-059")
def test_p059_page_audit_and_signers_log_show_the_same_digest(
    stage: Stage, browser: Browser, tmp_path: Path, seed: int
) -> None:
    house = stage.house
    digests = file_intents(house, random.Random(seed))
    by_browser, by_http = digests[:BY_BROWSER], digests[BY_BROWSER : BY_BROWSER + BY_HTTP]
    by_hand = digests[BY_BROWSER + BY_HTTP :][:BY_HAND]
    assert audited(house, "intent.pending") == digests
    assert pages_of(house, digests) == digests
    assert pages_in_browser(stage, browser, by_browser, tmp_path) == by_browser
    assert pages_by_http(stage, by_http, tmp_path) == by_http
    approve(house, by_hand)
    assert audited(house, "intent.approve") == [*by_browser, *by_http, *by_hand]
    assert sorted(signed_by_cosigner(stage, digests)) == sorted(digests)
    house.expect_whole()
