"""From registering a passkey to a verdict that a cosigner would count, in a browser."""

from __future__ import annotations

from custody.approvals import queries
from custody.evidence.approvals import check_approval
from custody.trust import operations as trust
from tests.browser.conftest import Stage


def test_a_passkey_is_registered_named_by_the_trust_root_and_gives_a_verdict_that_verifies(stage: Stage) -> None:
    digest = stage.digest()
    alice = stage.enrolled("alice")
    assert alice.give(digest) == 201
    alice.page.wait_for_selector("text=approve at")
    with stage.house.db.unit() as unit:
        (approval,) = queries.given(unit.session, digest=digest)
        filed = queries.get(unit.session, digest=digest)
        root = trust.in_force(unit.session).root
        person = check_approval(
            approval,
            digest=digest,
            requester="exchange",
            request_not_after=filed.not_after,
            root=root,
            now=unit.now,
        )
    assert person == "alice"
    assert alice.said == []


def test_shots(stage: Stage) -> None:
    digest = stage.digest()
    alice = stage.enrolled("alice")
    alice.open("/console/sign-in"); alice.page.screenshot(path="/tmp/people_signin.png")
    alice.open("/console"); alice.page.screenshot(path="/tmp/people_queue.png")
    alice.open("/console/passkeys"); alice.page.screenshot(path="/tmp/people_passkeys.png", full_page=True)
    alice.open(f"/console/intents/{digest}"); alice.page.screenshot(path="/tmp/people_intent.png", full_page=True)
    alice.ask(digest); alice.page.screenshot(path="/tmp/people_statement.png", full_page=True)
    bob = stage.person("bob")
    bob.register(); bob.page.screenshot(path="/tmp/people_candidate.png", full_page=True)
    alice.sign(); alice.page.wait_for_selector("text=approve at"); alice.page.screenshot(path="/tmp/people_after.png", full_page=True)
