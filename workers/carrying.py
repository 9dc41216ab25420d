"""Handing a signed spend over: to the node itself, or to whoever carries it out and pays for that."""

from __future__ import annotations

from custody.bootstrap import Carrier, Runtime, ServedChain
from custody.chains.port import BroadcastOutcome
from custody.kernel.errors import Unavailable
from custody.relaying import effect
from custody.withdrawals.model import Withdrawal


class NoPayer(Unavailable):
    """Spends of this chain are carried by a payer whose key is not in this process's settings."""

    code = "no-payer"


def hand_over(
    runtime: Runtime, here: ServedChain, *, spend: str, final: bytes, withdrawal: Withdrawal
) -> BroadcastOutcome:
    """What is known after sending. Raises ``NoPayer``, and ``CannotCarryYet`` where it waits to be carried."""
    if not here.is_carried:
        return here.node.broadcast(final)
    carrier = _carrier(here)
    return effect.send(
        runtime.database,
        carrier.node,
        chain=here.chain,
        payer_key=carrier.key,
        rules=carrier.rules,
        terms=here.spend_rules.terms,
        spend=spend,
        final=final,
        client=withdrawal.client,
        ceiling_units=withdrawal.max_fee_units,
    )


def follow(runtime: Runtime, here: ServedChain) -> None:
    """Bring on whatever is being carried. Raises ``NoPayer``, and as ``relaying.effect.follow`` does."""
    if not here.is_carried:
        return
    carrier = _carrier(here)
    effect.follow(
        runtime.database,
        carrier.node,
        chain=here.chain,
        payer_key=carrier.key,
        rules=carrier.rules,
        terms=here.spend_rules.terms,
    )


def _carrier(here: ServedChain) -> Carrier:
    if here.carrier is None:
        raise NoPayer("the payer's key is not in the settings", chain=here.chain)
    return here.carrier
