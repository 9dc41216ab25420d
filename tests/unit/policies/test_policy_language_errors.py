"""What the newer parts of the language refuse when a document is loaded, each with line, field and what is accepted."""

from __future__ import annotations

import pytest

from policies.document import PolicyError, load_document
from tests.unit.policies.builders import a_document, document_text

PERMIT = "  - permit: x\n    match: {kind: withdrawal}"


def match(says: str, kind: str = "permit") -> str:
    return f"  - {kind}: x\n    match: {{{says}}}"


REFUSED = [
    ("a float of dollars", match("usd: {above: 0.5}"), "rules[0].match.usd.above", 6, "quote it"),
    ("no dollars", match("usd: {above: 0}"), "rules[0].match.usd.above", 6, "10_000"),
    ("seven places", match('usd: {above: "0.0000001"}'), "rules[0].match.usd.above", 6, "six places"),
    ("negative dollars", match("usd: {above: -5}"), "rules[0].match.usd.above", 6, "10_000"),
    ("hexadecimal dollars", match("usd: {above: 0x10}"), "rules[0].match.usd.above", 6, "10_000"),
    ("octal dollars", match("usd: {above: 010}"), "rules[0].match.usd.above", 6, "10_000"),
    ("sexagesimal dollars", match("usd: {above: 1:30}"), "rules[0].match.usd.above", 6, "10_000"),
    ("dollars with their name", match('usd: {above: "5 USD"}'), "rules[0].match.usd.above", 6, "10_000"),
    ("dollars as a bare number", match("usd: 10_000"), "rules[0].match.usd", 6, "a map"),
    ("crossed dollars", match('usd: {above: 5, at_most: "5.0"}'), "rules[0].match.usd", 6, "less than"),
    ("no bound of dollars", match("usd: {}"), "rules[0].match.usd", 6, "at_most"),
    ("a price nobody trusts permits", match("price: stale"), "rules[0].match.price", 6, "fresh"),
    ("one such among others", match("price: [fresh, missing]"), "rules[0].match.price[1]", 6, "fresh"),
    ("an unknown screening", match("screening: passed"), "rules[0].match.screening", 6, "clear, hit, review"),
    ("an unknown code", match("destination.code: token"), "rules[0].match.destination.code", 6, "contract, plain"),
    ("an unknown collateral", match("collateral: good"), "rules[0].match.collateral", 6, "met, none, short"),
    ("crossed ages", match("price.age: {above: 1h, at_most: 60m}"), "rules[0].match.price.age", 6, "less than"),
    ("a group nobody defined", match("requester.group: board"), "rules[0].match.requester.group", 6, "operators, risk"),
    ("clients nobody grouped", match("client.group: vip"), "rules[0].match.client.group", 6, "stands at the top"),
    ("a group twice", match("requester.group: [risk, risk]"), "rules[0].match.requester.group", 6, "once"),
    ("a time in no zone", match('time: {within: "Mon 09:00-10:00"}'), "rules[0].match.time", 6, "zone"),
    ("no time", match('time: {within: "9-5", zone: UTC}'), "rules[0].match.time.within", 6, "Mon-Fri 09:00-17:00"),
    ("a field this kind lacks", match("kind: freeze, usd: {above: 1}"), "rules[0].match.kind", 6, "withdrawal"),
    ("a screened respend", match("kind: respend, screening: clear"), "rules[0].match.kind", 6, "withdrawal"),
    (
        "a total of nothing",
        match("total: {per: client, window: 24h}"),
        "rules[0].match.total",
        6,
        "amount, count, usd",
    ),
    (
        "a total of two things",
        match("total: {per: client, window: 24h, count: {above: 1}, usd: {above: 1}}"),
        "rules[0].match.total",
        6,
        "one of",
    ),
    ("a total without a window", match("total: {per: client, count: {above: 1}}"), "rules[0].match.total", 6, "window"),
    (
        "a total per nothing known",
        match("total: {per: vault, window: 1h, count: {above: 1}}"),
        "rules[0].match.total.per",
        6,
        "everyone",
    ),
    (
        "a total like a limit",
        match("total: {per: client, window: 1h, count: 5}"),
        "rules[0].match.total.count",
        6,
        "a map",
    ),
    (
        "a total that crosses",
        match("total: [{per: client, window: 1h, count: {above: 5, at_most: 5}}]", "forbid"),
        "rules[0].match.total[0].count",
        6,
        "less than",
    ),
    (
        "one total twice",
        match(
            "total: [{per: client, window: 1h, count: {above: 5}}, {per: client, window: 60m, count: {above: 5}}]",
            "forbid",
        ),
        "rules[0].match.total",
        6,
        "once",
    ),
    (
        "a permit that more requests would open",
        match("total: {per: client, window: 1h, usd: {above: 1, at_most: 5}}"),
        "rules[0].match.total.usd.above",
        6,
        "at_most",
    ),
    (
        "a requirement that more requests would lift",
        match("total: {per: client, window: 1h, count: {at_most: 5}}", "require") + "\n    delay: 1h",
        "rules[0].match.total.count.at_most",
        6,
        "above",
    ),
    (
        "a total this kind cannot have",
        match("kind: policy_change, total: {per: client, window: 1h, count: {at_most: 1}}"),
        "rules[0].match.kind",
        6,
        "withdrawal",
    ),
    (
        "a total of dollars this kind lacks",
        match("kind: client_opening, total: {per: client, window: 1h, usd: {at_most: 1}}"),
        "rules[0].match.kind",
        6,
        "withdrawal",
    ),
    (
        "a limit of dollars this kind lacks",
        f"{match('kind: client_opening')}\n    limit: {{per: client, window: 1h, usd: 5}}",
        "rules[0].match.kind",
        6,
        "withdrawal",
    ),
    (
        "a limit of no dollars",
        f"{PERMIT}\n    limit: {{per: client, window: 1h, usd: 0}}",
        "rules[0].limit.usd",
        7,
        "10_000",
    ),
    (
        "a limit like a total",
        f"{PERMIT}\n    limit: {{per: client, window: 1h, usd: {{above: 1}}}}",
        "rules[0].limit.usd",
        7,
        "10_000",
    ),
    (
        "a role nobody holds",
        f"{match('kind: sweep', 'require')}\n    roles: [compliance]",
        "rules[0].roles[0]",
        7,
        "stands at the top",
    ),
    (
        "another screening than clear",
        f"{match('kind: sweep', 'require')}\n    screening: review",
        "rules[0].screening",
        7,
        "clear",
    ),
    (
        "books fresh within nothing",
        f"{match('kind: sweep', 'require')}\n    reconciled: now",
        "rules[0].reconciled",
        7,
        "24h",
    ),
    (
        "a screening that is permitted",
        f"{PERMIT}\n    screening: clear",
        "rules[0].screening",
        7,
        "limit, match, permit",
    ),
]


@pytest.mark.parametrize(
    ("rules", "field", "line", "accepted"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_refuses(rules: str, field: str, line: int, accepted: str) -> None:
    with pytest.raises(PolicyError) as caught:
        a_document(rules)
    assert (caught.value.field, caught.value.line) == (field, line)
    assert accepted in caught.value.accepted


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ("roles: {compliance: [dan, dan]}", "roles.compliance"),
        ("roles: {compliance: []}", "roles.compliance"),
        ("roles: [compliance]", "roles"),
        ("client_groups: {vip: acme}", "client_groups.vip"),
        ("clients: {vip: [acme]}", "clients"),
    ],
)
def test_refuses_names_that_are_not_sets(more: str, field: str) -> None:
    with pytest.raises(PolicyError) as caught:
        a_document(PERMIT, more=more)
    assert (caught.value.field, caught.value.line) == (field, 7)


def test_a_role_that_is_defined_lists_those_that_are_when_another_is_named() -> None:
    rules = f"{match('kind: sweep', 'require')}\n    roles: auditors"
    with pytest.raises(PolicyError) as caught:
        a_document(rules, more="roles: {compliance: [dan]}")
    assert caught.value.accepted == "compliance"


@pytest.mark.parametrize("word", ["stale", "disputed", "missing"])
def test_a_forbid_or_require_may_speak_of_prices_nobody_trusts(word: str) -> None:
    assert a_document(match(f"price: {word}", "forbid")).rules
    assert a_document(f"{match(f'price: {word}', 'require')}\n    approvals: {{risk: 1}}").rules


def test_who_is_in_a_group_is_part_of_the_hash() -> None:
    one, other = (document_text(PERMIT, more=f"client_groups: {{vip: [{who}]}}") for who in ("acme", "bolt"))
    assert load_document(one).hash != load_document(other).hash


def test_a_document_tells_whom_it_names() -> None:
    document = a_document(PERMIT, more="roles: {compliance: [dan]}\nclient_groups: {vip: [acme, bolt]}")
    assert document.roles == {"compliance": frozenset({"dan"})}
    assert document.client_groups == {"vip": frozenset({"acme", "bolt"})}
