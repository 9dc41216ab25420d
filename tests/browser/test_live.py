"""A page that stays open shows what happened, moves nothing under a hand, and says so when it hears nothing."""

from __future__ import annotations

from tests.browser.conftest import Stage
from tests.browser.looking import look_at
from tests.support.processes import wait_until


def test_the_queue_and_an_intent_follow_what_happens_and_close_when_nothing_is_heard(stage: Stage) -> None:
    digest = stage.digest()
    alice, bob = stage.person("alice"), stage.person("bob")
    alice.open("/console")
    assert alice.page.title().startswith("(1) Queue")
    box = alice.page.locator("tbody tr").bounding_box()
    other = stage.digest(20_000_000)
    alice.page.wait_for_selector("#fresh-rows a")
    assert alice.page.inner_text("#fresh-rows") == "1 new"
    assert alice.page.locator("tbody tr").bounding_box() == box
    wait_until(lambda: alice.page.title().startswith("(2) Queue"))
    alice.page.click("#fresh-rows a")
    assert alice.page.locator("tbody tr").count() == 2

    alice.open(f"/console/intents/{digest}")
    alice.page.fill("#reason", "half a wor")
    bob.open(f"/console/intents/{digest}")
    bob.page.keyboard.press("a")
    assert bob.page.evaluate("document.activeElement.value") == "approve"
    bob.page.keyboard.press("Enter")
    bob.page.wait_for_selector("#passkey")
    bob.page.keyboard.press("a")
    bob.page.keyboard.press("Enter")
    bob.page.wait_for_selector("text=Your approval is recorded")
    look_at(bob, "recorded")
    assert "0.20000000 BTC" in bob.page.inner_text("main")
    alice.page.wait_for_selector("td:has-text('agreed by passkey')")
    assert alice.page.input_value("#reason") == "half a wor"
    assert "missing 1 of operators" in alice.page.inner_text(".stands")

    alice.page.clock.install()
    alice.page.route("**/console/live", lambda route: route.abort())
    alice.open(f"/console/intents/{other}")
    alice.page.clock.fast_forward("00:20")
    alice.page.wait_for_selector("#stale")
    assert "Decisions are closed until they resume" in alice.page.inner_text("#stale")
    assert alice.page.is_disabled("#approve")
    assert alice.page.get_attribute("#approve", "aria-describedby") == "stale"
    look_at(alice, "stale")
    assert bob.said == []
