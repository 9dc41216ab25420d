"""Every page of the console's core, and those of what went wrong, looked at in both themes and widths."""

from __future__ import annotations

import pytest

from custody.api.console.routes import intents as routes
from tests.browser.conftest import Stage
from tests.browser.looking import look, look_at


def test_the_core_pages_are_fit_to_be_seen(stage: Stage) -> None:
    digest = stage.digest()
    alice = stage.person("alice")
    look(alice, "/console", "queue")
    look(alice, f"/console/intents/{digest}", "intent")
    alice.ask(digest)
    look_at(alice, "statement")
    look(alice, "/console/passkeys", "passkeys")
    look(alice, "/console/help", "help")
    assert alice.said == []


def test_what_went_wrong_is_fit_to_be_seen(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = stage.digest()
    alice = stage.person("alice")
    look(alice, "/console/nowhere", "error-404")
    look(alice, "/console/intents/xyz", "error-422")
    alice.page.route("**/console/live", lambda route: route.abort())
    alice.open(f"/console/intents/{digest}")
    stage.house.approve(digest, "bob", "carol")
    alice.page.click("button[value=approve]")
    alice.page.wait_for_selector("h1:has-text('Something else came first')")
    look_at(alice, "error-409")
    alice.open(f"/console/intents/{digest}")
    alice.context.clear_cookies()
    monkeypatch.setattr(routes, "to_sign_in", lambda: 1 // 0)
    look(alice, f"/console/intents/{digest}", "error-500")
    assert "Something broke here" in alice.page.inner_text("h1")
