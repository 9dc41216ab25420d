"""Every page of the console's core, looked at in both themes and widths."""

from __future__ import annotations

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
