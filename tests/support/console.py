"""The console's pages without a browser: what a browser would send, sent by hand, with a passkey in software."""

from __future__ import annotations

import html
import json
import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from fastapi.routing import iter_route_contexts
from starlette.testclient import TestClient

from custody.api.auth import Caller, Role
from custody.api.call import Call
from custody.api.console.door import Visit
from custody.api.console.looks import Looks
from custody.evidence.passkeys import Assertion, from_base64url
from tests.support.passkeys import CONSOLE, Passkey, as_browser

WHY_NOT = "not what the client asked for"
"""What a visitor writes who says no."""
HOSTILE = (
    "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "</textarea><svg onload=alert(1)>",
    "javascript:alert(1)",
    "{{7*7}} ${7*7} <%= 7*7 %>",
    "Kraken\u202e dloc\u202c",
    "Kra\u200bken",
    "\u041araken cold",
)
"""What somebody writes who wants a page to do something, or to be read as something else."""
DANGER = re.compile(
    r"""<script[^>]*>[^<]|<style|<img|<\w[^>"]*(?:"[^"]*"[^>"]*)*\s(on\w+|style)=|\s(href|action|src)="javascript:""",
    re.IGNORECASE,
)
"""What no page may hold."""
_ATTRIBUTE = re.compile(r'data-(\w+)="([^"]*)"')


@dataclass(frozen=True)
class Question:
    """What a page's button would ask of the browser."""

    challenge: bytes
    options: Mapping[str, Any]
    send: str
    text: str
    """The whole page."""


@dataclass
class Visitor:
    """One operator at the console. ``origin`` is what their browser says it is on."""

    client: TestClient
    name: str
    passkey: Passkey
    cookie: str = ""
    origin: str = CONSOLE.origin

    def sign_in(self, door: Passkey | None = None) -> Visitor:
        """With the passkey, or with another one of the same person; keeps the cookie."""
        answer = self.enter(door)
        assert answer.status_code == 201, answer.text
        self.cookie = answer.headers["set-cookie"].split(";")[0]
        return self

    def enter(self, door: Passkey | None = None, **lies: Any) -> Any:
        """What comes back to who answers the question at the door."""
        asked = self.post("/console/sign-in/question", body={}).json()
        challenge = bytes.fromhex(asked["challenge"])
        assertion = (door or self.passkey).answer(challenge, **lies)
        return self.post("/console/sign-in", body={"challenge": challenge.hex(), "credential": as_browser(assertion)})

    def make(self, secret: str, passkey: Passkey, **lies: Any) -> Any:
        """Make ``passkey`` by the link of an invitation."""
        asked = self.post("/console/invitation/question", body={"secret": secret}).json()
        challenge = bytes.fromhex(asked["challenge"])
        credential = passkey.registration(challenge, **lies)
        body = {"secret": secret, "challenge": challenge.hex(), "credential": credential}
        return self.post("/console/invitation", body=body)

    def get(self, path: str) -> Any:
        """A page."""
        return self.client.get(path, headers={"Cookie": self.cookie}, follow_redirects=False)

    def post(self, path: str, *, form: Mapping[str, str] | None = None, body: Any = None) -> Any:
        """What a page would send: a form, or JSON."""
        headers = {"Cookie": self.cookie, "Origin": self.origin}
        content = urllib.parse.urlencode(form) if form is not None else json.dumps(body)
        return self.client.post(path, content=content, headers=headers, follow_redirects=False)

    def answer(self, question: Question, passkey: Passkey | None = None, **lies: Any) -> Any:
        """Have the passkey answer what a page asks, and send that where the page sends it."""
        assertion = (passkey or self.passkey).answer(question.challenge, **lies)
        return self.post(
            question.send, body={"challenge": question.challenge.hex(), "credential": as_browser(assertion)}
        )

    def ask(self, digest: str, verdict: str = "approve") -> Question:
        """Have a statement made."""
        form = {"verdict": verdict} | ({"reason": WHY_NOT} if verdict == "reject" else {})
        answer = self.post(f"/console/intents/{digest}/statement", form=form)
        assert answer.status_code == 200, answer.text
        return question_on(answer.text)

    def send(self, digest: str, challenge: bytes, assertion: Assertion) -> Any:
        """Send what a passkey answered."""
        body = {"challenge": challenge.hex(), "credential": as_browser(assertion)}
        return self.post(f"/console/intents/{digest}/verdict", body=body)

    def give(self, digest: str, verdict: str = "approve", **lies: Any) -> Any:
        """Have a statement made, sign its hash, send it."""
        asked = self.ask(digest, verdict)
        return self.send(digest, asked.challenge, self.passkey.answer(asked.challenge, **lies))


def console_paths(client: TestClient, method: str) -> list[str]:
    """Every path of the console that answers ``method``, found in the application itself."""
    app: Any = client.app
    found = [
        context.path
        for context in iter_route_contexts(app._app.routes)
        if context.path.startswith("/console") and method in (context.methods or ())
    ]
    return [re.sub(r"{[^}]*}", "00" * 32, path) for path in found]


def at_console(name: str, **changes: Any) -> Visit:
    """A visit made by hand, for a page that is made without a route."""
    runtime: Any = None
    plain = Visit(
        call=Call(runtime, Caller(name, Role.OPERATOR), "req_test"),
        console=CONSOLE,
        operator=name,
        groups=("operators",),
        looks=Looks(),
        environment="REGTEST test",
        is_mainnet=False,
        tips=(("regtest", 101),),
        needs_me=0,
        at=datetime(2026, 1, 2, tzinfo=UTC),
        idle_seconds=900,
    )
    return replace(plain, **changes)


def alone(view: Mapping[str, Any]) -> dict[str, Any]:
    """The view of an intent with nothing around it, as a page of it wants."""
    around = dict.fromkeys(("amount", "max_fee", "fee_share", "usd", "asset", "payment", "client_name"))
    lists: dict[str, Any] = {
        "findings": [],
        "limits": [],
        "people": [],
        "reasons": {},
        "effect": [],
        "rivals": [],
        "signed": [],
    }
    return {
        **view,
        **around,
        **lists,
        "destination": None,
        "destination_name": None,
        "twin": "",
        "is_critical": False,
        "known": None,
        "misread": 0,
        "has_passkey": True,
    }


def question_on(page: str) -> Question:
    """What the page's button carries; the challenge is the one the browser would be given."""
    found = {name: html.unescape(value) for name, value in _ATTRIBUTE.findall(page)}
    options = json.loads(found["options"])
    challenge = from_base64url(options["challenge"], field="challenge")
    assert challenge.hex() == found["challenge"]
    return Question(challenge, options, found["send"], page)
