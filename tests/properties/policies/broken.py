"""Shipped documents with a hole in each: one small edit, such as a reviewer may miss, and the claim that it breaks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

POLICIES = Path(__file__).parents[3] / "policies"


def shipped(folder: str, name: str) -> str:
    return (POLICIES / folder / f"{name}.yaml").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Broken:
    """``edits`` turn a shipped document's text into one with a hole; each piece of text stands there exactly once."""

    hole: str
    document: str
    edits: tuple[tuple[str, str], ...]
    claim: str
    """Title of a claim that no longer holds."""
    kind: str
    """A kind of request of which more leaves than before."""

    def original(self) -> str:
        return shipped("documents", self.document)

    def text(self) -> str:
        text = self.original()
        for old, new in self.edits:
            assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times"
            text = text.replace(old, new)
        return text


EXCHANGE, COLD, VENUE, DEMO = "exchange-standard", "cold-treasury", "collateral-venue", "demo"
FIRST_HOURS = (
    "asset: BTC\n      destination: listed\n      client.status: active\n      requester.group: treasury\n      time: {"
)

BROKEN = (
    Broken(
        "one operator instead of two above a quarter bitcoin",
        EXCHANGE,
        (
            (
                'amount: {above: "0.25 BTC"}}\n    approvals: {operators: 2}',
                'amount: {above: "0.25 BTC"}}\n    delay: 1h',
            ),
        ),
        "no more than a quarter bitcoin with fewer than two people, whatever its price",
        "withdrawal",
    ),
    Broken(
        "a digit too many in the dollars that take two people",
        EXCHANGE,
        (("match: {kind: withdrawal, usd: {above: 10_000}}", "match: {kind: withdrawal, usd: {above: 100_000}}"),),
        "no withdrawal above ten thousand dollars with fewer than two people",
        "withdrawal",
    ),
    Broken(
        "people only where the price is fresh, so that no price at all takes nobody",
        EXCHANGE,
        (
            (
                "an operator and risk give collateral back\n    match: {kind: pledge_release}",
                "an operator and risk give collateral back\n    match: {kind: pledge_release, price: fresh}",
            ),
        ),
        "an unknown price never helps",
        "pledge_release",
    ),
    Broken(
        "clients in default forgotten among those whose money stays",
        EXCHANGE,
        (
            ("client.status: [frozen, defaulted, closed]", "client.status: [frozen, closed]"),
            (
                "match: {kind: [pledge, pledge_release], client.status: active}",
                "match: {kind: [pledge, pledge_release], client.status: [active, defaulted]}",
            ),
        ),
        "a frozen client's money never leaves",
        "pledge_release",
    ),
    Broken(
        "an open break stops withdrawals, but no longer what is given back",
        EXCHANGE,
        (
            (
                "match: {kind: [withdrawal, pledge, pledge_release, pledge_claim], vault.break: open}",
                "match: {kind: [withdrawal, pledge, pledge_claim], vault.break: open}",
            ),
        ),
        "nothing leaves a vault with an open break",
        "pledge_release",
    ),
    Broken(
        "group changes left out of what takes several people",
        EXCHANGE,
        (
            (
                "who may change the rules\n    match: {kind: [policy_change, operator_change, group_change,",
                "who may change the rules\n    match: {kind: [policy_change, operator_change,",
            ),
        ),
        "nobody alone changes who approves, and never at once",
        "group_change",
    ),
    Broken(
        "the rules change at once",
        EXCHANGE,
        (("    approvals: {operators: 2, risk: 1}\n    delay: 12h", "    approvals: {operators: 2, risk: 1}"),),
        "nobody alone changes who approves, and never at once",
        "policy_change",
    ),
    Broken(
        "a wide permit beside the narrow ones",
        EXCHANGE,
        (
            (
                "  - permit: new clients\n",
                "  - permit: our own desk\n    match: {kind: withdrawal, client: desk}\n  - permit: new clients\n",
            ),
        ),
        "no withdrawal of more than fifty bitcoin",
        "withdrawal",
    ),
    Broken(
        "a listed destination that still cools off counts as listed",
        EXCHANGE,
        (
            (
                "match: {kind: withdrawal, asset: BTC, destination: listed, client.status: active}",
                "match: {kind: withdrawal, asset: BTC, destination: [listed, cooling], client.status: active}",
            ),
        ),
        "nothing goes to a destination that still cools off",
        "withdrawal",
    ),
    Broken(
        "night begins in New York",
        EXCHANGE,
        (("zone: Europe/Berlin}", "zone: America/New_York}"),),
        "risk at night and at weekends",
        "withdrawal",
    ),
    Broken(
        "a total where the single amount stood",
        EXCHANGE,
        (
            (
                'match: {kind: withdrawal, amount: {above: "5 BTC"}}',
                'match: {kind: withdrawal, total: {per: client, window: 24h, amount: {above: "5.00000001 BTC"}}}',
            ),
        ),
        "risk and a day above five bitcoin",
        "withdrawal",
    ),
    Broken(
        "an hour where a day stood",
        EXCHANGE,
        (
            (
                'limit: {per: client, window: 24h, amount: "50 BTC", usd: 2_000_000}',
                'limit: {per: client, window: 1h, amount: "50 BTC", usd: 2_000_000}',
            ),
        ),
        "no client gets more than fifty bitcoin a day to listed destinations",
        "withdrawal",
    ),
    Broken(
        "three a day to each new destination, not to all of them",
        EXCHANGE,
        (
            (
                'limit: {per: client, window: 24h, amount: "0.06 BTC", count: 3}',
                'limit: {per: destination, window: 24h, amount: "0.06 BTC", count: 3}',
            ),
        ),
        "no client gets more than three little payments of bitcoin a day to new destinations",
        "withdrawal",
    ),
    Broken(
        "nobody asks the auditors",
        COLD,
        (("approvals: {treasury: 2, directors: 1, auditors: 1}", "approvals: {treasury: 2, directors: 1}"),),
        "four people and two days for anything",
        "withdrawal",
    ),
    Broken(
        "office hours that cross midnight",
        COLD,
        (
            (
                FIRST_HOURS + 'within: ["Mon-Fri 09:00-17:00"]',
                FIRST_HOURS + 'outside: ["Mon-Fri 17:00-24:00"]',
            ),
        ),
        "nothing leaves outside office hours",
        "withdrawal",
    ),
    Broken(
        "the wait above a million in hours that were meant as days",
        COLD,
        (
            (
                "usd: {above: 1_000_000}}\n    approvals: {directors: 2}\n    delay: 96h",
                "usd: {above: 1_000_000}}\n    approvals: {directors: 2}\n    delay: 4h",
            ),
        ),
        "both directors and four days above a million dollars",
        "withdrawal",
    ),
    Broken(
        "collateral given back without the venue",
        VENUE,
        (("    approvals: {venue: 1, risk: 1}\n    reconciled: 1h", "    approvals: {risk: 1}\n    reconciled: 1h"),),
        "the venue and risk to give collateral back",
        "pledge_release",
    ),
    Broken(
        "an old price forbids no release",
        VENUE,
        (
            (
                "match: {kind: [withdrawal, pledge_release, pledge_claim], price.age: {above: 10m}}",
                "match: {kind: [withdrawal, pledge_claim], price.age: {above: 10m}}",
            ),
        ),
        "nothing that lets value out at an old price",
        "pledge_release",
    ),
    Broken(
        "a third director, whom nobody claimed",
        COLD,
        (("  directors: [dora, dirk]", "  directors: [dora, dirk, tara]"),),
        "both directors and an auditor change the rules, after three days",
        "policy_change",
    ),
    Broken(
        "the twentieth of a bitcoin written as half a bitcoin",
        DEMO,
        (('amount: {above: "0.05 BTC"}', 'amount: {above: "0.5 BTC"}'),),
        "no more than a twentieth of a bitcoin with fewer than two people",
        "withdrawal",
    ),
)
