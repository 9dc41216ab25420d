"""What is found about a document over all requests: each kind of finding, each form of claim, and what must be loud."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from policies.analysis import witness
from policies.analysis.admission import admit, refusals
from policies.analysis.difference import Relation, difference, differences
from policies.analysis.findings import Finding, check
from policies.analysis.invariants import read_invariants
from policies.analysis.moments import moments_of
from policies.analysis.prove import Proof, prove
from policies.analysis.witness import Unconfirmed
from policies.conditions_time import TimesOfWeek
from policies.document import load_document
from policies.facts import Facts
from policies.strict_yaml import PolicyError
from tests.unit.policies.builders import a_document, document_text

CHANGES = "  - permit: changes\n    match: {kind: policy_change}\n"
ANYTHING = CHANGES + "  - permit: out\n    match: {kind: withdrawal}\n"


def found(rules: str, groups: str = "{operators: [alice, bob, carol], risk: [carol, dan]}") -> dict[str, list[str]]:
    result: dict[str, list[str]] = {}
    for finding in check(a_document(rules, groups)):
        result.setdefault(finding.code, []).append(finding.about)
    return result


def claims(*rows: str) -> str:
    return "invariants: test\nassets: {BTC: 8}\nclaims:\n" + "\n".join(f"  - {row}" for row in rows) + "\n"


def proofs(rules: str, *rows: str) -> list[Proof]:
    document = a_document(rules)
    return prove(document, read_invariants(claims(*rows), document))


@pytest.mark.parametrize(
    ("rules", "code", "about"),
    [
        ('  - forbid: x\n    match: {asset: ETH, amount: {above: "1 BTC"}}\n', "dead-rule", "x"),
        ("  - permit: x\n    match: {kind: freeze, requester: eve, requester.group: risk}\n", "dead-rule", "x"),
        (
            (
                '  - permit: x\n    match: {kind: pledge, amount: {above: "2 BTC"}}\n'
                '    limit: {per: client, window: 1h, amount: "2 BTC"}\n'
            ),
            "dead-rule",
            "x",
        ),
        (
            "  - permit: x\n    match: {kind: pledge, client: a}\n  - forbid: y\n    match: {kind: pledge}\n",
            "conflict",
            "x",
        ),
        (
            "  - require: x\n    match: {kind: withdrawal, client.status: frozen}\n    delay: 1h\n",
            "redundant-rule",
            "x",
        ),
        ("  - permit: x\n    match: {kind: withdrawal, client: a}\n", "redundant-rule", "x"),
        ("  - forbid: x\n    match: {kind: pledge_claim}\n", "redundant-rule", "x"),
        ("  - permit: x\n    match: {kind: pledge, usd: {at_most: 5}}\n", "usd-alone", "x"),
        (
            "  - permit: x\n    match: {kind: pledge}\n    limit: {per: client, window: 1h, usd: 5}\n",
            "usd-alone",
            "x",
        ),
    ],
)
def test_a_rule_that_does_nothing_is_found(rules: str, code: str, about: str) -> None:
    frozen = "  - forbid: frozen\n    match: {kind: withdrawal, client.status: frozen}\n"
    assert about in found(ANYTHING + frozen + rules)[code]


def test_rules_that_do_something_are_not_found() -> None:
    rules = (
        '  - require: r\n    match: {kind: withdrawal, amount: {above: "1 BTC"}}\n    approvals: {operators: 1}\n'
        '  - require: s\n    match: {kind: withdrawal, amount: {above: "2 BTC"}}\n    roles: [compliance]\n'
    )
    document = a_document(ANYTHING + rules, more="roles: {compliance: [erin]}\n")
    assert {finding.code for finding in check(document)} <= {"share", "nothing-permits", "own-request"}


def test_a_document_that_cannot_be_replaced_is_locked() -> None:
    assert found("  - permit: out\n    match: {kind: withdrawal}\n")["lock-out"] == ["policy_change"]
    assert "lock-out" in found(CHANGES + "  - forbid: never\n    match: {kind: policy_change}\n")
    assert "lock-out" not in found(CHANGES)


def test_places_that_nobody_fills_are_found_over_several_rules() -> None:
    rules = (
        CHANGES
        + "  - require: a\n    match: {kind: policy_change}\n    approvals: {operators: 3}\n"
        + "  - require: b\n    match: {kind: policy_change}\n    approvals: {risk: 2}\n"
    )
    assert found(rules)["unreachable"] == ["policy_change"]
    assert found(rules)["lock-out"] == ["policy_change"]
    apart = found(rules, "{operators: [alice, bob, carol], risk: [dan, erin]}")
    assert "unreachable" not in apart
    assert apart["own-request"] == ["policy_change"]


@pytest.mark.parametrize(
    ("rules", "claim", "holds"),
    [
        (ANYTHING, "{never: x, match: {kind: withdrawal, destination: own}}", False),
        (ANYTHING, "{never: x, match: {kind: sweep}}", True),
        (ANYTHING, "{takes: x, match: {kind: withdrawal}, people: 1}", False),
        (ANYTHING, "{alone: x, match: {kind: withdrawal}}", False),
        (ANYTHING, "{alone: x, match: {kind: policy_change}}", True),
        (ANYTHING, "{possible: x, match: {kind: withdrawal, client.status: frozen}}", True),
        (ANYTHING, "{possible: x, match: {kind: pledge}}", False),
        (ANYTHING, "{unknown: x, match: {kind: withdrawal}, fields: [vault.break]}", True),
        (
            CHANGES + "  - permit: out\n    match: {kind: withdrawal}\n"
            "  - forbid: dear\n    match: {kind: withdrawal, price: fresh, usd: {above: 5}}\n",
            "{unknown: x, match: {kind: withdrawal}, fields: [usd, price]}",
            False,
        ),
        (
            CHANGES + "  - permit: out\n    match: {kind: withdrawal}\n"
            "  - forbid: dear\n    match: {kind: withdrawal, usd: {above: 5}}\n",
            "{unknown: x, match: {kind: withdrawal}, fields: [usd, price]}",
            True,
        ),
    ],
)
def test_each_form_of_claim_holds_or_breaks(rules: str, claim: str, holds: bool) -> None:
    (proof,) = proofs(rules, claim)
    assert proof.holds is holds
    shows = not holds if proof.claim.form != "possible" else holds
    assert (proof.witness is not None) is shows
    assert "proved" in proof.words()[0] if holds else "BROKEN" in proof.words()[0]


LIMIT = "limit: {per: client, window: 24h, count: 5}"


@pytest.mark.parametrize(
    ("claimed", "holds"),
    [
        ("limit: {per: client, window: 24h, count: 5}", True),
        ("limit: {per: client, window: 12h, count: 5}", True),
        ("limit: {per: client, window: 24h, count: 4}", False),
        ("limit: {per: client, window: 25h, count: 5}", False),
        ("limit: {per: asset, window: 24h, count: 5}", False),
        ('limit: {per: client, window: 24h, amount: "5 BTC"}', False),
    ],
)
def test_a_limit_is_claimed_of_all_that_leaves(claimed: str, holds: bool) -> None:
    rules = f"{CHANGES}  - permit: out\n    match: {{kind: withdrawal}}\n    {LIMIT}\n"
    (proof,) = proofs(rules, f"limits: x\n    match: {{kind: withdrawal, destination: listed}}\n    {claimed}")
    assert proof.holds is holds
    beside = rules + "  - permit: own\n    match: {kind: withdrawal, destination: listed, client: desk}\n"
    (proof,) = proofs(beside, f"limits: x\n    match: {{kind: withdrawal, destination: listed}}\n    {claimed}")
    assert not proof.holds


def test_a_boundary_is_proved_to_the_smallest_unit_there_is() -> None:
    two = (
        '  - require: two\n    match: {kind: withdrawal, amount: {above: "0.05 BTC"}}\n    approvals: {operators: 2}\n'
    )
    (at, below) = proofs(
        ANYTHING + two,
        'takes: at\n    match: {kind: withdrawal, amount: {above: "0.05 BTC"}}\n    people: 2',
        'takes: below\n    match: {kind: withdrawal, amount: {above: "0.049999999999 BTC"}}\n    people: 2',
    )
    assert at.holds
    assert not below.holds
    assert below.witness is not None
    facts = below.witness.facts
    assert facts.amount_units is not None
    assert facts.decimals is not None
    assert 49_999_999_999 * 10**facts.decimals < facts.amount_units * 10**12 <= 5 * 10 ** (facts.decimals + 10)


def test_who_asks_never_counts() -> None:
    rules = (
        "  - permit: c\n    match: {kind: freeze, requester: alice}\n"
        "  - require: two\n    match: {kind: freeze}\n    approvals: {operators: 2}\n"
    )
    held, broken = proofs(
        rules,
        "{takes: x, match: {kind: freeze}, people: 2}",
        "{takes: y, match: {kind: freeze}, people: 3}",
    )
    assert held.holds
    assert broken.witness is not None
    assert broken.witness.facts.requester == "alice"
    assert set(broken.witness.approvers) == {"bob", "carol"}


def limited(limit: str) -> str:
    return f"{CHANGES}  - permit: out\n    match: {{kind: withdrawal}}\n    limit: {limit}\n"


@pytest.mark.parametrize(
    ("before", "after", "relation"),
    [
        ("{per: client, window: 24h, count: 5}", "{per: client, window: 48h, count: 5}", Relation.LESS),
        ("{per: client, window: 24h, count: 5}", "{per: everyone, window: 24h, count: 5}", Relation.LESS),
        ("{per: client, window: 24h, count: 5}", "{per: client, window: 24h, count: 6}", Relation.MORE),
        ("{per: client, window: 24h, count: 5}", "{per: asset, window: 24h, count: 5}", Relation.INCOMPARABLE),
        ('{per: client, window: 1h, amount: "5 BTC"}', '{per: client, window: 1h, amount: "5.0 BTC"}', None),
        ("{per: client, window: 1h, usd: 5}", '{per: client, window: 1h, usd: "4.999999"}', Relation.LESS),
    ],
)
def test_a_longer_window_is_stricter_and_not_incomparable(before: str, after: str, relation: Relation | None) -> None:
    first, second = a_document(limited(before)), a_document(limited(after))
    found = difference(first, second, "withdrawal", decimals={"BTC": 8})
    assert found.relation is (relation or Relation.EQUIVALENT)


def test_a_new_title_or_another_order_changes_nothing() -> None:
    first = a_document(ANYTHING)
    second = a_document("  - permit: away\n    match: {kind: withdrawal}\n" + CHANGES)
    assert {one.relation for one in differences(first, second)} == {Relation.EQUIVALENT}


def test_a_member_more_makes_a_group_weaker() -> None:
    rules = CHANGES + "  - require: two\n    match: {kind: policy_change}\n    approvals: {operators: 2}\n"
    first, second = a_document(rules, "{operators: [a, b]}"), a_document(rules, "{operators: [a, b, c]}")
    found = difference(first, second, "policy_change", decimals={})
    assert found.relation is Relation.MORE
    assert found.let_out is not None
    assert "c" in found.let_out.approvers


def test_an_answer_the_engine_does_not_confirm_is_never_a_result(monkeypatch: pytest.MonkeyPatch) -> None:
    denied = a_document("  - forbid: all\n    match: {kind: withdrawal}")
    real: Any = witness.evaluate
    monkeypatch.setattr(witness, "evaluate", lambda document, facts, usage: real(denied, facts, usage))
    with pytest.raises(Unconfirmed, match="does not see"):
        proofs(ANYTHING, "{never: x, match: {kind: withdrawal}}")
    with pytest.raises(Unconfirmed, match="sees no difference"):
        difference(denied, a_document(ANYTHING), "withdrawal", decimals={})


def test_moments_tell_apart_all_that_two_zones_can_show_together() -> None:
    nine = ((540, 600),)
    berlin, york = (
        TimesOfWeek(nine, zone, outside=False, words=zone) for zone in ("Europe/Berlin", "America/New_York")
    )
    tokyo = TimesOfWeek(((1020, 1080),), "Asia/Tokyo", outside=False, words="tokyo")
    held = {moment.holding for moment in moments_of([berlin, york, tokyo])}
    assert held == {frozenset(), frozenset({berlin}), frozenset({york}), frozenset({tokyo}), frozenset({berlin, tokyo})}
    summer = next(moment.at for moment in moments_of([berlin, tokyo]) if moment.holding == {tokyo})
    assert tokyo.holds(Facts(kind="", requester="", now=summer))
    skipped = TimesOfWeek(((6 * 1440 + 120, 6 * 1440 + 180),), "Europe/Berlin", outside=False, words="skipped")
    assert all(moment.at != datetime(2026, 3, 29, 1, tzinfo=UTC) for moment in moments_of([skipped]) if moment.holding)


CASES = "policy: test\ngiven: {requester: alice}\ncases: [{case: c, facts: {kind: policy_change}, expect: allow}]\n"
ALONE = "{alone: changes, match: {kind: policy_change}}"
NEVER = "{never: no sweep, match: {kind: sweep}}"


def codes(findings: list[Finding]) -> set[str]:
    return {finding.code for finding in refusals(findings)}


def test_a_document_is_admitted_only_with_cases_and_claims_that_hold() -> None:
    text = document_text(CHANGES)
    assert codes(admit(text, CASES, claims(ALONE))) == set()
    assert codes(admit("hello", CASES, claims(ALONE))) == {"unreadable"}
    assert codes(admit(text, CASES.replace("expect: allow", "expect: deny"), claims(ALONE))) == {"case-fails"}
    assert codes(admit(text, "cases: 1", claims(ALONE))) == {"unreadable"}
    assert codes(admit(text, CASES, "claims: 1")) == {"unreadable"}
    assert codes(admit(text, CASES, claims("{never: x, match: {kind: policy_change}}"))) == {"invariant-broken"}


def test_a_claim_is_not_dropped_without_saying_so() -> None:
    text, before = document_text(CHANGES), claims(ALONE, NEVER)
    assert codes(admit(text, CASES, claims(ALONE), before=before)) == {"invariant-loosened"}
    assert codes(admit(text, CASES, claims(ALONE) + "given_up: [no sweep]\n", before=before)) == set()
    assert codes(admit(text, CASES, before, before=claims(ALONE))) == set()


def test_a_claim_may_grow_but_not_shrink() -> None:
    rules = (
        CHANGES + "  - require: two\n    match: {kind: policy_change}\n    approvals: {operators: 2}\n    delay: 2h\n"
    )
    cases = CASES.replace("expect: allow", "expect: require, approvals: {operators: 2}, delay: 2h")
    one, two = (claims(f"{{takes: t, match: {{kind: policy_change}}, people: {n}, delay: {n}h}}") for n in (1, 2))
    assert codes(admit(document_text(rules), cases, two, before=one)) == set()
    assert codes(admit(document_text(rules), cases, one, before=two)) == {"invariant-loosened"}


def test_a_claim_that_is_about_no_request_is_found() -> None:
    empty = "{never: x, match: {kind: freeze, requester: eve, requester.group: risk}}"
    assert codes(admit(document_text(CHANGES), CASES, claims(empty))) == {"empty-claim"}


@pytest.mark.parametrize(
    ("claim", "field"),
    [
        ("{never: x}", "claims[0]"),
        ("{always: x, match: {kind: sweep}}", "claims[0]"),
        ("{takes: x, match: {kind: sweep}}", "claims[0].takes"),
        ("{takes: x, match: {kind: sweep}, approvals: {ops: 1}}", "claims[0].approvals.ops"),
        ("{never: x, match: {kind: sweep}, people: 2}", "claims[0].people"),
        ("{unknown: x, match: {kind: withdrawal}, fields: [colour]}", "claims[0].fields"),
        ("{limits: x, match: {kind: withdrawal}}", "claims[0]"),
        ("{limits: x, match: {kind: withdrawal}, limit: {per: client, window: 1h}}", "claims[0].limit"),
        (
            "{never: x, match: {kind: withdrawal, total: {per: client, window: 1h, count: {above: 1}}}}",
            "claims[0].match",
        ),
    ],
)
def test_a_claim_that_makes_no_sense_is_refused(claim: str, field: str) -> None:
    with pytest.raises(PolicyError) as caught:
        read_invariants(claims(claim), load_document(document_text(CHANGES)))
    assert caught.value.field.startswith(field)
    assert caught.value.line == 4


def test_says_how_much_of_each_kind_is_denied() -> None:
    rules = CHANGES + "  - permit: f\n    match: {kind: freeze, requester: [alice, bob]}\n"
    (share,) = [finding.words for finding in check(a_document(rules)) if finding.code == "share"]
    assert "policy_change 0" in share
    number = int(share.split("freeze ")[1].split(",")[0])
    assert 180 < number < 300  # three of the five who could ask
