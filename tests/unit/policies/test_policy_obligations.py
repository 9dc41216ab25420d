"""Obligations: how they join, who fills a role, what the facts still owe, how they are said and stored."""

from __future__ import annotations

from itertools import product

import pytest

from custody.kernel.errors import InvalidInput
from policies.decision import Decision, Outcome, explain
from policies.obligations import Obligations, obligation_words, outstanding
from policies.tally import Tally, satisfied, whose_word_counts
from tests.unit.policies.builders import BTC, a_document, a_withdrawal, decide

GROUPS = {"operators": {"alice", "bob", "carol"}, "risk": {"carol", "dan"}}
ROLES = {"compliance": {"dan", "erin"}, "security": {"alice"}}
PERMIT_ALL = "  - permit: anything\n    match: {kind: withdrawal}"
MORE = "roles: {compliance: [dan, erin], security: [alice]}"

SEVERAL = [
    Obligations(),
    Obligations({"operators": 2}),
    Obligations({"operators": 1, "risk": 1}, 3_600),
    Obligations({}, 0, ("compliance",)),
    Obligations({"risk": 2}, 60, ("security",), True),
    Obligations({}, 0, (), True),
    Obligations({}, 0, (), False, 3_600),
    Obligations({}, 0, ("compliance", "security"), True, 60),
]


def test_joining_is_a_join() -> None:
    for one, two, three in product(SEVERAL, repeat=3):
        assert one.join(two) == two.join(one)
        assert one.join(two.join(three)) == one.join(two).join(three)
        assert one.join(one) == one
        assert one.join(Obligations()) == one
        assert one.join(one.join(two)) == one.join(two)


def test_the_stricter_of_each_part_is_asked() -> None:
    joined = SEVERAL[4].join(SEVERAL[7]).join(SEVERAL[2])
    assert joined == Obligations({"operators": 1, "risk": 2}, 3_600, ("compliance", "security"), True, 60)
    assert SEVERAL[6].join(Obligations({}, 0, (), False, 10)).reconciled_seconds == 10


@pytest.mark.parametrize("asked", SEVERAL[1:])
def test_whatever_is_asked_makes_it_a_requirement(asked: Obligations) -> None:
    assert asked
    assert asked.asks_people == bool(asked.approvals or asked.roles)


def test_every_obligation_is_read_and_joined_over_rules() -> None:
    document = a_document(
        f"{PERMIT_ALL}\n"
        "  - require: people\n    match: {kind: withdrawal}\n    approvals: {operators: 1}\n    roles: compliance\n"
        "  - require: facts\n    match: {kind: withdrawal}\n    screening: clear\n    reconciled: 1h\n"
        "  - require: more\n    match: {kind: withdrawal}\n    roles: [security, compliance]\n    reconciled: 30m",
        more=MORE,
    )
    decision = decide(document, a_withdrawal())
    assert decision.outcome is Outcome.REQUIRE
    assert decision.obligations == Obligations({"operators": 1}, 0, ("compliance", "security"), True, 1_800)
    assert Decision.from_json(decision.to_json()) == decision
    assert explain(decision)[0] == (
        "allowed when 1 of operators agree, and people who are compliance and security agree, and screening is clear, "
        "and the vault was reconciled within 30m"
    )


def test_a_decision_stored_before_roles_were_asked_for_asks_for_none() -> None:
    stored = decide(a_document(PERMIT_ALL), a_withdrawal()).to_json()
    older = {name: value for name, value in stored.items() if name not in ("roles", "screening", "reconciled_seconds")}
    assert Decision.from_json(older) == Decision.from_json(stored)


@pytest.mark.parametrize(
    "change",
    [{"roles": "compliance"}, {"roles": [1]}, {"screening": "yes"}, {"screening": 1}, {"reconciled_seconds": -1},
     {"reconciled_seconds": "1"}, {"reconciled_seconds": True}],
)  # fmt: skip
def test_a_stored_obligation_that_was_tampered_with_is_refused(change: dict[str, object]) -> None:
    stored = decide(a_document(PERMIT_ALL), a_withdrawal()).to_json()
    with pytest.raises(InvalidInput):
        Decision.from_json({**stored, **change})


COMPLIANCE = Obligations({"operators": 2}, 0, ("compliance",))


def test_a_role_is_held_by_somebody_who_agreed() -> None:
    without = satisfied(COMPLIANCE, GROUPS, ["alice", "bob"], roles=ROLES)
    assert without == Tally(("alice", "bob"), {}, False, ("compliance",))
    assert satisfied(COMPLIANCE, GROUPS, ["alice", "bob", "erin"], roles=ROLES) == Tally(
        ("alice", "bob", "erin"), {}, True
    )
    assert not satisfied(COMPLIANCE, GROUPS, ["alice", "erin"], roles=ROLES).met


def test_says_who_is_missing() -> None:
    tally = satisfied(SEVERAL[2].join(SEVERAL[7]), GROUPS, ["dan"], roles=ROLES)
    assert tally.missing_words == "1 of operators, somebody who is security"
    assert satisfied(COMPLIANCE, GROUPS, ["alice", "bob", "erin"], roles=ROLES).missing_words == ""


def test_the_word_of_whoever_is_asked_counts_and_of_nobody_else() -> None:
    assert whose_word_counts(COMPLIANCE, GROUPS, ROLES) == {"alice", "bob", "carol", "dan", "erin"}
    assert whose_word_counts(Obligations({"risk": 1}), GROUPS, ROLES) == {"carol", "dan"}
    assert whose_word_counts(Obligations({"board": 1}, 60, ("chief",)), GROUPS, ROLES) == set()


def test_one_human_may_fill_a_place_and_hold_the_role() -> None:
    both = Obligations({"risk": 1}, 0, ("compliance",))
    assert satisfied(both, GROUPS, ["dan"], roles=ROLES).met
    assert not satisfied(both, GROUPS, ["carol"], roles=ROLES).met


def test_who_holds_a_role_fills_no_place_of_a_group_they_are_not_in() -> None:
    assert satisfied(COMPLIANCE, GROUPS, ["alice", "dan", "erin"], roles=ROLES).missing == {"operators": 1}


def test_the_initiator_holds_no_role_that_counts() -> None:
    alone = Obligations({}, 0, ("security",))
    assert satisfied(alone, GROUPS, ["alice"], roles=ROLES).met
    assert satisfied(alone, GROUPS, ["alice"], roles=ROLES, initiator="alice") == Tally((), {}, False, ("security",))


def test_a_role_nobody_defined_is_never_held() -> None:
    assert satisfied(COMPLIANCE, GROUPS, ["alice", "bob", "dan"]).missing_roles == ("compliance",)


@pytest.mark.parametrize(
    ("asked", "facts", "owed"),
    [
        (Obligations({"risk": 1}, 60), {"screening": None, "books_age_seconds": None}, []),
        (Obligations(screening=True), {"screening": "clear"}, []),
        (Obligations(screening=True), {"screening": "review"}, ["screening is review, and must be clear"]),
        (Obligations(screening=True), {"screening": None}, ["screening is not known, and must be clear"]),
        (Obligations(reconciled_seconds=3_600), {"books_age_seconds": 3_600}, []),
        (
            Obligations(reconciled_seconds=3_600),
            {"books_age_seconds": 3_601},
            ["the last reconciliation is 1h 1s ago, and must be at most 1h ago"],
        ),
        (
            Obligations(reconciled_seconds=3_600),
            {"books_age_seconds": None},
            ["the last reconciliation is not known, and must be at most 1h ago"],
        ),
        (
            Obligations(reconciled_seconds=3_600),
            {"books_age_seconds": -1},
            ["the last reconciliation is not known, and must be at most 1h ago"],
        ),
    ],
)
def test_says_what_the_facts_still_owe(asked: Obligations, facts: dict[str, object], owed: list[str]) -> None:
    assert outstanding(asked, a_withdrawal(**facts)) == owed


def test_obligations_are_said_in_words() -> None:
    assert obligation_words(Obligations({}, 0, ("compliance",))) == "somebody who is compliance agrees"
    assert obligation_words(Obligations({"risk": 1}, 60, (), True)) == (
        "1 of risk agree, and 1m have passed, and screening is clear"
    )


def test_less_that_drops_a_role_or_a_screening_says_so() -> None:
    rules = (
        f"{PERMIT_ALL}\n  - require: one\n    match: {{kind: withdrawal}}\n    approvals: {{operators: 1}}\n"
        '  - require: more\n    match: {kind: withdrawal, amount: {above: "1 BTC"}}\n    roles: [compliance]\n'
        "    screening: clear\n    reconciled: 1h"
    )
    decision = decide(a_document(rules, more=MORE), a_withdrawal(amount_units=2 * BTC))
    assert decision.would_change == (
        "1.00000000 BTC less would need no approval by compliance and no screening and no fresh books",
    )
