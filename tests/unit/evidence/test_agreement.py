"""Agreement: groups, roles and rejections of the people a decision asks."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from custody.evidence.agreement import Heard, shortfall
from custody.evidence.trust_root import TrustRoot
from policies.document import Document
from tests.unit.policies.builders import NOW, a_document, a_withdrawal, decide

RULES = (
    "  - permit: anything\n    match: {kind: withdrawal}\n"
    "  - require: people\n    match: {kind: withdrawal}\n    approvals: {risk: 1}\n    roles: [compliance]"
)
DOCUMENT = a_document(RULES, more="roles: {compliance: [erin, carol]}")


def a_root(groups: Mapping[str, tuple[str, ...]]) -> TrustRoot:
    return TrustRoot(
        version=1,
        name="test",
        created_at=NOW,
        expires_at=NOW,
        assets=(),
        operators=(),
        requesters=(),
        groups=groups,
        keysets=(),
        policy_hash=DOCUMENT.hash,
    )


def short(
    *approvers: str, no: str = "", requester: str = "exchange", document: Document = DOCUMENT
) -> tuple[str, str] | None:
    heard = Heard(frozenset(approvers), frozenset({no} - {""}), NOW)
    decision = decide(document, a_withdrawal())
    return shortfall(decision, document, a_root({"risk": ("carol", "dan")}), heard, requester=requester)


@pytest.mark.parametrize("people", [("dan", "erin"), ("carol",), ("carol", "erin")])
def test_enough_people_with_the_role_among_them(people: tuple[str, ...]) -> None:
    assert short(*people) is None


def test_nobody_who_agreed_holds_the_role() -> None:
    assert short("dan") == ("missing", "approvals are missing: somebody who is compliance")
    assert short("erin") == ("missing", "approvals are missing: 1 of risk")
    assert short() == ("missing", "approvals are missing: 1 of risk, somebody who is compliance")


def test_the_requester_holds_no_role_that_counts() -> None:
    assert short("dan", "erin", requester="erin") == ("missing", "approvals are missing: somebody who is compliance")


def test_a_no_of_whoever_is_asked_ends_it_and_of_nobody_else() -> None:
    assert short("carol", no="erin") == ("rejected", "erin rejected it")
    assert short("carol", no="dan") == ("rejected", "dan rejected it")
    assert short("carol", no="alice") is None
