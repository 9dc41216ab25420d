"""What a person does at the console and a caller with its webhooks, so that every secret they have is used and misused.

What a secret is given out by is given out once, in one answer; whatever else is said is kept, to be searched.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import httpx2

from custody.evidence.passkeys import Assertion
from tests.integration.api.server import Server
from tests.support.console import Visitor, question_on
from tests.support.passkeys import CONSOLE, Passkey, as_browser

Heard = Callable[[Any], None]
"""Keeps an answer to be searched."""
HOOKS = "/v1/webhook-endpoints"


def of_webhook(name: str, text: str) -> dict[str, str]:
    """A receiver's secret, as it is told and as it could be kept."""
    told = text.removeprefix("whsec_")
    return {name: told, f"{name}, hex": base64.b64decode(told).hex()}


def at_the_console(server: Server, heard: Heard) -> dict[str, str]:
    """Alice signs in, looks around, invites herself and is told by webhook; then what she has is tried where it is not
    for. Returns the secrets.
    """
    with httpx2.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=60) as http:
        client: Any = http
        alice = Visitor(client, "alice", Passkey("alice")).sign_in()
        cookie = alice.cookie.partition("=")[2]
        for path in ("/console", "/console/passkeys", "/console/notices", "/console/health", "/console/audit"):
            heard(alice.get(path))
        asked = question_on(alice.post("/console/passkeys/new", form={}).text)
        invited = _agree(alice, asked.send, asked.challenge).json()["next"].partition("#")[2]
        heard(alice.make(invited, Passkey("alice-phone")))
        heard(alice.post("/console/invitation/question", body={"secret": invited}))
        heard(alice.post("/console/invitation", body={"secret": invited, "more": invited}))
        page = alice.post("/console/notices", form={"channel": "webhook", "address": "http://127.0.0.1:1/told"}).text
        (notices,) = re.findall(r"whsec_[A-Za-z0-9+/=]+", page)
        told = question_on(page)
        heard(_agree(alice, told.send, told.challenge))
        heard(alice.get("/console/notices"))
        heard(alice.enter(origin="https://evil.tld"))
        _try_elsewhere(http, alice, heard, cookie=cookie, invited=invited)
        heard(alice.post("/console/sign-out", form={}))
        heard(alice.get("/console"))
    return {"cookie": cookie, "invitation": invited, **of_webhook("notices' secret", notices)}


def _agree(alice: Visitor, send: str, challenge: bytes) -> Any:
    assertion: Assertion = alice.passkey.answer(challenge)
    return alice.post(send, body={"challenge": challenge.hex(), "credential": as_browser(assertion)})


def _try_elsewhere(http: httpx2.Client, alice: Visitor, heard: Heard, *, cookie: str, invited: str) -> None:
    """Errors of every kind, with the secrets in whatever place somebody may put them by mistake."""
    for path in ("/console/nowhere", "/console/intents/xyz", f"/console/invitation?secret={invited}"):
        for accepted in ("text/html", "application/json"):
            heard(http.get(path, headers={"Cookie": alice.cookie, "Accept": accepted}))
    misused: tuple[Mapping[str, str], ...] = (
        {"Authorization": f"Bearer {cookie}"},
        {"Authorization": cookie},
        {"Cookie": f"custody={cookie}"},
        {"Request-Id": f"{cookie} {invited}"},
    )
    for headers in misused:
        heard(http.get("/v1/assets", headers=headers))
        heard(http.get("/console/live", headers=headers))
    elsewhere = {"Cookie": alice.cookie, "Origin": "https://evil.tld"}
    heard(http.post("/console/sign-out", headers=elsewhere))
    here = {"Cookie": alice.cookie, "Origin": CONSOLE.origin}
    for body in ({"challenge": cookie, "credential": invited}, {"challenge": invited}, [cookie]):
        heard(http.post("/console/sign-in", content=json.dumps(body), headers=here))


def with_a_webhook(server: Server, heard: Heard, *, url: str) -> dict[str, str]:
    """The exchange adds an endpoint, has its secret changed, and asks for what is refused. Returns the secrets."""
    new = {"url": url, "client": None, "types": [], "payload": "full", "label": "books"}
    made = server.send("exchange", "POST", HOOKS, json=new).json()
    here = f"{HOOKS}/{made['id']}"
    heard(server.send("exchange", "GET", here))
    heard(server.send("exchange", "GET", HOOKS))
    other = server.send("exchange", "POST", f"{here}/secret").json()
    heard(server.send("exchange", "GET", f"{here}/deliveries"))
    for body in ({"secret": made["secret"]}, {"types": [made["secret"]]}, {"url": other["secret"]}):
        heard(server.send("exchange", "PATCH", here, json=body))
    return {**of_webhook("first secret", made["secret"]), **of_webhook("second secret", other["secret"])}
