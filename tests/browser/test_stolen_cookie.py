"""Who has an operator's cookie and not their passkey reads, and changes nothing, whatever the application answers."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Iterator, Mapping
from typing import Any, Final

from sqlalchemy import text

from custody.api.app import routes_served
from custody.api.console.pages.webhooks import ACTIONS
from custody.api.console.routes import ROUTERS
from custody.api.console.wishes import WISHES
from custody.evidence.passkeys import Console
from custody.notices.model import CHANNELS
from tests.browser.chromium import Person
from tests.browser.conftest import Stage
from tests.browser.test_telling import endpoint
from tests.cosigner.builders import DEMO_POLICY, REGTEST, address
from tests.support.console import WHY_NOT, Question, question_on
from tests.support.governing import find_break
from tests.support.notices import named
from tests.support.passkeys import Passkey, as_browser
from tests.support.versions import relaxed

Wanted = tuple[str, str, Mapping[str, str]]
"""A route, its path here, and a form that is as it has to be."""
FORM: Final = "application/x-www-form-urlencoded"
ANSWERS: Final = (
    "/console/requests",
    "/console/passkeys",
    "/console/webhooks/answers",
    "/console/notices/answers",
    "/console/addresses/answers",
)
"""Where the answers to what is asked go; a verdict's goes to the intent's own path."""
OPEN_TO_ALL: Final = (
    *("/console/sign-in/question", "/console/sign-in"),
    *("/console/invitation/question", "/console/invitation"),
)
"""For who has no cookie yet; an invitation's secret or a passkey opens what is behind."""
HARMLESS: Final = (
    *("/console/stay", "/console/sign-out", "/console/settings"),
    *("/console/audit/verify", "/console/policy/draft"),
)
"""What changes nothing of the house's: how long one is signed in, how it looks, reading the log, trying a policy."""
REFUSALS: Final = {"approval-refused", "request-refused", "passkey-refused", "sign-in-refused", "assertion-refused"}
OF_ASKING: Final = {"challenges", "console_sign_ins", "rejection_reasons"}
"""What is kept of a question until it is answered, of being there, and of a reason that no passkey stands beside."""
REFUSED: Final = {"approval.refused", "request.refused", "step_up.refused", "sign_in.refused"}
"""What the log says of what was refused."""


def changing(served: set[tuple[str, str]]) -> set[str]:
    return {path for method, path in served if method not in ("GET", "HEAD")}


def console_paths() -> set[str]:
    """Everything of the console that is not read, as the application has it."""
    return changing({(method, route.path) for each in ROUTERS for route in each.routes for method in route.methods})


def audited(stage: Stage) -> list[str]:
    """Every event of the log, in order."""
    with stage.house.db.unit() as unit:
        return list(unit.session.execute(text("SELECT event FROM audit_events ORDER BY sequence")).scalars())


def asks(stage: Stage, digest: str, hook: str) -> Iterator[Wanted]:
    """Every change an operator may begin."""
    for verdict in ({"verdict": "approve"}, {"verdict": "reject", "reason": WHY_NOT}):
        yield "/console/intents/{digest}/statement", f"/console/intents/{digest}/statement", verdict
    stop = {"scope": "client", "subject": "acme", "purpose": "because"}
    place = {"chain": REGTEST.chain, "destination": address("thief"), "label": "Kraken cold 3"}
    broken = find_break(stage.house.db, stage.house.vaults["acme"])
    wishes: dict[str, Mapping[str, str]] = {
        "freeze": stop,
        "unfreeze": stop,
        "destination_listing": {"client": "acme", "action": "list", "purpose": "because", **place},
        "break_resolution": {"subject": broken, "resolution": "explained", "purpose": "because"},
        "policy_change": {"document": relaxed(DEMO_POLICY), "purpose": "because"},
    }
    assert set(wishes) == set(WISHES)
    for kind, form in wishes.items():
        yield "/console/requests/{kind}", f"/console/requests/{kind}", form
    for action in ACTIONS:
        yield "/console/webhooks/{endpoint}/{action}", f"/console/webhooks/{hook}/{action}", {}
    for channel, where in zip(CHANNELS, ("thief@example.com", "https://1.1.1.1/thief"), strict=True):
        yield "/console/notices", "/console/notices", {"channel": channel, "address": where}
    yield "/console/notices/{channel}/code", "/console/notices/mail/code", {"code": named(stage.house, "alice")}
    for turn in ("on", "off"):
        yield "/console/notices/{channel}/{turn}", f"/console/notices/mail/{turn}", {}
    yield "/console/passkeys/new", "/console/passkeys/new", {}
    yield "/console/clients/{client}/addresses", "/console/clients/acme/addresses", {"chain": REGTEST.chain}


def lies(console: Console, asked: Question, genuine: Mapping[str, Any]) -> Iterator[Any]:
    """What a thief can answer: with a passkey of his own, under her passkey's name, and with what she answered once."""
    made = as_browser(Passkey("thief", console, sign_count=9_000_000).answer(asked.challenge))
    hers = Passkey("alice").credential.id
    yield made
    yield {**made, "id": hers, "rawId": hers}
    yield genuine


def thief_of(stage: Stage, person: Person) -> Person:
    """At a browser of his own, with the cookie and no passkey."""
    thief = Person.at(stage.browser, stage.origin)
    thief.context.add_cookies([{**each} for each in person.context.cookies()])
    return thief


def spoken(stage: Stage, person: Person) -> Mapping[str, Any]:
    """What the person's passkey answered once, and truly."""
    person.ask(stage.digest(20_000_000))
    with person.page.expect_request(lambda request: request.url.endswith("/verdict")) as sent:
        assert person.sign() == 201
    answered: Mapping[str, Any] = (sent.value.post_data_json or {})["credential"]
    return answered


def try_to_change(stage: Stage, thief: Person, wanted: list[Wanted], genuine: Mapping[str, Any]) -> set[str]:
    """Ask for every change and answer it in vain in three ways; where the answers went."""
    answers = set()
    for _, path, form in wanted:
        page = thief.send(path, urllib.parse.urlencode(form), kind=FORM)
        assert page["status"] == 200, (path, page["text"])
        asked = question_on(page["text"])
        answers.add(asked.send)
        own, *others = lies(stage.console, asked, genuine)
        for lie in (own, *others):
            told = thief.send(asked.send, {"challenge": asked.challenge.hex(), "credential": lie})
            assert told["status"] in (401, 403), (path, told)
            assert told["code"] in REFUSALS, (path, told)
            assert lie != own or "passkey" in told["detail"], (path, told)
    return answers


def test_a_stolen_cookie_reads_and_changes_nothing(stage: Stage) -> None:
    hook, digest = endpoint(stage), stage.digest()
    alice = stage.person("alice")
    genuine = spoken(stage, alice)
    wanted = list(asks(stage, digest, hook))
    thief = thief_of(stage, alice)
    assert "alice" in thief.open("/console").inner_text("header")
    before, head = stage.house.contents(), len(audited(stage))

    verdict = f"/console/intents/{digest}/verdict"
    assert try_to_change(stage, thief, wanted, genuine) == {*ANSWERS, verdict}
    form = {"document": relaxed(DEMO_POLICY), "days": "7", "do": "propose"}
    assert "data-challenge" not in thief.send("/console/policy/draft", urllib.parse.urlencode(form), kind=FORM)["text"]
    made = {"secret": "guessed", "challenge": "11" * 32, "credential": Passkey("thief").registration(b"\0" * 32)}
    assert thief.send("/console/invitation", made)["code"] == "passkey-refused"
    for path in sorted(changing({(each.method, each.path) for each in routes_served()})):
        assert thief.send(re.sub(r"\{\w+\}", "x", path), {})["status"] in (401, 405), path
    thief.ask(digest)
    thief.page.click("#passkey")
    thief.page.wait_for_selector("#outcome.bad")

    after = stage.house.contents()
    assert {name for name in before if after[name] != before[name]} <= OF_ASKING | {"audit_events"}
    assert set(audited(stage)[head:]) == REFUSED
    tried = {route for route, _, _ in wanted} | {"/console/intents/{digest}/verdict", *ANSWERS}
    assert console_paths() == tried | {*OPEN_TO_ALL, *HARMLESS}, "a new route: what can a stolen cookie do with it?"


def test_a_stolen_cookie_ends_with_the_sign_in_it_is_of(stage: Stage) -> None:
    digest = stage.digest()
    alice = stage.person("alice")
    for end in ("signed out", "idle"):
        thief = thief_of(stage, alice)
        assert thief.open(f"/console/intents/{digest}").locator("#approve").count() == 1
        if end == "signed out":
            alice.page.click("text=Sign out")
            alice.page.wait_for_url("**/sign-in")
        else:
            stage.later(minutes=16)
        for path in ("/console", f"/console/intents/{digest}", "/console/audit/export"):
            assert thief.open(path).url.endswith("/console/sign-in"), (end, path)
        form = urllib.parse.urlencode({"verdict": "approve"})
        for path in (f"/console/intents/{digest}/statement", "/console/stay"):
            assert thief.send(path, form, kind=FORM)["code"] == "not-signed-in", (end, path)
        alice.sign_in()
