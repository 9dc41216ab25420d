"""Each field: what it reads, its boundary, and what an unknown fact does under each kind of rule."""

from __future__ import annotations

from typing import Any

import pytest

from policies.decision import Outcome
from policies.facts import Facts
from policies.vocabulary import CLOSED_SETS, FIELDS, FIELDS_OF_KIND, KINDS, MEANINGS, MUST_BE_KNOWN, SCOPES
from tests.unit.policies.builders import NOW, USD, a_document, a_withdrawal, decide

MORE = "roles: {compliance: [dan]}\nclient_groups: {vip: [acme, bolt], banned: [evil]}"
PERMIT_ALL = "  - permit: anything\n    match: {kind: withdrawal}"


def outcomes(match: str, facts: Facts) -> tuple[str, str, str]:
    """How it ends with a permit that says ``match``, and with everything permitted but a forbid, and a require."""
    permit = f"  - permit: x\n    match: {{kind: withdrawal, {match}}}"
    forbid = f"{PERMIT_ALL}\n  - forbid: x\n    match: {{kind: withdrawal, {match}}}"
    require = f"{PERMIT_ALL}\n  - require: x\n    match: {{kind: withdrawal, {match}}}\n    delay: 1h"
    one, two, three = (decide(a_document(rules, more=MORE), facts).outcome.value for rules in (permit, forbid, require))
    return one, two, three


MATCHES, NOT, UNKNOWN = ("allow", "deny", "require"), ("deny", "allow", "allow"), ("deny", "deny", "require")

FIELD_CASES: list[tuple[str, dict[str, Any], tuple[str, str, str]]] = [
    ("requester.group: operators", {"requester": "alice"}, MATCHES),
    ("requester.group: operators", {"requester": "exchange"}, NOT),
    ("requester.group: [operators, risk]", {"requester": "dan"}, MATCHES),
    ("requester.group: operators", {"requester": ""}, UNKNOWN),
    ("client.group: vip", {"client": "bolt"}, MATCHES),
    ("client.group: vip", {"client": "other"}, NOT),
    ("client.group: [vip, banned]", {"client": "evil"}, MATCHES),
    ("destination: cooling", {"destination": "cooling"}, MATCHES),
    ("destination: listed", {"destination": "cooling"}, NOT),
    ("destination.code: contract", {"destination_code": "contract"}, MATCHES),
    ("destination.code: contract", {"destination_code": "plain"}, NOT),
    ("destination.code: plain", {"destination_code": None}, UNKNOWN),
    ("destination.code: plain", {"destination_code": "delegated"}, UNKNOWN),
    ("screening: clear", {"screening": "clear"}, MATCHES),
    ("screening: [clear, review]", {"screening": "hit"}, NOT),
    ("screening: clear", {"screening": None}, UNKNOWN),
    ("screening: hit", {"screening": "fine"}, UNKNOWN),
    ("collateral: short", {"collateral": "short"}, MATCHES),
    ("collateral: [none, met]", {"collateral": "short"}, NOT),
    ("collateral: [none, met]", {"collateral": None}, UNKNOWN),
    ("price: fresh", {"price_state": "fresh"}, MATCHES),
    ("price: fresh", {"price_state": "disputed"}, NOT),
    ("price: fresh", {"price_state": None}, UNKNOWN),
    ("price: fresh", {"price_state": "warm"}, UNKNOWN),
    ("price.age: {at_most: 10m}", {"price_age_seconds": 600}, MATCHES),
    ("price.age: {at_most: 10m}", {"price_age_seconds": 601}, NOT),
    ("price.age: {above: 10m}", {"price_age_seconds": 600}, NOT),
    ("price.age: {above: 10m}", {"price_age_seconds": 601}, MATCHES),
    ("price.age: {at_most: 10m}", {"price_age_seconds": None}, UNKNOWN),
    ("price.age: {at_most: 10m}", {"price_age_seconds": -1}, UNKNOWN),
    ("books.age: {above: 2h}", {"books_age_seconds": 7_200, "price_age_seconds": 9_999}, NOT),
    ("books.age: {above: 2h}", {"books_age_seconds": 7_201, "price_age_seconds": 1}, MATCHES),
    ("usd: {above: 10_000}", {"usd_micros": 10_000 * USD}, NOT),
    ("usd: {above: 10_000}", {"usd_micros": 10_000 * USD + 1}, MATCHES),
    ("usd: {at_most: 10_000}", {"usd_micros": 10_000 * USD}, MATCHES),
    ("usd: {at_most: 10_000}", {"usd_micros": 10_000 * USD + 1}, NOT),
    ('usd: {above: "0.5", at_most: "0.500001"}', {"usd_micros": 500_001}, MATCHES),
    ('usd: {above: "0.5", at_most: "0.500001"}', {"usd_micros": 500_000}, NOT),
    ('usd: {above: "0.5", at_most: "0.500001"}', {"usd_micros": 500_002}, NOT),
]


@pytest.mark.parametrize(("match", "facts", "expected"), FIELD_CASES, ids=[f"{row[0]} {row[1]}" for row in FIELD_CASES])
def test_a_field_matches_as_it_reads(match: str, facts: dict[str, Any], expected: tuple[str, str, str]) -> None:
    assert outcomes(match, a_withdrawal(**facts)) == expected


NO_WORTH: list[dict[str, Any]] = [
    {"usd_micros": None, "price_state": "missing"},
    {"usd_micros": None},
    {"usd_micros": 0},
    {"usd_micros": -1},
    {"price_state": None},
    {"price_state": "stale"},
    {"price_state": "missing"},
    {"price_state": "disputed"},
    {"price_state": "warm"},
    {"usd_micros_asked": 0},
    {"usd_micros_asked": -1},
]
TIERS = (
    f"{PERMIT_ALL}\n  - require: two above ten thousand\n    match: {{kind: withdrawal, usd: {{above: 10_000}}}}\n"
    "    approvals: {operators: 2}\n  - require: risk above a quarter million\n"
    "    match: {kind: withdrawal, usd: {above: 250_000}}\n    approvals: {operators: 2, risk: 1}\n    delay: 24h"
)


@pytest.mark.parametrize("unknown", NO_WORTH)
def test_p064_without_a_price_to_trust_the_highest_tier_is_asked(unknown: dict[str, Any]) -> None:
    decision = decide(a_document(TIERS), a_withdrawal(**unknown))
    assert decision.obligations.approvals == {"operators": 2, "risk": 1}
    assert decision.obligations.delay_seconds == 86_400
    assert decide(a_document(TIERS), a_withdrawal()).outcome is Outcome.ALLOW


@pytest.mark.parametrize("unknown", NO_WORTH)
def test_p064_without_a_price_to_trust_no_permit_in_dollars_matches(unknown: dict[str, Any]) -> None:
    assert outcomes("usd: {at_most: 10_000}", a_withdrawal(**unknown)) == UNKNOWN
    limited = f"{PERMIT_ALL}\n    limit: {{per: client, window: 24h, usd: 10_000}}"
    assert decide(a_document(limited), a_withdrawal()).outcome is Outcome.ALLOW
    assert decide(a_document(limited), a_withdrawal(**unknown)).outcome is Outcome.DENY


def test_p065_while_the_price_is_disputed_the_highest_tier_is_asked_whatever_the_median_says() -> None:
    disputed = a_withdrawal(usd_micros=9 * USD, usd_micros_asked=9 * USD, price_state="disputed")
    decision = decide(a_document(TIERS), disputed)
    assert decision.obligations.approvals == {"operators": 2, "risk": 1}
    assert ("require", "risk above a quarter million", "unknown") in {
        (line.kind, line.title, line.matched) for line in decision.trace
    }


@pytest.mark.parametrize(
    ("now", "asked", "above", "at_most"),
    [(9, None, NOT, MATCHES), (11, None, MATCHES, NOT), (9, 10, NOT, MATCHES), (11, 12, MATCHES, NOT),
     (9, 11, UNKNOWN, UNKNOWN), (11, 9, UNKNOWN, UNKNOWN), (None, 11, UNKNOWN, UNKNOWN)],
)  # fmt: skip
def test_p069_a_permit_needs_both_values_and_the_others_either(
    now: int | None, asked: int | None, above: tuple[str, str, str], at_most: tuple[str, str, str]
) -> None:
    micros = {"usd_micros": now and now * USD, "usd_micros_asked": asked and asked * USD}
    assert outcomes("usd: {above: 10}", a_withdrawal(**micros)) == above
    assert outcomes("usd: {at_most: 10}", a_withdrawal(**micros)) == at_most


def test_a_moved_price_is_told_in_the_trace() -> None:
    decision = decide(a_document(TIERS), a_withdrawal(usd_micros=9_000 * USD, usd_micros_asked=11_000 * USD))
    because = {line.title: line.because for line in decision.trace}
    assert because["two above ten thousand"] == (
        "not so of both 9 000 now and 11 000 when requested: usd is above 10 000"
    )


def test_a_rule_without_a_kind_is_about_the_kinds_that_have_its_fields_and_no_others() -> None:
    document = a_document(
        "  - permit: any\n    match: {requester: alice}\n  - forbid: hits\n    match: {screening: hit}"
    )
    change = Facts(kind="root_change", requester="alice", now=NOW, screening="hit")
    assert decide(document, change).outcome is Outcome.ALLOW
    assert decide(document, a_withdrawal(requester="alice", screening="hit")).outcome is Outcome.DENY


def test_every_field_of_every_kind_is_told_in_the_reference_and_closed_sets_are_of_fields() -> None:
    assert set(MEANINGS) == FIELDS
    assert set(CLOSED_SETS) <= FIELDS
    assert set(MUST_BE_KNOWN) <= KINDS
    for kind, fields in MUST_BE_KNOWN.items():
        assert set(fields) <= FIELDS_OF_KIND[kind]
    assert set(SCOPES.values()) <= FIELDS


def test_new_facts_survive_storing() -> None:
    facts = a_withdrawal(usd_micros=10**30, usd_micros_asked=1, price_age_seconds=5, collateral="met")
    assert Facts.from_json(facts.to_json()) == facts
    with pytest.raises(TypeError):
        a_withdrawal(usd_micros="1")
    with pytest.raises(TypeError):
        a_withdrawal(price_age_seconds=True)
