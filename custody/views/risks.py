"""What a careful person looks at twice, as words, and how full each limit would be: for many intents at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy.orm import Session

from custody.approvals.queries import FiledIntent
from custody.views.lookalikes import BOTH_ENDS, LISTED, OURS, PAID, Twin, twins
from custody.withdrawals import queries as withdrawals
from policies.decision import Decision, UsageRead
from policies.document import Document
from policies.facts import Facts
from policies.rules.permit import Limit, Permit

UNUSUAL: Final = 3
"""A payment so many times the largest of late is called unusual."""

_OF_FACTS: Final[Mapping[tuple[str, str], str]] = {
    ("destination", "new"): "new destination",
    ("destination", "cooling"): "destination still in its cooling-off",
    ("destination_code", "contract"): "pays a contract",
    ("screening", "hit"): "screening found something",
    ("screening", "review"): "screening wants a person to look",
    ("price_state", "stale"): "price is old",
    ("price_state", "disputed"): "price sources disagree",
    ("vault_break", "open"): "the vault's books are in doubt",
    ("client_status", "frozen"): "client is frozen",
    ("client_status", "defaulted"): "client defaulted",
}


def cues(session: Session, filed: Sequence[FiledIntent]) -> dict[str, list[str]]:
    """Of each intent by digest: its cues, the gravest first. Two statements, however many there are.

    No other client is named: whoever may read the queue may read them.
    """
    paying = [(each, to) for each in filed if isinstance(to := getattr(each.intent.request, "destination", None), str)]
    similar = twins(session, places=[(each.client, to) for each, to in paying], orders=BOTH_ENDS)
    asked = {(each.client, each.intent.request.asset) for each, _ in paying if hasattr(each.intent.request, "asset")}
    largest = withdrawals.largest_paid(session, of=asked)
    return {each.digest: _cues(each, similar, largest) for each in filed}


def _cues(
    filed: FiledIntent,
    similar: Mapping[tuple[str, str], Sequence[Twin]],
    largest: Mapping[tuple[str, str], int],
) -> list[str]:
    request, facts = filed.intent.request, filed.decision.facts
    to = getattr(request, "destination", None)
    like = similar.get((filed.client, to or ""))
    found = [f"looks like {_whose(like[0])}, and is another address"] if like else []
    found += [words for (fact, value), words in _OF_FACTS.items() if facts.get(fact) == value]
    if facts.get("destination") == "own" and filed.intent.kind == "withdrawal":
        found.append("pays an address of our own")
    units, asset = getattr(request, "amount", None), getattr(request, "asset", None)
    before = largest.get((filed.client, asset or ""))
    if isinstance(units, int) and before is not None and units > UNUSUAL * before:
        found.append(f"{units // before} times the largest payment of late")
    elif to is not None and before is None and facts.get("destination") != "own":
        found.append("first payment of this asset")
    return found


def _whose(twin: Twin) -> str:
    named = {PAID: "an address the client has paid", OURS: "an address of our own"}
    return twin.label if twin.among == LISTED else named.get(twin.among, "one on another list")


def limits(decision: Decision, policy: Document) -> list[dict[str, Any]]:
    """How full each limit that was looked at would be with this request: used before, this, and the most, in percent.

    ``percent`` is None where a number is not known; nothing is shown of a rule that the policy has no more, or that
    speaks of another asset.
    """
    rules = {rule.title: rule.limit for rule in policy.rules if isinstance(rule, Permit) and rule.limit is not None}
    facts = Facts.from_json(decision.facts)
    found = []
    for read in decision.usage:
        limit = rules.get(read.rule)
        if limit is None or (limit.per, limit.window_seconds) != (read.per, read.window_seconds):
            continue
        shares = _shares(limit, read, facts)
        if shares:
            known = [share for share in shares if share is not None]
            percent = max(known) if len(known) == len(shares) else None
            found.append({"rule": read.rule, "words": limit.words, "percent": percent})
    return found


def _shares(limit: Limit, read: UsageRead, facts: Facts) -> list[int | None]:
    shares: list[int | None] = []
    if limit.amount is not None and facts.decimals is not None and facts.asset == limit.amount.asset:
        shares.append(_share(read.amount_units, facts.amount_units, limit.amount.floor_units(facts.decimals)))
    if limit.usd_micros is not None:
        shares.append(_share(read.usd_micros, facts.usd_micros, limit.usd_micros))
    if limit.count is not None:
        shares.append(_share(read.count, 1, limit.count))
    return shares


def _share(used: int | None, asked: int | None, most: int) -> int | None:
    return None if used is None or asked is None or most <= 0 else -(-(used + asked) * 100 // most)
