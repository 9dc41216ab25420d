"""The engine: no order, unknown never helps, exact boundaries, rolling windows."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from custody.kernel.canonical import canonical_json
from custody.kernel.errors import InvalidInput
from policies.decision import Decision, MatchedRule, Obligations, Outcome, explain, stricter
from policies.engine import DEFAULT_RULE, evaluate
from policies.facts import Facts, UsageTotals, nothing_used
from policies.windows import measure, usage_from, windows_needed
from tests.unit.policies.builders import BTC, NOW, USD, a_document, a_withdrawal, decide, past

PERMIT_ALL = "  - permit: anything\n    match: {kind: withdrawal}"
TWO_ABOVE = '  - require: two above one\n    match: {amount: {above: "1 BTC"}}\n    approvals: {operators: 2}'
FORBID_BREAK = "  - forbid: open break\n    match: {vault.break: open}"


def test_denies_what_nothing_permits() -> None:
    decision = decide(a_document(TWO_ABOVE), a_withdrawal())
    assert decision.outcome is Outcome.DENY
    assert explain(decision)[0] == "denied: nothing permits it"


def test_allows_what_a_permit_matches_and_nothing_else_does() -> None:
    decision = decide(a_document(PERMIT_ALL), a_withdrawal())
    assert decision.outcome is Outcome.ALLOW
    assert decision.rules == (MatchedRule("permit", "anything"),)


def test_p066_a_broad_permit_above_a_strict_rule_opens_nothing() -> None:
    above = a_document(f"{PERMIT_ALL}\n{FORBID_BREAK}\n{TWO_ABOVE}")
    below = a_document(f"{TWO_ABOVE}\n{FORBID_BREAK}\n{PERMIT_ALL}")
    for document in (above, below):
        assert decide(document, a_withdrawal(vault_break="open")).outcome is Outcome.DENY
        assert decide(document, a_withdrawal(amount_units=BTC + 1)).outcome is Outcome.REQUIRE


@pytest.mark.parametrize(("units", "approvals"), [(BTC - 1, {}), (BTC, {}), (BTC + 1, {"operators": 2})])
def test_above_is_strict_to_the_base_unit(units: int, approvals: dict[str, int]) -> None:
    decision = decide(a_document(f"{PERMIT_ALL}\n{TWO_ABOVE}"), a_withdrawal(amount_units=units))
    assert decision.obligations.approvals == approvals


@pytest.mark.parametrize(("units", "outcome"), [(1, "allow"), (BTC, "allow"), (BTC + 1, "deny")])
def test_at_most_includes_its_own_number(units: int, outcome: str) -> None:
    document = a_document('  - permit: small\n    match: {kind: withdrawal, amount: {at_most: "1 BTC"}}')
    assert decide(document, a_withdrawal(amount_units=units)).outcome == outcome


def test_a_bound_finer_than_the_asset_is_compared_without_rounding() -> None:
    document = a_document('  - permit: small\n    match: {kind: withdrawal, amount: {at_most: "0.019 JPX"}}')
    assert decide(document, a_withdrawal(asset="JPX", decimals=2, amount_units=1)).outcome is Outcome.ALLOW
    assert decide(document, a_withdrawal(asset="JPX", decimals=2, amount_units=2)).outcome is Outcome.DENY


def test_an_amount_of_another_asset_is_neither_above_nor_at_most() -> None:
    document = a_document(f"{PERMIT_ALL}\n{TWO_ABOVE}")
    assert decide(document, a_withdrawal(asset="USDC", decimals=6)).outcome is Outcome.ALLOW


def test_obligations_join_to_the_highest_count_and_the_longest_delay() -> None:
    document = a_document(
        f"{PERMIT_ALL}\n{TWO_ABOVE}\n"
        "  - require: risk\n    match: {kind: withdrawal}\n    approvals: {operators: 1, risk: 1}\n    delay: 24h\n"
        "  - require: an hour\n    match: {kind: withdrawal}\n    delay: 1h"
    )
    decision = decide(document, a_withdrawal(amount_units=2 * BTC))
    assert decision.obligations == Obligations({"operators": 2, "risk": 1}, 86_400)


@pytest.mark.parametrize(
    ("unknown", "match"),
    [
        ({"client_status": None}, "client.status: active"),
        ({"client_status": "limbo"}, "client.status: active"),
        ({"segregation": None}, "segregation: segregated"),
        ({"vault_break": None}, "vault.break: none"),
        ({"vault_break": "maybe"}, "vault.break: none"),
        ({"books_age_seconds": None}, "books.age: {at_most: 2h}"),
        ({"books_age_seconds": -1}, "books.age: {at_most: 2h}"),
        ({"requester": ""}, "requester: exchange"),
    ],
)
def test_p064_an_unknown_fact_never_helps(unknown: dict[str, object], match: str) -> None:
    permit = f"  - permit: known\n    match: {{kind: withdrawal, {match}}}"
    require = f"  - require: known\n    match: {{kind: withdrawal, {match}}}\n    approvals: {{operators: 2}}"
    forbid = f"  - forbid: known\n    match: {{kind: withdrawal, {match}}}"
    facts = a_withdrawal(**unknown)
    assert decide(a_document(permit), a_withdrawal()).outcome is Outcome.ALLOW
    assert decide(a_document(permit), facts).outcome is Outcome.DENY
    assert decide(a_document(f"{PERMIT_ALL}\n{require}"), facts).outcome is Outcome.REQUIRE
    assert decide(a_document(f"{PERMIT_ALL}\n{forbid}"), facts).outcome is Outcome.DENY


def test_a_condition_known_to_be_false_decides_before_an_unknown_one() -> None:
    rule = "  - forbid: frozen with a break\n    match: {client.status: frozen, vault.break: open}"
    assert decide(a_document(f"{PERMIT_ALL}\n{rule}"), a_withdrawal(vault_break=None)).outcome is Outcome.ALLOW


@pytest.mark.parametrize(
    "unknown",
    [
        {"kind": "teleport"},
        {"asset": None},
        {"decimals": None},
        {"decimals": -1},
        {"decimals": 10**9},
        {"chain": None},
        {"client": None},
        {"destination": None},
        {"destination": "unknown"},
        {"destination": "moon"},
        {"amount_units": None},
        {"amount_units": 0},
        {"amount_units": -1},
    ],
)
def test_p067_what_nobody_can_name_is_denied_though_a_rule_permits_everything(unknown: dict[str, object]) -> None:
    decision = decide(a_document(PERMIT_ALL), a_withdrawal(**unknown))
    assert decision.outcome is Outcome.DENY
    assert DEFAULT_RULE in decision.rules
    assert "unknown" in decision.trace[0].because


def test_a_field_a_kind_does_not_have_is_not_read_of_it() -> None:
    document = a_document(
        "  - permit: changes\n    match: {kind: policy_change}\n"
        f"{FORBID_BREAK}\n"
        "  - forbid: the frozen\n    match: {client.status: frozen}"
    )
    assert decide(document, Facts(kind="policy_change", requester="alice", now=NOW)).outcome is Outcome.ALLOW


LIMIT = "  - permit: ten a day\n    match: {{kind: withdrawal{match}}}\n    limit: {{per: {per}, window: 24h, {limit}}}"


def limited(limit: str, per: str = "client", match: str = "") -> str:
    return LIMIT.format(match=match, per=per, limit=limit)


def test_p060_the_request_that_passes_the_rolling_limit_is_refused() -> None:
    document = a_document(limited('amount: "10 BTC"'))
    ten = [past(ago_seconds=hour * 3600) for hour in range(1, 11)]
    assert decide(document, a_withdrawal(), *ten[:9]).outcome is Outcome.ALLOW
    assert decide(document, a_withdrawal(amount_units=1), *ten).outcome is Outcome.DENY


def test_the_limit_may_be_used_up_to_the_last_base_unit() -> None:
    document = a_document(limited('amount: "10 BTC"'))
    assert decide(document, a_withdrawal(amount_units=BTC), past(amount_units=9 * BTC)).outcome is Outcome.ALLOW
    assert decide(document, a_withdrawal(amount_units=BTC + 1), past(amount_units=9 * BTC)).outcome is Outcome.DENY


def test_p062_both_sides_of_midnight_count_in_a_rolling_window() -> None:
    document = a_document(limited("count: 2"))
    midnight = datetime(2026, 3, 2, tzinfo=UTC)
    before, after = past(at=midnight - timedelta(milliseconds=1)), past(at=midnight)
    facts = a_withdrawal(now=midnight + timedelta(seconds=1))
    assert decide(document, facts, before).outcome is Outcome.ALLOW
    assert decide(document, facts, before, after).outcome is Outcome.DENY


def test_a_window_ends_exactly_its_length_ago() -> None:
    document = a_document(limited("count: 1"))
    day = timedelta(hours=24)
    assert decide(document, a_withdrawal(), past(at=NOW - day)).outcome is Outcome.ALLOW
    assert decide(document, a_withdrawal(), past(at=NOW - day + timedelta(microseconds=1))).outcome is Outcome.DENY


def test_p068_what_is_released_gives_its_share_back_and_what_is_under_way_does_not() -> None:
    document = a_document(limited('amount: "1 BTC"'))
    assert decide(document, a_withdrawal(), past()).outcome is Outcome.DENY
    assert decide(document, a_withdrawal(), past(released=True)).outcome is Outcome.ALLOW


@pytest.mark.parametrize(
    ("per", "other"),
    [
        ("client", {"client": "other"}),
        ("destination", {"destination_text": "bcrt1qtwo"}),
        ("asset", {"asset": "USDC"}),
        ("requester", {"requester": "alice"}),
        ("everyone", None),
    ],
)
def test_a_limit_counts_under_its_own_key_only(per: str, other: dict[str, Any] | None) -> None:
    document = a_document(limited("count: 1", per=per))
    assert decide(document, a_withdrawal(), past()).outcome is Outcome.DENY
    if other is not None:
        assert decide(document, a_withdrawal(), past(**other)).outcome is Outcome.ALLOW
    else:
        mixed = past(client="other", destination_text="bcrt1qtwo", asset="USDC", requester="alice")
        assert decide(document, a_withdrawal(), mixed).outcome is Outcome.DENY


def test_a_limit_sees_what_falls_under_its_match_whichever_rule_let_it_out() -> None:
    document = a_document(limited("count: 1", match=", destination: new") + f"\n{PERMIT_ALL}")
    facts = a_withdrawal(destination="new")
    queries = windows_needed(document, facts)
    seen = [past(destination="new"), past(destination="listed"), past(kind="sweep", destination="new")]
    assert [usage_from(seen, query) for query in queries] == [UsageTotals(BTC, 1, 1_000 * USD)]


def test_what_is_unknown_about_the_past_counts_against_the_limit() -> None:
    document = a_document(limited('amount: "5 BTC"', match=", destination: new"))
    (query,) = windows_needed(document, a_withdrawal(destination="new"))
    assert usage_from([past(destination=None)], query) == UsageTotals(BTC, 1, 1_000 * USD)
    assert usage_from([past(destination="new", client=None)], query) == UsageTotals(BTC, 1, 1_000 * USD)
    for unknown in ({"amount_units": None}, {"asset": None}, {"decimals": 6}):
        assert usage_from([past(destination="new", **unknown)], query).amount_units is None
        assert decide(document, a_withdrawal(destination="new"), past(destination="new", **unknown)).outcome == "deny"


def test_a_limit_whose_key_or_usage_is_unknown_permits_nothing() -> None:
    document = a_document(limited("count: 5", per="destination"))
    assert decide(document, a_withdrawal(destination_text=None)).outcome is Outcome.DENY
    assert evaluate(document, a_withdrawal(), lambda *_: None).outcome is Outcome.DENY
    assert evaluate(document, a_withdrawal(), nothing_used).outcome is Outcome.ALLOW


def test_a_limit_in_one_asset_permits_no_other() -> None:
    document = a_document(limited('amount: "5 BTC"'))
    assert decide(document, a_withdrawal(asset="USDC", decimals=6)).outcome is Outcome.DENY


def test_amounts_of_other_assets_are_counted_but_not_summed() -> None:
    document = a_document(limited('amount: "2 BTC", count: 3'))
    usdc = past(asset="USDC", decimals=6, amount_units=10**12)
    assert decide(document, a_withdrawal(), usdc, usdc).outcome is Outcome.ALLOW
    assert decide(document, a_withdrawal(), usdc, usdc, usdc).outcome is Outcome.DENY


def test_the_larger_of_two_counts_is_taken_number_by_number() -> None:
    assert UsageTotals(5, 1).larger(UsageTotals(2, 3)) == UsageTotals(5, 3)
    assert UsageTotals(5, 1).larger(UsageTotals(None, 0)) == UsageTotals(None, 1)
    assert UsageTotals(0, 0, 7).larger(UsageTotals(0, 0, 9)) == UsageTotals(0, 0, 9)
    assert UsageTotals(0, 0, 7).larger(UsageTotals(0, 0)).usd_micros is None


def test_one_decision_counts_each_limit_once() -> None:
    asked: list[str] = []

    def usage(rule_id: str, per: str, window_seconds: int, /) -> UsageTotals:
        asked.append(f"{rule_id}/{per}/{window_seconds}")
        return UsageTotals(0, len(asked) - 1)

    evaluate(a_document(limited('count: 1, amount: "0.5 BTC"')), a_withdrawal(), usage)
    assert asked == ["ten a day/client/86400"]


def test_the_decision_says_how_much_less_would_need_less() -> None:
    document = a_document(f"{PERMIT_ALL}\n{TWO_ABOVE}")
    decision = decide(document, a_withdrawal(amount_units=BTC + 30_001))
    assert decision.would_change == ("0.00030001 BTC less would be allowed without people",)


def test_the_decision_says_how_much_is_left_of_a_limit_the_amount_kept_from_matching() -> None:
    document = a_document(limited('amount: "1 BTC"', match=', amount: {at_most: "0.5 BTC"}'))
    decision = decide(
        document, a_withdrawal(amount_units=BTC), past(amount_units=BTC // 2), past(amount_units=BTC // 4)
    )
    assert decision.would_change == ("0.75000000 BTC less would be allowed without people",)


def test_the_decision_names_the_one_condition_that_keeps_a_permit_from_matching() -> None:
    document = a_document("  - permit: listed\n    match: {kind: withdrawal, destination: listed}")
    decision = decide(document, a_withdrawal(destination="new"))
    assert decision.would_change == ("“listed” would permit it if destination is listed",)


def test_the_decision_promises_nothing_where_a_rule_forbids() -> None:
    document = a_document(f"  - permit: listed\n    match: {{kind: withdrawal, destination: listed}}\n{FORBID_BREAK}")
    assert decide(document, a_withdrawal(destination="new", vault_break="open")).would_change == ()


def test_a_request_under_way_counts_however_long_ago_it_was_made() -> None:
    document = a_document(limited("count: 1"))
    old = past(at=NOW - timedelta(days=3))
    assert decide(document, a_withdrawal(), old).outcome is Outcome.ALLOW
    assert decide(document, a_withdrawal(), replace(old, at=NOW)).outcome is Outcome.DENY


def test_a_decision_survives_canonical_json() -> None:
    document = a_document(f"{limited('count: 1')}\n{TWO_ABOVE}\n{FORBID_BREAK}")
    facts = a_withdrawal(amount_units=10**30, vault_break=None)
    decision = decide(document, facts, past(amount_units=10**30))
    assert canonical_json(decision.to_json())
    assert Decision.from_json(decision.to_json()) == decision
    assert decision.usage[0].amount_units == 10**30
    assert Facts.from_json(decision.facts) == facts


@pytest.mark.parametrize(
    "change",
    [{"outcome": "perhaps"}, {"approvals": {"operators": -1}}, {"delay_seconds": "1"}, {"rules": [{}]}, {"facts": []}],
)
def test_a_stored_decision_that_was_tampered_with_is_refused(change: dict[str, object]) -> None:
    stored = decide(a_document(PERMIT_ALL), a_withdrawal()).to_json()
    with pytest.raises(InvalidInput):
        Decision.from_json({**stored, **change})


def test_p069_the_stricter_of_two_evaluations_counts_both_ways_round() -> None:
    document = a_document(f"{PERMIT_ALL}\n{TWO_ABOVE}\n{FORBID_BREAK}")
    allow, require = decide(document, a_withdrawal()), decide(document, a_withdrawal(amount_units=2 * BTC))
    deny = decide(document, a_withdrawal(vault_break="open"))
    for first, second, expected in [(allow, require, require), (require, deny, deny), (allow, deny, deny)]:
        for joined in (stricter(first, second), stricter(second, first)):
            assert (joined.outcome, joined.obligations) == (expected.outcome, expected.obligations)
            assert set(joined.rules) == {*first.rules, *second.rules}
            assert joined.trace == expected.trace


def test_two_requirements_join_into_more_than_either() -> None:
    base = decide(a_document(f"{PERMIT_ALL}\n{TWO_ABOVE}"), a_withdrawal(amount_units=2 * BTC))
    more = replace(base.verdict, obligations=Obligations({"risk": 1}, 60))
    other = Decision(more, base.document_hash, lambda same: same.explanation, base)
    assert stricter(base, other).obligations == Obligations({"operators": 2, "risk": 1}, 60)


def test_an_explanation_says_who_how_long_and_why_in_words() -> None:
    document = a_document(
        f"{PERMIT_ALL}\n{FORBID_BREAK}\n{TWO_ABOVE}\n    delay: 90m\n  - permit: freezes\n    match: {{kind: freeze}}"
    )
    lines = explain(decide(document, a_withdrawal(amount_units=2 * BTC)))
    assert lines[0] == "allowed when 2 of operators agree, and 1h 30m have passed"
    assert "forbid “open break”: does not match (not so: vault.break is open)" in lines
    assert not any("freezes" in line for line in lines)
    assert lines[-1] == f"policy document {document.hash}"


def test_facts_need_a_zone_and_whole_numbers() -> None:
    with pytest.raises(TypeError):
        a_withdrawal(now=datetime(2026, 1, 1))  # noqa: DTZ001 - the refusal is what is tested
    with pytest.raises(TypeError):
        a_withdrawal(amount_units=0.5)


@pytest.mark.parametrize("bad", [{}, [], {"kind": "withdrawal"}, {"kind": 1, "requester": "x", "now": "y"}])
def test_stored_facts_that_are_not_facts_are_refused(bad: object) -> None:
    with pytest.raises(InvalidInput):
        Facts.from_json(bad)


def test_a_window_that_was_not_asked_for_is_unknown() -> None:
    document = a_document(limited("count: 1"))
    assert measure(document, a_withdrawal(), [])("another rule", "client", 60) is None
