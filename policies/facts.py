"""What the engine knows of one request, and what a limit has already let out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from custody.kernel.clock import parse_rfc3339, rfc3339
from custody.kernel.errors import InvalidInput


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The facts of one request at ``now``. ``None`` means unknown, and an unknown fact never helps.

    A kind's fields are in ``vocabulary.FIELDS_OF_KIND``; what a kind does not have stays ``None`` and is not read.
    A value outside the vocabulary (a status nobody defined, an amount that is not positive) counts as unknown.
    """

    kind: str
    requester: str
    """Id of who signed the request part: an operator or a back end."""
    now: datetime
    """Moment of evaluation, aware; the end of every window."""
    client: str | None = None
    client_status: str | None = None
    """``active``, ``frozen``, ``defaulted`` or ``closed``."""
    segregation: str | None = None
    """``segregated`` or ``omnibus``."""
    asset: str | None = None
    """Short code, from the asset registry or the trust root, never from the request."""
    decimals: int | None = None
    """Of that asset, from the same place."""
    chain: str | None = None
    """CAIP-2 id."""
    destination: str | None = None
    """``listed``, ``new``, ``cooling`` (listed, but its cooling-off has not passed) or ``own``; ``unknown`` says the
    same as ``None``."""
    destination_code: str | None = None
    """``contract`` where code lives at the address, ``plain`` everywhere else."""
    destination_text: str | None = None
    """Canonical text of the address: what a limit per destination counts under."""
    amount_units: int | None = None
    """Base units that leave, without the network fee."""
    usd_micros: int | None = None
    """What that is worth now, in millionths of a US dollar, rounded up; ``None`` without a price to trust."""
    usd_micros_asked: int | None = None
    """The same as it was when it was requested; ``None`` leaves the present value alone to count."""
    price_state: str | None = None
    """``fresh``, ``stale``, ``disputed`` or ``missing``. A value counts only while its price is known to be fresh."""
    price_age_seconds: int | None = None
    """Seconds since the price behind ``usd_micros`` was made."""
    screening: str | None = None
    """``clear``, ``review`` or ``hit``."""
    collateral: str | None = None
    """``none`` (nothing is pledged), ``met`` or ``short``, after this request."""
    vault_break: str | None = None
    """``open`` or ``none``."""
    books_age_seconds: int | None = None
    """Seconds since the vault was last reconciled."""

    def __post_init__(self) -> None:
        if self.now.tzinfo is None:
            raise TypeError("Facts.now has a zone")
        for name in _INTEGERS:
            value = getattr(self, name)
            if value is not None and type(value) is not int:
                raise TypeError("amounts, decimals, values and ages are ints")

    def to_json(self) -> dict[str, str]:
        """Known facts as strings, for storing beside the request."""
        return {name: _text(value) for name in _NAMES if (value := getattr(self, name)) is not None}

    @classmethod
    def from_json(cls, value: object) -> Facts:
        """Read what ``to_json`` wrote. Raises ``InvalidInput``."""
        if not isinstance(value, Mapping) or not _REQUIRED <= set(value) <= set(_NAMES):
            raise InvalidInput("not the facts of a request", field="facts")
        if not all(isinstance(item, str) for item in value.values()):
            raise InvalidInput("every fact is a string", field="facts")
        return cls(**{name: _read(name, item) for name, item in value.items()})


@dataclass(frozen=True, slots=True)
class UsageTotals:
    """What was already asked for under one key in one window. A sum is ``None`` where one number in it is unknown."""

    amount_units: int | None
    """Of the asset of the request that is being decided, in base units."""
    count: int
    """Requests in any asset."""
    usd_micros: int | None = None
    """Of all assets, each at the higher of its values when it was asked for, in millionths of a US dollar."""

    def larger(self, other: UsageTotals) -> UsageTotals:
        """The larger of two counts, each number apart: a cosigner's own and the daemon's word. Unknown is larger."""
        return UsageTotals(
            _larger(self.amount_units, other.amount_units),
            max(self.count, other.count),
            _larger(self.usd_micros, other.usd_micros),
        )


class Usage(Protocol):
    """How the engine asks what was already asked for under one rule: its limit and its totals alike.

    A snapshot, taken for one decision: it answers the same however often and whenever it is asked, for a decision
    asks again when its reasons are read.
    """

    def __call__(self, rule_id: str, per: str, window_seconds: int, /) -> UsageTotals | None:
        """Totals for the rule with this title, this request excluded; ``None`` where nobody knows."""


def nothing_used(_rule_id: str, _per: str, _window_seconds: int, /) -> UsageTotals:
    """A ``Usage`` for a world in which nothing was asked for before."""
    return UsageTotals(0, 0, 0)


_NAMES = tuple(Facts.__dataclass_fields__)
_REQUIRED = {"kind", "requester", "now"}
_INTEGERS = (
    *("amount_units", "decimals", "books_age_seconds", "price_age_seconds"),
    *("usd_micros", "usd_micros_asked"),
)


def _larger(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else max(one, other)


def _text(value: object) -> str:
    return rfc3339(value) if isinstance(value, datetime) else str(value)


def _read(name: str, text: str) -> Any:
    if name == "now":
        return parse_rfc3339(text, field="facts.now")
    if name not in _INTEGERS:
        return text
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 78):
        raise InvalidInput("not a whole number", field=f"facts.{name}")
    return int(text)
