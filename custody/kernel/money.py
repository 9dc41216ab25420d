"""Amounts: integers in an asset's base units. No float touches money anywhere."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from custody.kernel.errors import InvalidInput

MAX_UNITS: Final = 10**78 - 1
"""Largest magnitude the ledger's NUMERIC(78,0) holds."""

_DECIMAL = re.compile(r"(0|[1-9][0-9]{0,77})(?:\.([0-9]{1,78}))?", re.ASCII)
_UNITS = re.compile(r"0|[1-9][0-9]{0,77}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Asset:
    """Something with a unit. ``id`` is CAIP-19, ``code`` the short name people read."""

    id: str
    code: str
    decimals: int
    chain: str
    """CAIP-2 id of the chain it lives on."""


@dataclass(frozen=True, slots=True, order=True)
class Amount:
    """``units`` of one asset, in base units (satoshi, wei, token units)."""

    asset: str
    """CAIP-19 id."""
    units: int

    def __post_init__(self) -> None:
        if type(self.units) is not int:
            raise TypeError("Amount.units is an int")
        if abs(self.units) > MAX_UNITS:
            raise OverflowError("Amount.units has more than 78 digits")

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.asset, self.units + self._same(other).units)

    def __sub__(self, other: Amount) -> Amount:
        return Amount(self.asset, self.units - self._same(other).units)

    def _same(self, other: Amount) -> Amount:
        if other.asset != self.asset:
            raise TypeError(f"cannot mix {self.asset} and {other.asset}")
        return other


def parse_decimal(text: object, asset: Asset, *, field: str) -> Amount:
    """Read a positive decimal string in whole units (``"0.25"`` BTC) into base units.

    Raises ``InvalidInput`` for anything but plain ASCII digits with at most ``asset.decimals`` places:
    no sign, exponent, blank, group separator or other script's digits; never rounds.
    """
    accepted = f"a decimal string greater than 0 with at most {asset.decimals} decimals"
    if not isinstance(text, str):
        raise InvalidInput(f"not a string; accepted is {accepted}", field=field)
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise InvalidInput(f"not a plain decimal number; accepted is {accepted}", field=field)
    whole, fraction = match.group(1), match.group(2) or ""
    if len(fraction) > asset.decimals:
        raise InvalidInput(f"{len(fraction)} decimals given, {asset.code} takes at most {asset.decimals}", field=field)
    return _positive(int(whole + fraction.ljust(asset.decimals, "0")), asset, accepted, field)


def parse_units(text: object, asset: Asset, *, field: str) -> Amount:
    """Read a positive integer string of base units (``"25000000"``). Raises ``InvalidInput``."""
    accepted = "a string of digits greater than 0, in base units"
    if not isinstance(text, str) or _UNITS.fullmatch(text) is None:
        raise InvalidInput(f"not a whole number of base units; accepted is {accepted}", field=field)
    return _positive(int(text), asset, accepted, field)


def _positive(units: int, asset: Asset, accepted: str, field: str) -> Amount:
    if units == 0:
        raise InvalidInput(f"zero; accepted is {accepted}", field=field)
    if units > MAX_UNITS:
        raise InvalidInput(f"more than 78 digits; accepted is {accepted}", field=field)
    return Amount(asset.id, units)


def format_decimal(units: int, asset: Asset) -> str:
    """Whole units with all decimals and no grouping: 25000000 satoshi is ``0.25000000``."""
    sign, digits = ("-", str(-units)) if units < 0 else ("", str(units))
    if asset.decimals == 0:
        return sign + digits
    digits = digits.rjust(asset.decimals + 1, "0")
    return f"{sign}{digits[: -asset.decimals]}.{digits[-asset.decimals :]}"
