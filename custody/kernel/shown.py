"""How values are shown to programs: amounts as decimal strings with base units beside them, times as RFC 3339."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from custody.kernel.clock import rfc3339
from custody.kernel.money import Asset, format_decimal


def money(units: int, asset: Asset) -> dict[str, str]:
    """``{"decimal": "0.25000000", "base_units": "25000000"}``."""
    return {"decimal": format_decimal(units, asset), "base_units": str(units)}


def asset_view(asset: Asset) -> dict[str, Any]:
    """Name, short code and decimals."""
    return {"id": asset.id, "code": asset.code, "decimals": asset.decimals, "chain": asset.chain}


def account_id(chain: str, address: str) -> str:
    """The CAIP-10 name of an address: on which chain, and where."""
    return f"{chain}:{address}"


def when(moment: datetime | None) -> str | None:
    """RFC 3339 or null."""
    return None if moment is None else rfc3339(moment)
