"""Saying no with a reason, and what a stolen cookie is worth."""

from __future__ import annotations

import json

from custody.approvals import queries
from tests.browser.chromium import Person
from tests.browser.conftest import Stage
from tests.browser.looking import look
from tests.browser.test_hostile_pages import post
from tests.support.console import WHY_NOT


def test_a_no_with_its_reason_and_a_stolen_cookie(stage: Stage) -> None:
    digest, other = stage.digest(), stage.digest(20_000_000)
    alice = stage.person("alice")
    look(alice, f"/console/intents/{digest}", "intent-whole")
    assert alice.give(digest, "reject") == 201
    assert "Your rejection is recorded." in alice.page.inner_text("main")
    bob = stage.person("bob")
    bob.open(f"/console/intents/{digest}")
    assert WHY_NOT in bob.page.inner_text("main")

    thief = Person.at(stage.browser, stage.origin)
    cookies = alice.context.cookies()
    thief.context.add_cookies([{**each} for each in cookies])
    thief.open("/console")
    assert "alice" in thief.page.inner_text("body")
    before = stage.house.row_counts()
    forged = json.dumps({"challenge": "00" * 32, "credential": {}})
    assert post(thief, f"/console/intents/{other}/verdict", forged)["status"] == 422
    for path, body in (
        ("/v1/freezes", '{"request": {}, "signature": {}}'),
        ("/v1/destinations", '{"request": {}, "signature": {}}'),
        (f"/v1/intents/{other}/approvals", '{"statement": {}, "signature": {}}'),
    ):
        assert post(thief, path, body)["status"] in (401, 403, 404, 405), path
    assert stage.house.row_counts() == before
    thief.open(f"/console/intents/{other}")
    thief.page.click("button[value=approve]")
    thief.page.wait_for_selector("#passkey")
    thief.page.click("#passkey")
    thief.page.wait_for_selector("#outcome.bad")
    with stage.house.db.unit() as unit:
        assert queries.given(unit.session, digest=other) == []
