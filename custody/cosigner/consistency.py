"""Is this at peace with what was signed before? At most one payment per intent, and the keyholder's own limits.

What holds an intent in its place is the claim it was signed with: a coin, or a turn of an account. Two spends that
share a claim can never both take place. So an intent signed with one claim is signed with that claim again or never,
and a claim serves one intent, with whatever gives that intent up.

A refusal holds for the spend and the intents it was asked for. Where a spend's bytes name no intent, a new intent may
ask for the same bytes again; it is judged anew, and the refused one stays refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from custody.cosigner.craft import Effect
from custody.cosigner.limits import Limits
from custody.cosigner.reasons import CosignerRefusal, Reason
from custody.cosigner.remembered import MemoryView, PaidIntent, SignedTransaction
from custody.evidence.trust_root import TrustRoot
from custody.evidence.words import amount_in_words
from custody.kernel.money import Asset

DAY: Final = timedelta(hours=24)


def check_consistency(
    effect: Effect,
    intents: Sequence[PaidIntent],
    *,
    root: TrustRoot,
    memory: MemoryView,
    limits: Limits,
    now: datetime,
) -> None:
    """Raise ``CosignerRefusal`` if signing this could pay an intent twice or differently, or passes our own limits."""
    if memory.refused_spend(effect.spend, [digest for intent in intents for digest in intent.digests]):
        raise CosignerRefusal(Reason.REFUSED_BEFORE, "this very transaction was refused here for this intent before")
    ours = frozenset(intent.matter for intent in intents)
    pays_nobody = any(intent.of is not None for intent in intents)
    for intent in intents:
        _check_request_once(intent, memory)
    for digest in ours:
        for earlier in memory.signed_for_intent(digest):
            _check_replaces(earlier, effect, ours, pays_nobody=pays_nobody)
    _check_claims(effect, ours, memory)
    _check_own_limits(intents, root, memory, limits, now)


def _check_request_once(intent: PaidIntent, memory: MemoryView) -> None:
    if memory.intent_of_request(intent.request_digest) not in (None, intent.digest):
        raise CosignerRefusal(Reason.REQUEST_SIGNED_ELSEWHERE, "the same request was paid under another intent")


def _check_replaces(earlier: SignedTransaction, effect: Effect, ours: frozenset[str], *, pays_nobody: bool) -> None:
    if earlier.claims.keys().isdisjoint(effect.claims):
        raise CosignerRefusal(
            Reason.NOT_A_REPLACEMENT, f"takes nothing that {earlier.spend}, signed before, takes: both could confirm"
        )
    if not (pays_nobody or earlier.pays_nobody) and earlier.matters != ours:
        raise CosignerRefusal(Reason.PAYS_DIFFERENTLY, f"{earlier.spend}, signed before, pays other intents with it")


def _check_claims(effect: Effect, ours: frozenset[str], memory: MemoryView) -> None:
    for claim, units in effect.claims.items():
        for earlier in memory.signed_with_claim(claim):
            if earlier.matters.isdisjoint(ours) or earlier.claims[claim] != units:
                raise CosignerRefusal(Reason.COIN_SIGNED_ELSEWHERE, f"{claim} is in {earlier.spend}")


def _check_own_limits(
    intents: Sequence[PaidIntent], root: TrustRoot, memory: MemoryView, limits: Limits, now: datetime
) -> None:
    recent = [intent for signed in memory.signed_since(now - DAY) for intent in signed.intents]
    for asset_id, units in _totals({intent.digest: intent for intent in intents}).items():
        asset = root.asset(asset_id)
        assert asset is not None
        per_tx, per_day = limits.per_tx(asset), limits.per_day(asset)
        if per_tx is not None and units > per_tx:
            raise _over(units, asset, "in one transaction", per_tx)
        if per_day is None:
            continue
        day = _totals({intent.digest: intent for intent in (*recent, *intents)})[asset_id]
        if day > per_day:
            raise _over(day, asset, "in a day", per_day)


def _totals(intents: Mapping[str, PaidIntent]) -> Counter[str]:
    """What each asset's intents pay together, each intent counted once however often it was signed."""
    found: Counter[str] = Counter()
    for intent in intents.values():
        found[intent.asset] += intent.units
    return found


def _over(units: int, asset: Asset, when: str, most: int) -> CosignerRefusal:
    said = f"{amount_in_words(units, asset)} {when}, the own limit is {amount_in_words(most, asset)}"
    return CosignerRefusal(Reason.OVER_OWN_LIMIT, said)
