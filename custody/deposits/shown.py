"""A deposit as programs are shown it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from custody.deposits.model import Deposit
from custody.deposits.states import DepositState
from custody.kernel.clock import rfc3339
from custody.kernel.shown import asset_view, money, when
from custody.trust.assets import KnownAssets

_WAITS_FOR: Final[Mapping[DepositState, str]] = {
    DepositState.SEEN: "chain",
    DepositState.CONFIRMING: "chain",
    DepositState.ORPHANED: "chain",
    DepositState.QUARANTINED: "operators",
}
"""Who is awaited in each state; the others await nobody."""


def deposit_view(deposit: Deposit, assets: KnownAssets) -> dict[str, Any]:
    """One deposit: what arrived, where, and how far it has got. Raises ``AssetUnknown``."""
    asset = assets.of(deposit.asset)
    return {
        "id": deposit.id,
        "client": deposit.client,
        "vault": deposit.vault,
        "chain": deposit.chain,
        "txid": deposit.txid,
        "vout": deposit.position,
        "asset": asset_view(asset),
        "amount": money(deposit.units, asset),
        "status": deposit.state.value,
        "reason": deposit.reason,
        "next_actor": _WAITS_FOR.get(deposit.state, "nobody"),
        "expires_at": None,
        "required_confirmations": deposit.required_depth,
        "height": deposit.height,
        "occurred_at": when(deposit.mined_at),
        "recorded_at": rfc3339(deposit.first_seen_at),
        "first_seen_at": rfc3339(deposit.first_seen_at),
        "booked_at": when(deposit.booked_at),
    }
