"""Amounts, dollars and durations as a document writes them: ``0.5 BTC``, ``10_000``, ``24h``; compared exactly."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from policies.strict_yaml import Item, quoted

MICROS: Final = 1_000_000
"""Millionths in one US dollar."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """A positive decimal number of whole units of one asset, kept exactly as ``digits`` / 10^``places``."""

    asset: str
    """Short code."""
    digits: int
    places: int
    written: str

    def below(self, units: int, decimals: int) -> bool:
        """Whether ``units`` (of an asset with ``decimals``) are strictly more than this."""
        return units * _POWERS[self.places] > self.digits * _POWERS[decimals]

    def floor_units(self, decimals: int) -> int:
        """The largest number of base units that is not above this."""
        return self.digits * _POWERS[decimals] // _POWERS[self.places]


def read_threshold(item: Item) -> Threshold:
    """Read ``0.5 BTC``: plain digits, one blank, an asset's short code. Raises ``PolicyError``."""
    match = _AMOUNT.fullmatch(item.value) if isinstance(item.value, str) else None
    if match is None or int(match["whole"] + (match["part"] or "")) == 0:
        item.refuse(f"{quoted(item.value)} is not an amount", accepted='whole units of an asset, as "0.5 BTC"')
    part = match["part"] or ""
    return Threshold(match["asset"], int(match["whole"] + part), len(part), match[0])


def read_usd(item: Item) -> int:
    """Read US dollars, ``10_000`` or ``"0.5"``, into millionths: positive, up to six places. Raises ``PolicyError``."""
    match = _DOLLARS.fullmatch(item.value) if isinstance(item.value, str) else None
    micros = int(match["whole"]) * MICROS + int((match["part"] or "").ljust(6, "0")) if match else 0
    if micros == 0:
        item.refuse(
            f"{quoted(item.value)} is not a number of US dollars",
            accepted='whole dollars such as 10_000, or a quoted decimal with up to six places such as "0.5"',
        )
    return micros


def usd_words(micros: int) -> str:
    """Millionths as dollars, thousands apart: ``3 000.01``. Cents where there are any, all six places where needed."""
    whole, part = divmod(micros, MICROS)
    digits = f"{part:06d}".rstrip("0")
    return f"{whole:,}".replace(",", " ") + (f".{digits.ljust(2, '0')}" if digits else "")


def read_duration(item: Item) -> int:
    """Read ``90s``, ``30m``, ``24h`` or ``7d`` into seconds, at most 366 days. Raises ``PolicyError``."""
    match = _DURATION.fullmatch(item.value) if isinstance(item.value, str) else None
    seconds = int(match[1]) * _SECONDS[match[2]] if match else 0
    if not 0 < seconds <= _LONGEST:
        item.refuse(f"{quoted(item.value)} is not a duration", accepted="a duration such as 90s, 30m, 24h or 7d")
    return seconds


def duration_words(seconds: int) -> str:
    """``86400`` is ``24h``; ``5400`` is ``1h 30m``."""
    hours, rest = divmod(seconds, 3600)
    minutes, left = divmod(rest, 60)
    parts = [f"{number}{unit}" for number, unit in ((hours, "h"), (minutes, "m"), (left, "s")) if number]
    return " ".join(parts) or "0s"


_AMOUNT = re.compile(
    r"(?P<whole>0|[1-9][0-9]{0,59})(?:\.(?P<part>[0-9]{1,30}))? (?P<asset>[A-Z][A-Z0-9]{1,11})", re.ASCII
)
_DOLLARS = re.compile(r"(?P<whole>0|[1-9][0-9]{0,14}(?:_[0-9]{1,3}){0,5})(?:\.(?P<part>[0-9]{1,6}))?", re.ASCII)
_DURATION = re.compile(r"([1-9][0-9]{0,8})([smhd])", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_LONGEST = 366 * 86_400


_POWERS: Final = tuple(int(10**places) for places in range(128))
"""More than any asset's decimals and any document's places."""
