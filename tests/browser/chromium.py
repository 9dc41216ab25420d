"""Chromium without a window, and a passkey inside it that agrees to everything unless told otherwise."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from playwright.sync_api import Browser, BrowserContext, CDPSession, Page, sync_playwright

from custody.evidence.passkeys import from_base64url
from demo import find
from tests.support.console import WHY_NOT
from tests.support.passkeys import Passkey

ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)
AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}
PATIENCE_MS = 15_000
_ADVICE = "is missing at least one of the default algorithm identifiers"
"""What Chromium says to who asks for ES256 alone, as we do on purpose."""


_COUNTERS = itertools.count(1_000, 1_000)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser. Where there is none the test fails in one line; it is never left out."""
    program = find.chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(program), headless=True, args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Person:
    """One operator at a browser of their own, with one authenticator."""

    page: Page
    context: BrowserContext
    devtools: CDPSession
    authenticator: str
    origin: str
    said: list[str]
    """What the page wrote to the console or was refused by its policy."""

    @classmethod
    def at(cls, browser: Browser, origin: str) -> Person:
        """A fresh browser profile."""
        context = browser.new_context(viewport={"width": 1100, "height": 900})
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        devtools = context.new_cdp_session(page)
        devtools.send("WebAuthn.enable", {"enableUI": False})
        made = devtools.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
        person = cls(page, context, devtools, made["authenticatorId"], origin, [])
        page.on("console", lambda message: _ADVICE in message.text or person.said.append(message.text))
        page.on("pageerror", lambda error: person.said.append(str(error)))
        return person

    def open(self, path: str) -> Page:
        """Go there."""
        self.page.goto(self.origin + path)
        return self.page

    def sign_in(self) -> None:
        """Sign in with the passkey the authenticator holds."""
        self.open("/console/sign-in")
        self.page.click("#passkey")
        self.page.wait_for_url("**/console")

    def register(self, link: str) -> None:
        """Make a passkey by an invitation and have it kept as a candidate."""
        self.page.goto(link)
        self.page.click("#passkey")
        self.page.wait_for_selector("text=counts for nothing yet")

    def ask(self, digest: str, verdict: str = "approve") -> None:
        """Open an intent and have the statement made."""
        self.open(f"/console/intents/{digest}")
        if verdict == "reject":
            self.page.fill("#reason", WHY_NOT)
        self.page.click(f"button[value={verdict}]")
        self.page.wait_for_selector("#passkey")

    def give(self, digest: str, verdict: str = "approve") -> int:
        """Give a verdict with the passkey; returns the HTTP status of what was sent."""
        self.ask(digest, verdict)
        return self.sign()

    def sign(self) -> int:
        """Press the button; returns the HTTP status of what was sent, after the page went on."""
        with self.page.expect_response(lambda answer: answer.request.method == "POST") as waited:
            self.page.click("#passkey")
        status = int(waited.value.status)
        if status == 201:
            self.page.wait_for_selector("#passkey", state="detached")
        return status

    def send(self, path: str, body: Any, *, kind: str = "application/json", method: str = "POST") -> dict[str, Any]:
        """What the page itself would send, as this browser sends it: text as it is, all else as JSON.

        Returns the answer's ``status`` and ``text``, and beside them the fields of a JSON answer.
        """
        written = body if isinstance(body, str) else json.dumps(body)
        answer: dict[str, Any] = self.page.evaluate(
            """async ([path, body, kind, method]) => {
              const answer = await fetch(path, { method, body, headers: { "Content-Type": kind } });
              return { status: answer.status, url: answer.url, text: await answer.text() };
            }""",
            [path, written, kind, method],
        )
        try:
            said = json.loads(answer["text"])
        except ValueError:
            said = {}
        return {**said, **answer}

    def hold(self, passkey: Passkey) -> None:
        """Put a passkey into the authenticator that the trust root names already."""
        key = passkey.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        credential = {
            "credentialId": _base64(from_base64url(passkey.credential.id, field="id")),
            "isResidentCredential": True,
            "userHandle": _base64(passkey.name.encode()),
            "rpId": passkey.console.rp_id,
            "privateKey": _base64(key),
            # Somebody who comes back in another browser has a counter that went on.
            "signCount": next(_COUNTERS),
        }
        chosen = {"authenticatorId": self.authenticator, "credential": credential}
        self.devtools.send("WebAuthn.addCredential", chosen)

    def credentials(self) -> list[dict[str, Any]]:
        """What the authenticator holds."""
        found = self.devtools.send("WebAuthn.getCredentials", {"authenticatorId": self.authenticator})
        return list(found["credentials"])

    def set_verified(self, is_verified: bool) -> None:
        """Whether the authenticator says that the person was verified."""
        chosen = {"authenticatorId": self.authenticator, "isUserVerified": is_verified}
        self.devtools.send("WebAuthn.setUserVerified", chosen)


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
