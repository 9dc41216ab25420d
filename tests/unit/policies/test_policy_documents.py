"""Documents: what is accepted, what is refused with line, field and what is accepted, and the shipped ones' cases."""

from __future__ import annotations

from pathlib import Path

import pytest

from custody.kernel.errors import InvalidInput
from policies.cases import run_cases
from policies.document import PolicyError, document_hash, load_document
from tests.unit.policies.builders import a_document, document_text

POLICIES = Path(__file__).parents[3] / "policies"
SHIPPED = sorted(path.stem for path in (POLICIES / "documents").glob("*.yaml"))
PERMIT = "  - permit: anything\n    match: {kind: withdrawal}"


def shipped(folder: str, name: str) -> str:
    return (POLICIES / folder / f"{name}.yaml").read_text(encoding="utf-8")


def test_ships_the_documents_people_look_for() -> None:
    assert {"demo", "exchange-standard", "cold-treasury", "collateral-venue"} <= set(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_document_passes_its_own_table(name: str) -> None:
    results = run_cases(shipped("documents", name), shipped("cases", name))
    assert results
    assert [line for result in results if not result.passed for line in result.words()] == []


@pytest.mark.parametrize("name", SHIPPED)
def test_every_rule_of_a_shipped_document_is_matched_by_a_case(name: str) -> None:
    document = load_document(shipped("documents", name))
    results = run_cases(shipped("documents", name), shipped("cases", name))
    matched = {rule.title for result in results for rule in result.decision.rules}
    assert {rule.title for rule in document.rules} <= matched


def test_a_case_that_comes_out_otherwise_says_so() -> None:
    cases = """
policy: test
assets: {BTC: 8}
given: {kind: withdrawal, requester: exchange, client: acme, chain: c, destination: new}
cases:
  - {case: permitted, facts: {amount: "1 BTC"}, expect: allow}
  - {case: hoped for, facts: {amount: "1 BTC"}, expect: deny}
"""
    good, bad = run_cases(document_text(PERMIT), cases)
    assert good.passed
    assert not bad.passed
    assert bad.words()[:2] == ["FAIL hoped for (line 7)", "expected deny, got allow"]


def test_a_case_that_expects_other_people_says_so() -> None:
    rules = f"{PERMIT}\n  - require: two\n    match: {{kind: withdrawal}}\n    approvals: {{operators: 2}}"
    cases = """
policy: test
assets: {BTC: 8}
given: {kind: withdrawal, requester: exchange, client: acme, chain: c, destination: new, amount: "1 BTC"}
cases:
  - {case: one, expect: require, approvals: {operators: 1}}
  - {case: later, expect: require, approvals: {operators: 2}, delay: 1h}
  - {case: two, expect: require, approvals: {operators: 2}}
"""
    assert [result.passed for result in run_cases(document_text(rules), cases)] == [False, False, True]


@pytest.mark.parametrize(
    ("case", "field"),
    [
        ('{case: x, facts: {amount: "1 ETH"}, expect: allow}', "cases[0].facts.amount"),
        ('{case: x, facts: {amount: "0.000000001 BTC"}, expect: allow}', "cases[0].facts.amount"),
        ("{case: x, expect: require}", "cases[0].expect"),
        ("{case: x, expect: allow, delay: 1h}", "cases[0].expect"),
        ("{case: x, expect: allow, rules: [no such rule]}", "cases[0].rules[0]"),
        ("{case: x, facts: {vault.break: perhaps}, expect: allow}", "cases[0].facts.vault.break"),
        ("{case: x, past: [{ago: 1h, ended: later}], expect: allow}", "cases[0].past[0].ended"),
    ],
)
def test_a_case_that_makes_no_sense_is_refused(case: str, field: str) -> None:
    cases = f"policy: test\nassets: {{BTC: 8}}\ngiven: {{kind: withdrawal, requester: exchange}}\ncases:\n  - {case}\n"
    with pytest.raises(PolicyError) as caught:
        run_cases(document_text(PERMIT), cases)
    assert caught.value.field == field
    assert caught.value.line == 5


def test_cases_of_another_document_are_refused() -> None:
    with pytest.raises(PolicyError, match="cases of another document"):
        run_cases(document_text(PERMIT), "policy: other\ncases: [{case: x, expect: deny}]")


def test_the_hash_is_of_the_exact_text() -> None:
    text = document_text(PERMIT)
    assert load_document(text).hash == document_hash(text)
    assert document_hash(text) == "02af646f7b430b0ad09ee99e17c557150e2c8639f9e1aaf4dd5e2011a7267556"
    assert document_hash(text) != document_hash(text + "\n")


REFUSED = [
    ("unknown kind", "  - permit: x\n    match: {kind: withdrawl}", "rules[0].match.kind", 6, "client_opening"),
    ("unknown field", "  - permit: x\n    match: {colour: red}", "rules[0].match.colour", 6, "client.status"),
    (
        "unknown status",
        "  - permit: x\n    match: {client.status: [active, asleep]}",
        "rules[0].match.client.status[1]",
        6,
        "frozen",
    ),
    (
        "a repeated key",
        "  - permit: x\n    match: {kind: withdrawal}\n    match: {kind: sweep}",
        "rules[0]",
        7,
        "each name once",
    ),
    ("an anchor", "  - permit: x\n    match: &m {kind: withdrawal}", "policy", 6, "written out"),
    ("an alias", "  - permit: x\n    match: *m", "policy", 6, "written out"),
    ("a tag", "  - permit: x\n    match: {kind: !!str withdrawal}", "policy", 6, "without ! tags"),
    (
        "a python tag",
        "  - permit: !!python/object/apply:os.getcwd []\n    match: {kind: sweep}",
        "policy",
        5,
        "without ! tags",
    ),
    (
        "a float",
        "  - permit: x\n    match: {kind: withdrawal, amount: {above: 0.5}}",
        "rules[0].match.amount.above",
        6,
        "whole numbers",
    ),
    ("a boolean", "  - permit: x\n    match: {client: no}", "rules[0].match.client", 6, "quote it"),
    ("a null", "  - permit: x\n    match: {client: }", "rules[0].match.client", 6, "quote it"),
    ("a merge key", "  - permit: x\n    match: {<<: {kind: sweep}}", "rules[0].match", 6, "quote it"),
    (
        "an amount without asset",
        '  - permit: x\n    match: {amount: {above: "0.5"}}',
        "rules[0].match.amount.above",
        6,
        "0.5 BTC",
    ),
    (
        "an amount of zero",
        '  - permit: x\n    match: {amount: {above: "0.0 BTC"}}',
        "rules[0].match.amount.above",
        6,
        "0.5 BTC",
    ),
    (
        "a negative amount",
        '  - permit: x\n    match: {amount: {above: "-1 BTC"}}',
        "rules[0].match.amount.above",
        6,
        "0.5 BTC",
    ),
    (
        "an exponent",
        '  - permit: x\n    match: {amount: {above: "1e3 BTC"}}',
        "rules[0].match.amount.above",
        6,
        "0.5 BTC",
    ),
    (
        "other digits",
        '  - permit: x\n    match: {amount: {above: "١ BTC"}}',
        "policy",
        6,
        "the digits 0 to 9",
    ),
    ("no bound", "  - permit: x\n    match: {amount: {}}", "rules[0].match.amount", 6, "at_most"),
    (
        "an unknown bound",
        '  - permit: x\n    match: {amount: {from: "1 BTC"}}',
        "rules[0].match.amount.from",
        6,
        "above, at_most",
    ),
    (
        "crossed bounds",
        '  - permit: x\n    match: {amount: {above: "2 BTC", at_most: "2.0 BTC"}}',
        "rules[0].match.amount",
        6,
        "less than",
    ),
    (
        "mixed bounds",
        '  - permit: x\n    match: {amount: {above: "1 BTC", at_most: "2 ETH"}}',
        "rules[0].match.amount",
        6,
        "one asset",
    ),
    ("an empty match", "  - permit: x\n    match: {}", "rules[0].match", 6, "at least one"),
    ("no match", "  - permit: x", "rules[0]", 5, "match"),
    ("an empty list", "  - permit: x\n    match: {kind: []}", "rules[0].match.kind", 6, "a list"),
    ("a value twice", "  - permit: x\n    match: {client: [a, a]}", "rules[0].match.client", 6, "once"),
    (
        "permit unknown",
        "  - permit: x\n    match: {destination: [new, unknown]}",
        "rules[0].match.destination[1]",
        6,
        "listed",
    ),
    (
        "a field the kind lacks",
        "  - permit: x\n    match: {kind: [withdrawal, freeze], client: a}",
        "rules[0].match.kind",
        6,
        "withdrawal",
    ),
    (
        "a limit the kind lacks",
        "  - permit: x\n    match: {kind: freeze}\n    limit: {per: client, window: 1h, count: 1}",
        "rules[0].match.kind",
        6,
        "withdrawal",
    ),
    (
        "two kinds of rule",
        "  - permit: x\n    forbid: y\n    match: {kind: sweep}",
        "rules[0]",
        5,
        "forbid, permit, require",
    ),
    ("an unknown kind of rule", "  - allow: x\n    match: {kind: sweep}", "rules[0]", 5, "forbid, permit, require"),
    (
        "a limit on a forbid",
        "  - forbid: x\n    match: {kind: sweep}\n    limit: {per: client, window: 1h, count: 1}",
        "rules[0].limit",
        7,
        "forbid, match",
    ),
    (
        "approvals on a permit",
        "  - permit: x\n    match: {kind: sweep}\n    approvals: {operators: 1}",
        "rules[0].approvals",
        7,
        "limit, match, permit",
    ),
    (
        "an unknown group",
        "  - require: x\n    match: {kind: sweep}\n    approvals: {ops: 1}",
        "rules[0].approvals.ops",
        7,
        "operators, risk",
    ),
    (
        "zero approvals",
        "  - require: x\n    match: {kind: sweep}\n    approvals: {risk: 0}",
        "rules[0].approvals.risk",
        7,
        "from 1",
    ),
    (
        "more than the group has",
        "  - require: x\n    match: {kind: sweep}\n    approvals: {risk: 3}",
        "rules[0].approvals",
        7,
        "no more people",
    ),
    (
        "more humans than there are",
        "  - require: x\n    match: {kind: sweep}\n    approvals: {operators: 3, risk: 2}",
        "rules[0].approvals",
        7,
        "no more people",
    ),
    (
        "nothing required",
        "  - require: x\n    match: {kind: sweep}",
        "rules[0].require",
        5,
        "approvals, delay, reconciled",
    ),
    ("no delay at all", "  - require: x\n    match: {kind: sweep}\n    delay: 0h", "rules[0].delay", 7, "24h"),
    ("a bare delay", "  - require: x\n    match: {kind: sweep}\n    delay: 24", "rules[0].delay", 7, "24h"),
    ("an endless delay", "  - require: x\n    match: {kind: sweep}\n    delay: 999999999d", "rules[0].delay", 7, "24h"),
    ("nothing limited", f"{PERMIT}\n    limit: {{per: client, window: 24h}}", "rules[0].limit", 7, "amount, count"),
    ("no window", f"{PERMIT}\n    limit: {{per: client, count: 1}}", "rules[0].limit", 7, "per, window"),
    (
        "per nothing known",
        f"{PERMIT}\n    limit: {{per: vault, window: 1h, count: 1}}",
        "rules[0].limit.per",
        7,
        "everyone",
    ),
    (
        "a count with a fraction",
        f'{PERMIT}\n    limit: {{per: client, window: 1h, count: "1.5"}}',
        "rules[0].limit.count",
        7,
        "whole number",
    ),
    (
        "an octal count",
        f"{PERMIT}\n    limit: {{per: client, window: 1h, count: 010}}",
        "rules[0].limit.count",
        7,
        "whole number",
    ),
    ("a title twice", f"{PERMIT}\n{PERMIT}", "rules[1]", 7, "a title of its own"),
    ("an empty title", '  - permit: ""\n    match: {kind: sweep}', "rules[0].permit", 5, "1 to 120"),
    ("an invisible character", "  - permit: x\u202e\n    match: {kind: sweep}", "policy", 5, "visible"),
    (
        "a title in two alphabets",
        "  - permit: \u041araken\n    match: {kind: sweep}",
        "policy",
        5,
        "one alphabet a word",
    ),
    ("a tab", "  - permit: x\n\tmatch: {kind: sweep}", "policy", 6, "no tabs"),
    ("broken syntax", "  - permit: x\n    match: {kind: sweep", "policy", 7, "one YAML document"),
    ("two documents", f"{PERMIT}\n---\npolicy: again", "policy", 7, "one YAML document"),
    ("no rules", "  []", "rules", 4, "a list"),
    ("rules that are text", "  hello", "rules", 4, "a list"),
    ("deep nesting", f"  {'[' * 20}{']' * 20}", "policy", 5, "levels"),
]


@pytest.mark.parametrize(
    ("rules", "field", "line", "accepted"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_refuses(rules: str, field: str, line: int, accepted: str) -> None:
    with pytest.raises(PolicyError) as caught:
        a_document(rules)
    assert (caught.value.field, caught.value.line) == (field, line)
    assert accepted in caught.value.accepted
    assert f"line {line}: " in caught.value.message
    assert "accepted is" in caught.value.message
    assert isinstance(caught.value, InvalidInput)


@pytest.mark.parametrize(
    ("groups", "field"),
    [("{operators: [a, a]}", "groups.operators"), ("{operators: []}", "groups.operators"), ("[a]", "groups")],
)
def test_refuses_groups_that_are_not_sets_of_people(groups: str, field: str) -> None:
    with pytest.raises(PolicyError) as caught:
        a_document(PERMIT, groups)
    assert (caught.value.field, caught.value.line) == (field, 3)


@pytest.mark.parametrize("text", ["", "# nothing", "hello", "policy: x", "x" * 500_001, "\ufeffpolicy: x", "a: \ud800"])
def test_refuses_what_is_no_document_at_all(text: str) -> None:
    with pytest.raises(PolicyError):
        load_document(text)


def test_an_unknown_name_at_the_top_is_refused() -> None:
    with pytest.raises(PolicyError, match="unknown name"):
        load_document(document_text(PERMIT) + "default: allow\n")


def test_a_forbid_may_speak_of_unknown_destinations() -> None:
    assert a_document("  - forbid: unknown places\n    match: {destination: unknown}").rules


def test_the_documents_order_of_rules_leaves_no_trace_in_what_is_loaded() -> None:
    other = "  - forbid: breaks\n    match: {vault.break: open}"
    assert a_document(f"{PERMIT}\n{other}").rules == a_document(f"{other}\n{PERMIT}").rules


def test_a_message_shows_no_more_than_a_piece_of_what_it_refuses() -> None:
    with pytest.raises(PolicyError) as caught:
        a_document(f"  - permit: x\n    match: {{kind: {'s' * 5000}}}")
    assert len(caught.value.message) < 500
