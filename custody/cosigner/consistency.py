"""Is this at peace with what was signed before? At most one payment per intent, and the keyholder's own limits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from custody.cosigner.effect import Effect
from custody.cosigner.limits import Limits
from custody.cosigner.reasons import CosignerRefusal, Reason
from custody.cosigner.remembered import MemoryView, PaidIntent, SignedTransaction

DAY: Final = timedelta(hours=24)


def check_consistency(
    effect: Effect, intents: Sequence[PaidIntent], *, memory: MemoryView, limits: Limits, now: datetime
) -> None:
    """Raise ``CosignerRefusal`` if signing this could pay an intent twice or differently, or passes our own limits."""
    if memory.refused_transaction(effect.psbt.txid):
        raise CosignerRefusal(Reason.REFUSED_BEFORE, "this very transaction was refused here before")
    ours = frozenset(intent.digest for intent in intents)
    for intent in intents:
        _check_request_once(intent, memory)
        for earlier in memory.signed_for_intent(intent.digest):
            _check_replaces(earlier, effect, ours)
    _check_coins(effect, ours, memory)
    _check_own_limits(effect, intents, memory, limits, now)


def _check_request_once(intent: PaidIntent, memory: MemoryView) -> None:
    if memory.intent_of_request(intent.request_digest) not in (None, intent.digest):
        raise CosignerRefusal(Reason.REQUEST_SIGNED_ELSEWHERE, "the same request was paid under another intent")


def _check_replaces(earlier: SignedTransaction, effect: Effect, ours: frozenset[str]) -> None:
    if earlier.inputs.keys().isdisjoint(entry.outpoint for entry in effect.inputs):
        raise CosignerRefusal(
            Reason.NOT_A_REPLACEMENT, f"shares no coin with {earlier.txid}, signed before: both could confirm"
        )
    if earlier.intent_digests != ours:
        raise CosignerRefusal(Reason.PAYS_DIFFERENTLY, f"{earlier.txid}, signed before, pays other intents with it")


def _check_coins(effect: Effect, ours: frozenset[str], memory: MemoryView) -> None:
    for entry in effect.inputs:
        for earlier in memory.signed_with_coin(entry.outpoint):
            if earlier.intent_digests.isdisjoint(ours) or earlier.inputs[entry.outpoint] != entry.amount_sat:
                raise CosignerRefusal(
                    Reason.COIN_SIGNED_ELSEWHERE, f"coin {entry.outpoint[0]}:{entry.outpoint[1]} is in {earlier.txid}"
                )


def _check_own_limits(
    effect: Effect, intents: Sequence[PaidIntent], memory: MemoryView, limits: Limits, now: datetime
) -> None:
    if limits.per_tx_sat is not None and effect.paid_sat > limits.per_tx_sat:
        raise CosignerRefusal(
            Reason.OVER_OWN_LIMIT, f"pays {effect.paid_sat} sat, the own limit per transaction is {limits.per_tx_sat}"
        )
    if limits.per_day_sat is None:
        return
    recent = memory.signed_since(now - DAY)
    amounts = {intent.digest: intent.amount_sat for signed in recent for intent in signed.intents}
    amounts |= {intent.digest: intent.amount_sat for intent in intents}
    if sum(amounts.values()) > limits.per_day_sat:
        raise CosignerRefusal(
            Reason.OVER_OWN_LIMIT, f"{sum(amounts.values())} sat in a day, the own limit is {limits.per_day_sat}"
        )
