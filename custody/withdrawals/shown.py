"""A withdrawal as programs are shown it: what is in its row."""

from __future__ import annotations

from typing import Any

from custody.evidence.words import digest_code
from custody.kernel.clock import rfc3339
from custody.kernel.shown import account_id, asset_view, money
from custody.trust.assets import KnownAssets
from custody.withdrawals.model import NEXT_ACTOR, Withdrawal


def withdrawal_view(withdrawal: Withdrawal, assets: KnownAssets) -> dict[str, Any]:
    """What, whose, where it stands: everything that is in its row. Fees are in the chain's own asset.

    Raises ``AssetUnknown``.
    """
    asset, own, fee = assets.of(withdrawal.asset), assets.native(withdrawal.chain), withdrawal.fee_units
    return {
        "id": withdrawal.id,
        "kind": withdrawal.kind,
        "client": withdrawal.client,
        "reference": withdrawal.reference,
        "vault": withdrawal.vault,
        "chain": withdrawal.chain,
        "asset": asset_view(asset),
        "amount": money(withdrawal.units, asset),
        "destination": withdrawal.destination,
        "destination_account": account_id(withdrawal.chain, withdrawal.destination),
        "max_fee": money(withdrawal.max_fee_units, own),
        "fee": None if fee is None else money(fee, own),
        "fee_asset": own.code,
        "status": withdrawal.state.value,
        "next_actor": NEXT_ACTOR.get(withdrawal.state, "nobody"),
        "waiting_for": withdrawal.waiting_for,
        "intent_digest": withdrawal.digest,
        "digest_code": digest_code(withdrawal.digest),
        "txid": withdrawal.txid,
        "requested_at": rfc3339(withdrawal.requested_at),
        "status_since": rfc3339(withdrawal.state_since),
    }
