"""What a page says is there before any script is, and without one it can be read and gone through."""

from __future__ import annotations

from playwright.sync_api import Request, Route

from custody.evidence.codes import digest_code
from tests.browser.conftest import Stage
from tests.support.processes import wait_until

PAINTED = "performance.getEntriesByName('first-contentful-paint').length === 1"


def test_pages_are_painted_while_no_script_has_come(stage: Stage) -> None:
    digest = stage.digest()
    alice = stage.person("alice")
    sent: list[Request] = []
    held: list[Route] = []
    alice.page.on("request", lambda request: sent.append(request))
    alice.page.route("**/*.js", lambda route: held.append(route))
    for path, words in (("/console", "0 of 2 operators"), (f"/console/intents/{digest}", digest_code(digest))):
        alice.page.goto(stage.origin + path, wait_until="commit")
        wait_until(lambda: bool(alice.page.evaluate(PAINTED)), seconds=15)
        alice.page.wait_for_selector(f"main:has-text('{words}')")
    assert held, "the pages have scripts, and none of them was let through"
    assert [each.url for each in sent if not each.url.startswith(f"{stage.origin}/")] == []
    for each in held:
        each.abort()


def test_the_queue_is_gone_through_without_any(stage: Stage) -> None:
    digest = stage.digest()
    alice = stage.person("alice")
    context = stage.browser.new_context(java_script_enabled=False)
    context.add_cookies([{**each} for each in alice.context.cookies()])
    page = context.new_page()
    page.goto(f"{stage.origin}/console")
    page.fill("#client", "nobody")
    page.click("text=Filter")
    page.wait_for_selector("text=Nothing waits for you with these filters.")
    page.goto(f"{stage.origin}/console")
    page.click(f"a[href='/console/intents/{digest}']")
    page.wait_for_selector(f"text={digest_code(digest)}")
    context.close()
