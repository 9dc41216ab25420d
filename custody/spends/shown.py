"""An attempt as programs are shown it: what is in its row."""

from __future__ import annotations

from typing import Any

from custody.kernel.money import Asset
from custody.kernel.shown import money, when
from custody.spends.model import Attempt


def attempt_view(attempt: Attempt, own: Asset) -> dict[str, Any]:
    """One transaction of a withdrawal; any two of them share a claim. ``fee`` is paid out of the vault, in ``own``."""
    return {
        "id": attempt.id,
        "sequence": attempt.sequence,
        "state": attempt.state,
        "txid": attempt.spend,
        "fee": money(attempt.fee_units, own),
        "vsize": attempt.weight,
        "sent_at": when(attempt.sent_at),
        "confirmed_height": attempt.confirmed_height,
    }
