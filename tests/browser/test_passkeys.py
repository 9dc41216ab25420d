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
