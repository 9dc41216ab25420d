"""The keyholder's own limits, in satoshi and seconds, kept in its home: no daemon and no policy can raise them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from custody.chains.bitcoin.offline.fees import FeeCaps
from custody.kernel.errors import InvalidInput

_DIGITS: Final = re.compile(r"0|[1-9][0-9]{0,15}", re.ASCII)
_NO_LIMIT: Final = "none"


@dataclass(frozen=True, slots=True)
class Limits:
    """What this program signs at most. ``None`` is no limit."""

    per_tx_sat: int | None = None
    """Paid to others in one transaction."""
    per_day_sat: int | None = None
    """Paid to others in any 24 hours, each intent counted once however often it was bumped."""
    max_fee_sat: int = 500_000
    max_fee_rate_sat_kvb: int = 500_000
    """Satoshi per 1000 virtual bytes."""
    max_fee_share_bps: int = 1_000
    """Of what is paid, in hundredths of a percent."""
    clock_skew_seconds: int = 120
    """How far the daemon's clock may be ahead of ours."""
    bundle_age_seconds: int = 7 * 86_400
    """How old a bundle may be."""

    @property
    def fee_caps(self) -> FeeCaps:
        """The three caps on one transaction's whole fee (I16)."""
        return FeeCaps(
            absolute_sat=self.max_fee_sat, rate_sat_kvb=self.max_fee_rate_sat_kvb, share_bps=self.max_fee_share_bps
        )

    def to_json(self) -> dict[str, int | None]:
        """Every limit by name."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: object) -> Limits:
        """Read what ``to_json`` wrote; a missing limit has its default. Raises ``InvalidInput``."""
        if not isinstance(value, Mapping):
            raise InvalidInput("not an object", field="limits")
        return cls().changed({str(name): _NO_LIMIT if item is None else str(item) for name, item in value.items()})

    def changed(self, settings: Mapping[str, str]) -> Limits:
        """These limits with some set anew: digits, or ``none`` where a limit may be absent. Raises ``InvalidInput``."""
        read: dict[str, Any] = {name: _read(name, text) for name, text in settings.items()}
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
    if name not in Limits.__dataclass_fields__:
        raise InvalidInput(f"no such limit; accepted are {', '.join(Limits.__dataclass_fields__)}", field="limits")
    if text == _NO_LIMIT and name in ("per_tx_sat", "per_day_sat"):
        return None
    if _DIGITS.fullmatch(text) is None:
        raise InvalidInput("not a whole number", field=f"limits.{name}")
    return int(text)
