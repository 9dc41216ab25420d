"""From an invitation to a verdict that a cosigner would count, in a browser."""

from __future__ import annotations

from custody.approvals import queries
from custody.evidence.approvals import check_approval
from custody.operators.queries import candidates
from custody.trust import operations as trust
from tests.browser.chromium import Person
from tests.browser.conftest import Stage
from tests.browser.looking import look_at
from tests.support import passkeys


def test_a_passkey_is_made_by_invitation_named_by_the_trust_root_and_gives_a_verdict_that_verifies(
    stage: Stage,
) -> None:
    digest = stage.digest()
    alice = Person.at(stage.browser, stage.origin)
    link = stage.invitation("alice")
    alice.page.goto(link)
    look_at(alice, "invitation")
    alice.register(link)
    look_at(alice, "candidate")
    alice.open("/console/sign-in")
    look_at(alice, "sign-in")
    alice.page.click("#passkey")
    alice.page.wait_for_selector("#outcome.bad")
    assert "not enrolled" in alice.page.inner_text("#outcome")
    passkeys.pin_candidates(stage.house, "alice")
    alice.sign_in()
    assert alice.give(digest) == 201
    alice.page.wait_for_selector("text=Your approval is recorded")
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
        (candidate,) = candidates(unit.session)
    assert person == "alice"
    assert approval.signature.key == candidate.credential.id
    alice.page.goto(link)
    alice.page.click("#passkey")
    alice.page.wait_for_selector("#outcome.bad")
    assert "was used" in alice.page.inner_text("#outcome")
    assert [each for each in alice.said if "401" not in each and "403" not in each] == []
