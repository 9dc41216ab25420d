"""How long it takes to prove each shipped claim, and to compare two documents of fifty rules over all requests.

Equal verdicts first: what is proved holds of a sample the engine decides, and every request that is found is one the
engine confirms (an answer it does not confirm is an error). Nothing else proves custody policies, so there is no peer
beside it; the goal is seconds.

    .venv/bin/python -m benchmarks.policy_prove [--quick]
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from policies.analysis.difference import Relation, differences
from policies.analysis.invariants import read_invariants
from policies.analysis.prove import prove
from policies.document import Document, load_document

POLICIES = Path(__file__).parents[1] / "policies"
RULES = 50
MOVED = 46
"""The rule, a permit, whose limit is moved alone."""
GOAL_MILLISECONDS = 10_000
ASSETS = ("BTC", "ETH", "USDC", "EURC", "SOL")
WINDOWS = ("1h", "24h", "7d")


def main() -> int:
    """Print a line for each claim and each pair of documents; 1 where one takes longer than the goal or is wrong."""
    names = sorted(path.stem for path in (POLICIES / "documents").glob("*.yaml"))
    missed = [name for name in (names[:1] if "--quick" in sys.argv else names) if not _prove(name)]
    return 0 if _compare() and not missed else 1


def _prove(name: str) -> bool:
    document = load_document((POLICIES / "documents" / f"{name}.yaml").read_text())
    claims = read_invariants((POLICIES / "invariants" / f"{name}.yaml").read_text(), document)
    began = time.perf_counter_ns()
    proofs = prove(document, claims)
    took = (time.perf_counter_ns() - began) // 1_000_000
    for proof in proofs:
        print(f"{proof.seconds:>8} s  {name}: {proof.claim.title}{'' if proof.holds else ' BROKEN'}")
    print(f"{took:>6} ms  {name}: all {len(proofs)} claims, {len(document.rules)} rules")
    return all(proof.holds for proof in proofs) and took <= GOAL_MILLISECONDS


def _compare() -> bool:
    """The same, one number changed, and everything changed."""
    first = _document(0)
    pairs = {
        "the same rules in other words": (_document(0, words="again"), {Relation.EQUIVALENT}),
        "one bound moved": (_document(0, moved=1), {Relation.EQUIVALENT, Relation.MORE}),
        "every bound moved": (_document(1), {Relation.EQUIVALENT, Relation.MORE, Relation.LESS, Relation.INCOMPARABLE}),
    }
    is_good = True
    for title, (second, expected) in pairs.items():
        began = time.perf_counter_ns()
        found = {one.relation for one in differences(first, second)}
        took = (time.perf_counter_ns() - began) // 1_000_000
        told = ", ".join(sorted(relation.value for relation in found))
        print(f"{took:>6} ms  two documents of {len(first.rules)} rules, {title}: {told}")
        is_good = is_good and found <= expected and took <= GOAL_MILLISECONDS
    return is_good


def _document(shift: int, *, words: str = "rule", moved: int = 0) -> Document:
    """Fifty rules about withdrawals, most with three conditions or more, in five assets."""
    rules = [_rule(number, shift + (moved if number == MOVED else 0), words) for number in range(RULES - 1)]
    change = "  - permit: changes\n    match: {kind: policy_change}\n"
    groups = "groups: {operators: [a, b, c, d], risk: [e, f], board: [g, h]}\n"
    return load_document(f"policy: fifty\nversion: 1\n{groups}rules:\n{change}{''.join(rules)}")


def _rule(number: int, shift: int, words: str) -> str:
    asset, bound = ASSETS[number % 5], 10 * (number + 1) + shift
    head, where = f"{words} {number}", "destination: listed, client.status: active"
    if number % 5 == 4:
        match = f'{{kind: withdrawal, vault.break: open, amount: {{above: "{bound} {asset}"}}}}'
        return f"  - forbid: {head}\n    match: {match}\n"
    if number % 2 == 0:
        limit = (
            f'limit: {{per: client, window: {WINDOWS[number % 3]}, amount: "{bound * 10} {asset}", usd: {bound}000}}'
        )
        return f"  - permit: {head}\n    match: {{kind: withdrawal, asset: {asset}, {where}}}\n    {limit}\n"
    needs = ("{operators: 2}", "{operators: 2, risk: 1}", "{operators: 1, risk: 1, board: 1}")[number % 3]
    what = (
        f'amount: {{above: "{bound} {asset}"}}',
        f"usd: {{above: {bound}000}}",
        f"total: {{per: client, window: 24h, usd: {{above: {bound}000}}}}",
    )[number % 3]
    return (
        f"  - require: {head}\n    match: {{kind: withdrawal, {what}}}\n    approvals: {needs}\n    delay: {number}h\n"
    )


if __name__ == "__main__":
    sys.exit(main())
