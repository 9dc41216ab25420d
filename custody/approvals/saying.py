"""A filed intent in the house's one wording, with amounts as people write them."""

from __future__ import annotations

from custody.approvals.queries import FiledIntent
from custody.evidence.places import NOWHERE
from custody.evidence.words import say
from custody.trust.assets import KnownAssets


def words_of(filed: FiledIntent, assets: KnownAssets) -> list[str]:
    """What will happen, one sentence a line, with amounts as people write them. Raises ``AssetUnknown``."""
    named = getattr(filed.intent.request, "asset", None)
    if named is None:
        return say(filed.intent)
    # What is booked by hand takes place on no chain, and has no fee.
    own = None if filed.intent.chain == NOWHERE else assets.native(filed.intent.chain)
    return say(filed.intent, asset=assets.of(named), fee_asset=own)
