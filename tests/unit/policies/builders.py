"""Short ways to say a document, a request and what came before it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from policies.decision import Decision
from policies.document import Document, load_document
from policies.engine import evaluate
from policies.facts import Facts
from policies.windows import PastRequest, measure

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
BTC = 100_000_000
USD = 1_000_000
GROUPS = "{operators: [alice, bob, carol], risk: [carol, dan]}"
CHAIN = "bip122:0f9188f13cb7b2c71f2a335e3a4fc328"


def a_document(rules: str, groups: str = GROUPS, more: str = "") -> Document:
    return load_document(document_text(rules, groups, more))


def document_text(rules: str, groups: str = GROUPS, more: str = "") -> str:
    """``more`` stands after the rules, where it moves no line."""
    return f"policy: test\nversion: 1\ngroups: {groups}\nrules:\n{rules}\n{more}"


def a_withdrawal(**changes: Any) -> Facts:
    values: dict[str, Any] = {
        "kind": "withdrawal",
        "requester": "exchange",
        "now": NOW,
        "client": "acme",
        "client_status": "active",
        "segregation": "segregated",
        "asset": "BTC",
        "decimals": 8,
        "chain": CHAIN,
        "destination": "listed",
        "destination_text": "bcrt1qone",
        "amount_units": BTC,
        "usd_micros": 1_000 * USD,
        "price_state": "fresh",
        "price_age_seconds": 60,
        "screening": "clear",
        "collateral": "none",
        "destination_code": "plain",
        "vault_break": "none",
        "books_age_seconds": 60,
    }
    return Facts(**{**values, **changes})


def past(*, at: datetime | None = None, ago_seconds: int = 60, released: bool = False, **changes: Any) -> PastRequest:
    moment = at or NOW - timedelta(seconds=ago_seconds)
    return PastRequest(a_withdrawal(now=moment, **changes), moment, released)


def decide(document: Document, facts: Facts, *before: PastRequest) -> Decision:
    return evaluate(document, facts, measure(document, facts, before))
