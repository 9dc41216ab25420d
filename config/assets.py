"""The allow-list of assets beside each chain's own (``assets.toml``), read into typed values. Pure, as the chains are.

An asset counts where the trust root registers it too: the trust root says what it is, this list what its deposits wait
for. Amounts are in the asset's base unit.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from config.chains import MAX_UNITS, ConfigError, Tier, read_tiers, read_toml

MAX_DECIMALS: Final = 77
_ID: Final = re.compile(r"[-a-z0-9]{3,8}:[-_a-zA-Z0-9]{1,32}/[-a-z0-9]{3,8}:[-.%a-zA-Z0-9]{1,128}", re.ASCII)
_CODE: Final = re.compile(r"[A-Za-z0-9._-]{1,16}", re.ASCII)
_NAMES: Final = ("id", "code", "decimals", "dust_units", "tier", "fee_on_transfer")


@dataclass(frozen=True, slots=True)
class AssetConfig:
    """One asset and what its deposits wait for."""

    id: str
    """CAIP-19."""
    code: str
    decimals: int
    dust_units: int
    tiers: tuple[Tier, ...]
    fee_on_transfer: bool
    """Whether less may arrive than was sent; for whoever reads reports. What arrived is what is credited."""

    @property
    def chain(self) -> str:
        """CAIP-2 id of the chain it lives on."""
        return self.id.split("/", 1)[0]


def load_assets(text: str) -> dict[str, AssetConfig]:
    """Every asset in the list by its id. Raises ``ConfigError`` naming the first field that is wrong."""
    document = read_toml(text, "assets")
    for name in document:
        if name != "asset":
            raise ConfigError(name, "no such setting; accepted is [[asset]]")
    rows = document.get("asset", [])
    if not isinstance(rows, list):
        raise ConfigError("asset", "not a list; accepted is [[asset]]")
    found: dict[str, AssetConfig] = {}
    written: set[str] = set()
    for place, row in enumerate(rows):
        asset = _asset(row, f"asset[{place}]")
        # In whatever case it is written, it is one contract.
        if asset.id.lower() in written:
            raise ConfigError(f"asset[{place}].id", "listed twice")
        if any((asset.chain, asset.code) == (other.chain, other.code) for other in found.values()):
            raise ConfigError(f"asset[{place}].code", "another asset of this chain has it")
        found[asset.id] = asset
        written.add(asset.id.lower())
    return found


def _asset(row: object, field: str) -> AssetConfig:
    if not isinstance(row, dict):
        raise ConfigError(field, "not a table")
    for name in row:
        if name not in _NAMES:
            raise ConfigError(f"{field}.{name}", f"no such setting; accepted is {', '.join(_NAMES)}")
    for name in _NAMES[:-1]:
        if name not in row:
            raise ConfigError(f"{field}.{name}", "missing")
    return AssetConfig(
        id=_text(row, field, "id", _ID, "a CAIP-19 id"),
        code=_text(row, field, "code", _CODE, "at most 16 letters, digits and . _ -"),
        decimals=_whole(row, field, "decimals", most=MAX_DECIMALS),
        dust_units=_whole(row, field, "dust_units", most=MAX_UNITS),
        tiers=read_tiers(row["tier"], f"{field}.tier", unit="units", most=MAX_UNITS),
        fee_on_transfer=_flag(row.get("fee_on_transfer", False), f"{field}.fee_on_transfer"),
    )


def _text(row: Mapping[str, Any], field: str, name: str, accepted: re.Pattern[str], words: str) -> str:
    value = row[name]
    if not isinstance(value, str) or accepted.fullmatch(value) is None:
        raise ConfigError(f"{field}.{name}", f"accepted is {words}")
    return value


def _whole(row: Mapping[str, Any], field: str, name: str, *, most: int) -> int:
    value = row[name]
    if type(value) is not int or not 0 <= value <= most:
        raise ConfigError(f"{field}.{name}", f"accepted is a whole number from 0 to {most}")
    return value


def _flag(value: object, field: str) -> bool:
    if not isinstance(value, bool):
        raise ConfigError(field, "accepted are true, false")
    return value
