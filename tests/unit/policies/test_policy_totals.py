"""Totals and limits over rolling windows: fifty small requests are seen as the large one they are together."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from policies.counterfactual import at_units
from policies.decision import Decision, Outcome, explain
from policies.document import Document
from policies.engine import evaluate
from policies.facts import UsageTotals
from policies.quantities import usd_words
from policies.windows import measure, usage_from, windows_needed
from tests.unit.policies.builders import BTC, NOW, USD, a_document, a_withdrawal, decide, past

PERMIT_ALL = "  - permit: anything\n    match: {kind: withdrawal}"


def totalled(total: str, kind: str = "require", match: str = "") -> Document:
    rule = f"  - {kind}: counted\n    match: {{kind: withdrawal{match}, total: {total}}}"
    adds = "\n    approvals: {operators: 2}" if kind == "require" else ""
    return a_document(rule if kind == "permit" else f"{PERMIT_ALL}\n{rule}{adds}")


def test_p060_after_ten_of_ten_thousand_one_dollar_more_is_escalated_or_refused() -> None:
    ten = [past(ago_seconds=hour * 3_600, usd_micros=10_000 * USD) for hour in range(1, 11)]
    last = a_withdrawal(usd_micros=1 * USD)
    escalates = totalled("{per: client, window: 24h, usd: {above: 100_000}}")
    refuses = a_document(f"{PERMIT_ALL}\n    limit: {{per: client, window: 24h, usd: 100_000}}")
    for document, expected in ((escalates, Outcome.REQUIRE), (refuses, Outcome.DENY)):
        tenth = a_withdrawal(usd_micros=10_000 * USD)
        assert decide(document, tenth, *ten[:9]).outcome is Outcome.ALLOW
        assert decide(document, last, *ten).outcome is expected
        assert decide(document, last, *ten[:9], past(ago_seconds=86_400, usd_micros=10_000 * USD)).outcome == "allow"


def test_p061_fifty_just_under_the_tier_to_ten_destinations_trigger_the_aggregate() -> None:
    tier = f"{PERMIT_ALL}\n  - require: tier\n    match: {{kind: withdrawal, usd: {{above: 10_000}}}}\n    delay: 1h"
    aggregate = (
        f"{tier}\n  - require: together\n"
        "    match: {kind: withdrawal, total: {per: client, window: 24h, usd: {above: 100_000}}}\n"
        "    approvals: {operators: 2, risk: 1}"
    )
    spread: list[dict[str, Any]] = [{"usd_micros": 9_900 * USD, "destination_text": f"bc1q{n % 10}"} for n in range(50)]
    asked = [
        decide(a_document(aggregate), a_withdrawal(**spread[n]), *(past(ago_seconds=60, **one) for one in spread[:n]))
        for n in range(50)
    ]
    assert [decision.outcome is Outcome.REQUIRE for decision in asked] == [n >= 10 for n in range(50)]
    assert asked[10].obligations.approvals == {"operators": 2, "risk": 1}
    alone = decide(a_document(tier), a_withdrawal(**spread[49]), *(past(**one) for one in spread[:49]))
    assert alone.outcome is Outcome.ALLOW


@pytest.mark.parametrize("number", ["count: {above: 2}", 'amount: {above: "2 BTC"}', "usd: {above: 2_000}"])
def test_p062_both_sides_of_midnight_count_in_a_total(number: str) -> None:
    document = totalled(f"{{per: client, window: 24h, {number}}}")
    midnight = datetime(2026, 3, 2, tzinfo=UTC)
    before, after = past(at=midnight - timedelta(milliseconds=1)), past(at=midnight)
    facts = a_withdrawal(now=midnight + timedelta(seconds=1))
    assert decide(document, facts, before).outcome is Outcome.ALLOW
    assert decide(document, facts, before, after).outcome is Outcome.REQUIRE


@pytest.mark.parametrize(
    ("number", "just", "over"),
    [
        ("usd: {above: 3_000}", {"usd_micros": 1_000 * USD}, {"usd_micros": 1_000 * USD + 1}),
        ('amount: {above: "3 BTC"}', {"amount_units": BTC}, {"amount_units": BTC + 1}),
    ],
)
def test_a_total_above_is_strict_with_this_request_counted(
    number: str, just: dict[str, Any], over: dict[str, Any]
) -> None:
    for kind, expected in (("require", Outcome.REQUIRE), ("forbid", Outcome.DENY)):
        document = totalled(f"{{per: client, window: 24h, {number}}}", kind)
        assert decide(document, a_withdrawal(**just), past(), past()).outcome is Outcome.ALLOW
        assert decide(document, a_withdrawal(**over), past(), past()).outcome is expected


def test_a_permit_may_hold_while_a_total_is_at_most() -> None:
    document = totalled(
        "[{per: client, window: 24h, count: {at_most: 3}}, {per: everyone, window: 1h, usd: {at_most: 2_000}}]",
        "permit",
    )
    assert decide(document, a_withdrawal(), past(ago_seconds=7_200), past(ago_seconds=7_200)).outcome is Outcome.ALLOW
    assert decide(document, a_withdrawal(), *[past(ago_seconds=7_200)] * 3).outcome is Outcome.DENY
    assert decide(document, a_withdrawal(), past(client="other")).outcome is Outcome.ALLOW
    assert decide(document, a_withdrawal(), past(client="other"), past(client="other")).outcome is Outcome.DENY


@pytest.mark.parametrize(
    ("per", "other"),
    [
        ("client", {"client": "other"}),
        ("destination", {"destination_text": "bcrt1qtwo"}),
        ("asset", {"asset": "USDC"}),
        ("requester", {"requester": "alice"}),
    ],
)
def test_a_total_counts_under_its_own_key_and_its_rules_other_conditions(per: str, other: dict[str, Any]) -> None:
    document = totalled(f"{{per: {per}, window: 24h, count: {{above: 1}}}}", match=", destination: new")
    facts = a_withdrawal(destination="new")
    assert decide(document, facts, past(destination="new")).outcome is Outcome.REQUIRE
    assert decide(document, facts, past(destination="new", **other)).outcome is Outcome.ALLOW
    assert decide(document, facts, past(destination="listed")).outcome is Outcome.ALLOW
    assert decide(document, facts, past(destination="new", released=True)).outcome is Outcome.ALLOW
    assert decide(document, facts, past(destination=None)).outcome is Outcome.REQUIRE


def test_what_is_unknown_about_a_total_counts_against_the_request() -> None:
    document = totalled("{per: client, window: 24h, usd: {above: 100_000}}")
    assert decide(document, a_withdrawal(), past()).outcome is Outcome.ALLOW
    assert decide(document, a_withdrawal(), past(usd_micros=None)).outcome is Outcome.REQUIRE
    assert decide(document, a_withdrawal(), past(price_state="disputed")).outcome is Outcome.REQUIRE
    assert decide(document, a_withdrawal(usd_micros=None)).outcome is Outcome.REQUIRE
    assert evaluate(document, a_withdrawal(), lambda *_: None).outcome is Outcome.REQUIRE
    per_place = totalled("{per: destination, window: 24h, count: {above: 5}}")
    assert decide(per_place, a_withdrawal(destination_text=None)).outcome is Outcome.REQUIRE


def test_a_past_request_counts_at_the_higher_of_its_two_values_and_so_does_this_one() -> None:
    limit = a_document(f"{PERMIT_ALL}\n    limit: {{per: client, window: 24h, usd: 3_000}}")
    moved = {"usd_micros": 1_000 * USD, "usd_micros_asked": 2_000 * USD}
    (query,) = windows_needed(limit, a_withdrawal())
    assert usage_from([past(**moved)], query) == UsageTotals(BTC, 1, 2_000 * USD)
    assert decide(limit, a_withdrawal(), past(**moved)).outcome is Outcome.ALLOW
    assert decide(limit, a_withdrawal(**moved), past(usd_micros=1_000 * USD + 1)).outcome is Outcome.DENY


def test_dollars_are_summed_over_all_assets_and_units_only_of_the_requests_own() -> None:
    usdc: dict[str, Any] = {"asset": "USDC", "decimals": 6, "amount_units": 10**12, "usd_micros": 10**12}
    dollars = totalled("{per: client, window: 24h, usd: {above: 1_000_500}}")
    units = totalled('{per: client, window: 24h, amount: {above: "1.5 BTC"}}')
    assert decide(dollars, a_withdrawal(), past(**usdc)).outcome is Outcome.REQUIRE
    assert decide(units, a_withdrawal(), past(**usdc)).outcome is Outcome.ALLOW
    assert decide(units, a_withdrawal(**usdc), past(), past()).outcome is Outcome.ALLOW


def test_a_rule_with_a_limit_and_a_total_under_one_window_is_counted_once() -> None:
    document = a_document(
        "  - permit: both\n    match: {kind: withdrawal, total: {per: client, window: 24h, count: {at_most: 5}}}\n"
        "    limit: {per: client, window: 24h, usd: 5_000}"
    )
    asked: list[tuple[str, str, int]] = []

    def usage(rule_id: str, per: str, window_seconds: int, /) -> UsageTotals:
        asked.append((rule_id, per, window_seconds))
        return UsageTotals(0, 0, 0)

    decision = evaluate(document, a_withdrawal(), usage)
    assert asked == [("both", "client", 86_400)]
    assert [
        (query.rule, query.per, query.window_seconds) for query in windows_needed(document, a_withdrawal())
    ] == asked
    assert [(read.rule, read.usd_micros) for read in decision.usage] == [("both", 0)]


def test_what_is_asked_of_the_past_is_what_windows_needed_lists() -> None:
    document = a_document(
        f"{PERMIT_ALL}\n  - forbid: hits\n"
        "    match: {screening: hit, total: {per: client, window: 1h, count: {above: 9}}}\n"
        "  - require: big\n    delay: 1h\n"
        "    match: {usd: {above: 5}, total: {per: everyone, window: 2h, count: {above: 1}}}"
    )
    for facts in (a_withdrawal(), a_withdrawal(screening="hit"), a_withdrawal(screening=None, usd_micros=None)):
        asked: set[tuple[str, str, int]] = set()

        def usage(rule_id: str, per: str, window_seconds: int, /, asked: set[Any] = asked) -> UsageTotals:
            asked.add((rule_id, per, window_seconds))
            return UsageTotals(0, 0, 0)

        evaluate(document, facts, usage)
        assert asked <= {(query.rule, query.per, query.window_seconds) for query in windows_needed(document, facts)}


def test_the_explanation_tells_the_total_and_what_it_had_seen() -> None:
    document = totalled("{per: client, window: 24h, usd: {above: 1_500}}")
    lines = explain(decide(document, a_withdrawal(), past(usd_micros=600 * USD)))
    assert "require “counted”: matches (kind is withdrawal; total usd per client in 24h is above 1 500)" in lines
    assert "used under “counted” per client in 24h: 100000000 base units, 600 USD, in 1 requests" in lines
    calm = explain(decide(document, a_withdrawal()))
    assert "require “counted”: does not match (not so: total usd per client in 24h is above 1 500)" in calm


def test_a_decision_with_totals_survives_storing() -> None:
    document = totalled("{per: client, window: 24h, usd: {above: 1_500}}")
    decision = decide(document, a_withdrawal(), past(usd_micros=10**30))
    assert Decision.from_json(decision.to_json()) == decision
    assert decision.usage[0].usd_micros == 10**30
    stored = decision.to_json()
    older = {**stored, "usage": [{k: v for k, v in read.items() if k != "usd_micros"} for read in stored["usage"]]}
    assert Decision.from_json(older).usage[0].usd_micros is None


def less(rules: str, facts: dict[str, Any], *before: Any) -> tuple[str, ...]:
    return decide(a_document(rules), a_withdrawal(**facts), *before).would_change


RISK = f"{PERMIT_ALL}\n  - require: two\n    match: {{kind: withdrawal, usd: {{above: 10_000}}}}\n    approvals: {{operators: 2}}\n  - require: risk\n    match: {{kind: withdrawal, usd: {{above: 250_000}}}}\n    approvals: {{operators: 2, risk: 1}}"  # noqa: E501


def test_the_decision_says_how_many_dollars_less_would_need_less() -> None:
    assert less(RISK, {"usd_micros": 253_000_010_000, "amount_units": 4 * BTC}) == (
        "3 000.01 USD less would need no risk approval",
        "243 000.01 USD less would be allowed without people",
    )
    assert less(f"{RISK}\n    delay: 24h", {"usd_micros": 253_000 * USD + 1})[0] == (
        "3 000.01 USD less would need no risk approval and no delay"
    )


def test_fewer_units_are_worth_no_less_than_their_share() -> None:
    third = at_units(a_withdrawal(amount_units=3, usd_micros=10, usd_micros_asked=None), 1)
    assert (third.amount_units, third.usd_micros, third.usd_micros_asked) == (1, 4, None)


@pytest.mark.parametrize(
    ("micros", "words"), [(USD // 2, "0.50"), (1, "0.000001"), (10**12 + 10_000, "1 000 000.01"), (5 * USD, "5")]
)
def test_dollars_are_said_exactly(micros: int, words: str) -> None:
    assert usd_words(micros) == words


def test_the_dollars_that_are_told_count_at_both_prices() -> None:
    facts = {"usd_micros": 200_000 * USD, "usd_micros_asked": 300_000 * USD, "amount_units": 3 * BTC}
    assert less(RISK, facts)[0] == "33 333.34 USD less would need no risk approval"


def test_the_decision_says_how_many_dollars_a_total_has_left() -> None:
    rules = (
        f"{PERMIT_ALL}\n  - require: together\n    approvals: {{operators: 2}}\n"
        "    match: {kind: withdrawal, total: {per: client, window: 24h, usd: {above: 5_000}}}"
    )
    used = past(usd_micros=4_500 * USD)
    assert less(rules, {}, used) == ("500 USD less would be allowed without people",)
    limit = f"{PERMIT_ALL}\n    limit: {{per: client, window: 24h, usd: 5_000}}"
    assert less(limit, {}, used) == ("500 USD less would be allowed without people",)


def test_a_usage_that_was_measured_for_another_moment_is_not_mixed_up() -> None:
    document = totalled("{per: client, window: 24h, count: {above: 1}}")
    usage = measure(document, a_withdrawal(), [past(at=NOW - timedelta(hours=23))])
    assert usage("counted", "client", 86_400) == UsageTotals(BTC, 1, 1_000 * USD)
    assert usage("counted", "client", 3_600) is None
