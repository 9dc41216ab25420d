"""Deciding a request: ``python -m benchmarks.policy [--quick]``.

A document of 50 rules with 7 conditions each, of all three kinds, and random requests at and around their bounds: ours
beside cedarpy (policies and entities parsed before) and one CEL program that answers for every rule
(common-expression-language), interleaved in one run after all gave the same verdicts: outcome, people, delay, and
beside CEL each rule that applied. Each is given its request as it takes it, made before: ours ``Facts``, the peers a
map. What turns a peer's answer into a verdict is not timed. Time is the processor's: all three work on one core and
wait for nothing.

Ours is a decision that holds how every rule stood and all that its trace is written from. Writing it, every rule with
its words and what would have changed the answer, is timed apart, and so is loading a document.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Any

import cedarpy
import cel

from policies.decision import Decision
from policies.document import Document, load_document
from policies.engine import evaluate
from policies.facts import Facts, Usage, UsageTotals

ASSETS, TIERS, PLACES = ("BTC", "ETH", "USDC"), ("vip", "fund", "desk", "retail", "house"), ("listed", "new", "own")
STATUSES = ("active", "frozen")
UNIT = 10**8
"""Base units in one of any of the assets, so that every peer's integers hold them."""
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
AIM_US = 5
GOALS = {"cedarpy": 50, "CEL": 5}
Verdict = tuple[str, tuple[tuple[str, int], ...], int]


@dataclass(frozen=True)
class Rule:
    """One rule of the document, for whoever has to be told: tier, asset, above, at most, place, status, and a seventh.

    The seventh of a permit is its limit of the day, of the others how old the books are.
    """

    number: int

    @property
    def kind(self) -> str:
        """Of two rules about the same, the second may be a require or a forbid."""
        return {3: "require", 7: "require", 9: "forbid"}.get(self.number % 10, "permit")

    @property
    def pair(self) -> int:
        return self.number // 2

    @property
    def asset(self) -> str:
        return ASSETS[self.pair % 3]

    @property
    def tier(self) -> str:
        return TIERS[self.pair % 5]

    @property
    def place(self) -> str:
        return PLACES[self.pair // 5 % 3]

    @property
    def above(self) -> int:
        return 1 + self.pair * 10 + self.number % 2 * 60

    @property
    def at_most(self) -> int:
        return self.above + 150

    @property
    def cap(self) -> int:
        return 400 + self.number

    @property
    def operators(self) -> int:
        return 1 + self.number % 3

    @property
    def hours(self) -> int:
        return 1 + self.number % 24

    def written(self) -> str:
        """As our document says it."""
        amount = f'amount: {{above: "{self.above} {self.asset}", at_most: "{self.at_most} {self.asset}"}}'
        last = amount if self.kind == "permit" else f"{amount}, books.age: {{at_most: 1h}}"
        lines = [
            f"  - {self.kind}: r{self.number}",
            f"    match: {{client.group: {self.tier}, destination: {self.place}, client.status: active, {last}}}",
        ]
        if self.kind == "permit":
            lines.append(f'    limit: {{per: client, window: 24h, amount: "{self.cap} {self.asset}"}}')
        if self.kind == "require":
            lines += [f"    approvals: {{operators: {self.operators}}}", f"    delay: {self.hours}h"]
        return "\n".join(lines)

    def expression(self, prefix: str = "") -> str:
        """As both peers say it: the same seven conditions."""
        limited = f"{prefix}used + {prefix}amount <= {self.cap * UNIT}"
        conditions = [
            f'{prefix}tier == "{self.tier}"',
            f'{prefix}asset == "{self.asset}"',
            f"{prefix}amount > {self.above * UNIT}",
            f"{prefix}amount <= {self.at_most * UNIT}",
            f'{prefix}place == "{self.place}"',
            f'{prefix}status == "active"',
            limited if self.kind == "permit" else f"{prefix}age <= 3600",
        ]
        return " && ".join(conditions)


RULES = [Rule(number) for number in range(50)]


@dataclass(frozen=True)
class Request:
    """One request, as each of the three takes it."""

    facts: Facts
    usage: Usage
    context: dict[str, Any]
    cedar: dict[str, Any]


def main() -> int:
    """Compare, then time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds of fewer requests")
    quick = parser.parse_args().quick
    random = Random(50)
    requests = [a_request(random) for _ in range(200 if quick else 1_000)]
    document = load_document(document_text())
    ways = ways_of(document)
    agree(document, ways, requests)
    rounds = 3 if quick else 9
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds):
        for name in list(ways) if number % 2 == 0 else reversed(list(ways)):
            spent[name].append(timed(ways[name], requests))
    met = report(spent)
    alone(document, requests[:100])
    return 0 if met else 1


def document_text() -> str:
    """Ours, with a group of clients for each tier."""
    tiers = ", ".join(f"{tier}: [{tier}_1, {tier}_2]" for tier in TIERS)
    rules = "\n".join(rule.written() for rule in RULES)
    return (
        "policy: benchmark\nversion: 1\ngroups: {operators: [alice, bob, carol]}\n"
        f"client_groups: {{{tiers}}}\nrules:\n{rules}\n"
    )


def a_request(random: Random) -> Request:
    """A withdrawal made for some rule, a few of whose facts are then drawn anew; the amount at or near a bound."""
    rule = random.choice(RULES)
    tier, asset, place = rule.tier, rule.asset, rule.place
    if random.random() < 0.3:
        tier, asset, place = random.choice(TIERS), random.choice(ASSETS), random.choice(PLACES)
    amount = random.choice([rule.above, rule.at_most, rule.above + 70]) * UNIT + random.choice([-1, 0, 1])
    used, age = random.choice([0, 100, rule.cap]) * UNIT, random.choice([60, 3600, 3601])
    status = random.choice([*["active"] * 9, "frozen"])
    facts = Facts(
        kind="withdrawal", requester="exchange", now=NOW, client=f"{tier}_{random.randint(1, 2)}",
        client_status=status, segregation="segregated", asset=asset, decimals=8, chain="one", destination=place,
        destination_code="plain", destination_text="there", amount_units=amount, usd_micros=10**9,
        usd_micros_asked=10**9, price_state="fresh", price_age_seconds=5, screening="clear", collateral="none",
        vault_break="none", books_age_seconds=age,
    )  # fmt: skip
    totals = UsageTotals(used, 3, 0)
    context: dict[str, Any] = {"tier": tier, "asset": asset, "place": place, "status": status}
    context |= {"amount": amount, "used": used, "age": age}
    cedar = {
        "principal": 'User::"exchange"',
        "action": 'Action::"withdraw"',
        "resource": 'Vault::"one"',
        "context": context,
    }
    return Request(facts, lambda _rule, _per, _seconds: totals, context, cedar)


def ways_of(document: Document) -> dict[str, Callable[[Request], Any]]:
    """How each decides one request."""
    policies = cedarpy.PolicySet.from_str("\n".join(cedar_policy(rule) for rule in RULES))
    entities = cedarpy.Entities.from_json_str("[]")
    program = cel.compile(f"[{', '.join(f'({rule.expression()})' for rule in RULES)}]")
    return {
        "ours": lambda request: evaluate(document, request.facts, request.usage),
        "cedarpy": lambda request: cedarpy.is_authorized(request.cedar, policies, entities),
        "CEL": lambda request: program.execute(request.context),
    }


def cedar_policy(rule: Rule) -> str:
    """A require is written as a permit: Cedar has no third kind, and names every policy that was satisfied."""
    effect = "forbid" if rule.kind == "forbid" else "permit"
    return (
        f'@id("{rule.number}") {effect}(principal, action == Action::"withdraw", resource) '
        f"when {{ {rule.expression('context.')} }};"
    )


def agree(document: Document, ways: dict[str, Callable[[Request], Any]], requests: Sequence[Request]) -> None:
    """Raise unless all three answer every request alike."""
    outcomes: Counter[str] = Counter()
    for request in requests:
        decision = ways["ours"](request)
        ours = verdict_of_ours(decision)
        satisfied = ways["cedarpy"](request).diagnostics.reasons
        numbers = [int(str(reason).removeprefix("policy")) for reason in satisfied]
        said = [number for number, holds in enumerate(ways["CEL"](request)) if holds]
        if not ours == verdict_of_numbers(numbers) == verdict_of_numbers(said):
            raise RuntimeError(f"other verdicts: {ours}, {verdict_of_numbers(numbers)}, {verdict_of_numbers(said)}")
        if {rule.title for rule in decision.rules} != {f"r{number}" for number in said}:
            raise RuntimeError(f"other rules: {decision.rules}, {said}")
        outcomes[ours[0]] += 1
    told = ", ".join(f"{outcome} {count}" for outcome, count in sorted(outcomes.items()))
    print(f"the same verdicts on {len(requests)} requests to {len(document.rules)} rules: {told}")


def verdict_of_ours(decision: Decision) -> Verdict:
    asked = decision.obligations
    return decision.outcome.value, tuple(asked.approvals.items()), asked.delay_seconds


def verdict_of_numbers(numbers: Sequence[int]) -> Verdict:
    """What follows from the rules that hold."""
    rules = [RULES[number] for number in numbers]
    kinds = {rule.kind for rule in rules}
    if "forbid" in kinds or "permit" not in kinds:
        return "deny", (), 0
    requires = [rule for rule in rules if rule.kind == "require"]
    if not requires:
        return "allow", (), 0
    operators = max(rule.operators for rule in requires)
    return "require", (("operators", operators),), max(rule.hours for rule in requires) * 3600


def timed(way: Callable[[Request], Any], requests: Sequence[Request]) -> float:
    """Microseconds of processor time a decision, after a round that makes room for it in the processor's caches."""
    for request in requests:
        way(request)
    began = time.process_time()
    for request in requests:
        way(request)
    return (time.process_time() - began) * 1e6 / len(requests)


def report(spent: dict[str, list[float]]) -> bool:
    """Times, then the ratio of each round with its spread; whether the goals were met."""
    for name, found in spent.items():
        print(f"  {name:10} {statistics.median(found):8.2f} us a decision ({min(found):.2f} - {max(found):.2f})")
    print(f"  aim: {AIM_US} us, with how every rule stood and all its trace is written from")
    met = True
    for name, least in GOALS.items():
        ratios = [theirs / mine for theirs, mine in zip(spent[name], spent["ours"], strict=True)]
        enough = statistics.median(ratios) >= least
        print(
            f"  ours is {statistics.median(ratios):.1f} x as fast as {name} ({min(ratios):.1f} - {max(ratios):.1f}), "
            f"goal >={least}: {'met' if enough else 'MISSED'}"
        )
        met = met and enough
    return met


def alone(document: Document, requests: Sequence[Request]) -> None:
    """What has no peer: a decision written out as it is stored, and a document's load and first decision."""

    def stored(request: Request) -> object:
        return evaluate(document, request.facts, request.usage).to_json()

    print(f"  with its trace written, every rule and what would change it in words: {timed(stored, requests):.0f} us")
    began = time.process_time()
    fresh = load_document(document_text())
    loaded = time.process_time()
    evaluate(fresh, requests[0].facts, requests[0].usage)
    first = time.process_time()
    print(
        f"  loading the document: {(loaded - began) * 1e3:.1f} ms; its first decision: {(first - loaded) * 1e3:.2f} ms"
    )


if __name__ == "__main__":
    sys.exit(main())
