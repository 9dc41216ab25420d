"""The keyholder's own limits, in base units and seconds, kept in its home: no daemon and no policy can raise them.

Bitcoin's have names of their own. Any asset's are ``per_tx_units.ETH`` and ``per_day_units.ETH``, by the code or the
CAIP-19 id in the trust root; where several apply, the lowest does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final

from custody.chains.bitcoin.offline.fees import FeeCaps
from custody.kernel.errors import InvalidInput
from custody.kernel.money import Asset

_DIGITS: Final = re.compile(r"0|[1-9][0-9]{0,15}", re.ASCII)
_UNITS: Final = re.compile(r"0|[1-9][0-9]{0,77}", re.ASCII)
_OF_ASSET: Final = re.compile(r"(per_tx_units|per_day_units)\.([A-Za-z0-9][A-Za-z0-9_.:/-]{0,127})", re.ASCII)
_NO_LIMIT: Final = "none"


@dataclass(frozen=True, slots=True)
class Limits:
    """What this program signs at most. ``None`` is no limit."""

    per_tx_sat: int | None = None
    """Bitcoin paid to others in one transaction."""
    per_day_sat: int | None = None
    """Bitcoin paid to others in any 24 hours, each intent counted once however often it was bumped."""
    max_fee_sat: int = 500_000
    max_fee_rate_sat_kvb: int = 500_000
    """Satoshi per 1000 virtual bytes."""
    max_fee_share_bps: int = 1_000
    """Of what is paid, in hundredths of a percent."""
    clock_skew_seconds: int = 120
    """How far the daemon's clock may be ahead of ours."""
    bundle_age_seconds: int = 7 * 86_400
    """How old a bundle may be."""
    status_age_seconds: int = 600
    """How old a status statement may be: for so long a daemon in other hands can hide what was taken back."""
    confirm_versions: int = 0
    """1: a new version of the trust root counts here only once a person has read what it changes (``advance``)."""
    per_tx_units: Mapping[str, int] = field(default_factory=dict)
    """Paid to others in one transaction, by the asset's code or CAIP-19 id."""
    per_day_units: Mapping[str, int] = field(default_factory=dict)
    """The same in any 24 hours."""

    @property
    def fee_caps(self) -> FeeCaps:
        """The three caps on one transaction's whole fee (I16)."""
        return FeeCaps(
            absolute_sat=self.max_fee_sat, rate_sat_kvb=self.max_fee_rate_sat_kvb, share_bps=self.max_fee_share_bps
        )

    def per_tx(self, asset: Asset) -> int | None:
        """The lowest limit on this asset in one transaction."""
        return _lowest(self.per_tx_units, self.per_tx_sat, asset)

    def per_day(self, asset: Asset) -> int | None:
        """The lowest limit on this asset in 24 hours."""
        return _lowest(self.per_day_units, self.per_day_sat, asset)

    def to_json(self) -> dict[str, int | str | None]:
        """Every limit by name; units of assets as text, for they may be more than JSON's numbers can hold."""
        plain = {name: getattr(self, name) for name in _NAMES}
        of_assets = (("per_tx_units", self.per_tx_units), ("per_day_units", self.per_day_units))
        return {**plain, **{f"{name}.{asset}": str(units) for name, of in of_assets for asset, units in of.items()}}

    @classmethod
    def from_json(cls, value: object) -> Limits:
        """Read what ``to_json`` wrote; a missing limit has its default. Raises ``InvalidInput``."""
        if not isinstance(value, Mapping):
            raise InvalidInput("not an object", field="limits")
        return cls().changed({str(name): _NO_LIMIT if item is None else str(item) for name, item in value.items()})

    def changed(self, settings: Mapping[str, str]) -> Limits:
        """These limits with some set anew: digits, or ``none`` where a limit may be absent. Raises ``InvalidInput``."""
        read: dict[str, Any] = {}
        for name, text in settings.items():
            match = _OF_ASSET.fullmatch(name)
            if match is None:
                read[name] = _read(name, text)
            else:
                before = read.get(match[1], getattr(self, match[1]))
                read[match[1]] = _changed(before, match[2], text, field=f"limits.{name}")
        return replace(self, **read)


def parse_settings(text: str) -> dict[str, str]:
    """``per_tx_sat=5,max_fee_sat=10`` as a mapping. Raises ``InvalidInput``."""
    settings: dict[str, str] = {}
    for part in text.split(","):
        name, separator, value = part.partition("=")
        if not separator or name in settings:
            raise InvalidInput("not name=number,name=number with each name once", field="limits")
        settings[name] = value
    return settings


def _read(name: str, text: str) -> int | None:
    if name not in _NAMES:
        accepted = ", ".join((*_NAMES, "per_tx_units.ASSET", "per_day_units.ASSET"))
        raise InvalidInput(f"no such limit; accepted are {accepted}", field="limits")
    if text == _NO_LIMIT and name in ("per_tx_sat", "per_day_sat"):
        return None
    if _DIGITS.fullmatch(text) is None:
        raise InvalidInput("not a whole number", field=f"limits.{name}")
    return int(text)


def _changed(before: Mapping[str, int], asset: str, text: str, *, field: str) -> dict[str, int]:
    kept = {name: units for name, units in before.items() if name != asset}
    if text == _NO_LIMIT:
        return kept
    if _UNITS.fullmatch(text) is None:
        raise InvalidInput("not a whole number of base units", field=field)
    return {**kept, asset: int(text)}


def _lowest(of_assets: Mapping[str, int], of_bitcoin: int | None, asset: Asset) -> int | None:
    found = [of_assets[name] for name in (asset.id, asset.code) if name in of_assets]
    if of_bitcoin is not None and asset.chain.startswith("bip122:"):
        found.append(of_bitcoin)
    return min(found, default=None)


_NAMES: Final = tuple(each.name for each in fields(Limits) if not each.name.endswith("_units"))
