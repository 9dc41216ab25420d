"""Handing a signed spend over: to the node itself, or to whoever carries it out and pays for that."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from sqlalchemy.orm import Session

from custody.bootstrap import Carrier, Runtime, ServedChain
from custody.chains.port import BroadcastOutcome
from custody.kernel.errors import Unavailable
from custody.relaying import effect
from custody.restore.queries import current
from custody.returns import operations as returns
from custody.withdrawals import operations as withdrawals
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
        wanted=partial(wanted, here.chain),
        spend=spend,
        final=final,
        client=withdrawal.client,
        ceiling_units=withdrawal.max_fee_units,
    )


def follow(runtime: Runtime, here: ServedChain) -> None:
    """Bring on whatever is being carried; while a restoration is under way, its books alone.

    Raises ``NoPayer``, and as ``relaying.effect.follow`` does.
    """
    if not here.is_carried:
        return
    carrier = _carrier(here)
    with runtime.database.unit() as unit:
        is_restoring = current(unit.session) is not None
    effect.follow(
        runtime.database,
        carrier.node,
        chain=here.chain,
        payer_key=carrier.key,
        rules=carrier.rules,
        terms=here.spend_rules.terms,
        wanted=partial(wanted, here.chain),
        is_sending=not is_restoring,
    )


def wanted(chain: str, session: Session, spends: Sequence[str]) -> frozenset[str]:
    """Those of these spends that whoever asked for them still wants carried."""
    paying = withdrawals.wanted(session, chain=chain, spends=spends)
    return paying | returns.wanted(session, chain=chain, spends=spends)


def _carrier(here: ServedChain) -> Carrier:
    if here.carrier is None:
        raise NoPayer("the payer's key is not in the settings", chain=here.chain)
    return here.carrier
