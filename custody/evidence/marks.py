"""What pinned services' statements amount to: the worth of an asset, and what screening says of a destination.

The daemon reads them from its own rows, a cosigner from the bundle; both count by these functions, so they differ only
in what they were shown and when they look. What is not stated, or is too old, is unknown, and unknown never helps.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from custody.evidence.statements import AHEAD, Price, Screening, SignedStatement
from custody.evidence.trust_root import TrustRoot
from custody.kernel.money import MAX_UNITS

FRESH: Final = "fresh"
STALE: Final = "stale"
DISPUTED: Final = "disputed"
MISSING: Final = "missing"

SCREENING_LASTS: Final = timedelta(hours=24)
"""For how long a screening result counts."""
ENOUGH_SOURCES: Final = 3
_PICOS_IN_A_MICRO: Final = 10**6


@dataclass(frozen=True, slots=True)
class Quote:
    """What one whole unit of an asset is worth, and how far that can be trusted."""

    state: str
    """``fresh``, ``stale``, ``disputed`` or ``missing``."""
    usd_picos: int | None = None
    """Median of the newest mark of every source, in 10⁻¹² US dollar; ``None`` when missing."""
    age_seconds: int | None = None
    """Of the oldest mark in the median; ``None`` when missing."""
    counted: tuple[SignedStatement, ...] = ()
    """The marks in the median: what proves it to somebody else."""
    apart: tuple[str, ...] = ()
    """Services whose mark is too far from the median, sorted."""

    def to_json(self) -> dict[str, str | int | list[str] | None]:
        """As people are shown it: the median in millionths of a US dollar for a whole unit, rounded up."""
        return {
            "state": self.state,
            "usd_micros": None if self.usd_picos is None else str(-(-self.usd_picos // _PICOS_IN_A_MICRO)),
            "age_seconds": self.age_seconds,
            "sources": sorted(mark.service for mark in self.counted),
            "apart": list(self.apart),
        }

    def worth(self, units: int, *, decimals: int) -> int | None:
        """``units`` base units in millionths of a US dollar, rounded up; ``None`` unless the price is fresh.

        ``None`` as well where that is more than an amount can be.
        """
        if self.state != FRESH or self.usd_picos is None:
            return None
        micros = -(-units * self.usd_picos // (10**decimals * _PICOS_IN_A_MICRO))
        return micros if micros <= MAX_UNITS else None


def quote(statements: Iterable[SignedStatement], *, asset: str, root: TrustRoot, now: datetime) -> Quote:
    """The median of the newest mark per pinned source on ``asset`` (CAIP-19), each already proved by its signature.

    Three sources at least, or all where fewer are pinned, and always most of them, must have a mark that is not too
    old; where one of those stands further from the median than the trust root allows, the price is disputed. A source
    whose newest mark is not positive has none.
    """
    newest = _newest(statements, asset, root, now)
    fresh = [mark for mark in newest if now - mark.statement.at <= timedelta(seconds=root.prices.max_age_seconds)]
    enough = sources_needed(root)
    if enough and len(fresh) >= enough:
        return _quoted(fresh, FRESH, root, now)
    return _quoted(newest, STALE, root, now) if enough and len(newest) >= enough else Quote(MISSING)


def sources_needed(root: TrustRoot) -> int:
    """How many price services must have spoken; 0 where none is pinned, and then nothing has a price."""
    pinned = len(root.services_of(Price.role))
    return max(min(ENOUGH_SOURCES, pinned), pinned // 2 + 1) if pinned else 0


def screened(
    statements: Iterable[SignedStatement], *, chain: str, destination: str, root: TrustRoot, now: datetime
) -> SignedStatement | None:
    """The newest screening of ``destination`` that still counts; of several services' the worst word.

    ``None`` where no service that is pinned for it has screened it, or all of that is too old.
    """
    pinned = {service.id for service in root.services_of(Screening.role)}
    newest: dict[str, SignedStatement] = {}
    for each in statements:
        said = each.statement
        if isinstance(said, Screening) and (said.chain, said.destination) == (chain, destination):
            _keep_newest(newest, each, pinned, now)
    lasting = [each for each in newest.values() if now - each.statement.at <= SCREENING_LASTS]
    return max(lasting, key=_badness, default=None)


def result_of(screening: SignedStatement | None) -> str | None:
    """``clear``, ``review`` or ``hit``; ``None`` where nothing was screened."""
    return screening.statement.result if screening and isinstance(screening.statement, Screening) else None


def _newest(statements: Iterable[SignedStatement], asset: str, root: TrustRoot, now: datetime) -> list[SignedStatement]:
    pinned = {service.id for service in root.services_of(Price.role)}
    newest: dict[str, SignedStatement] = {}
    for each in statements:
        if isinstance(each.statement, Price) and each.statement.asset == asset:
            _keep_newest(newest, each, pinned, now)
    return [newest[service] for service in sorted(newest) if _picos(newest[service]) > 0]


def _keep_newest(newest: dict[str, SignedStatement], each: SignedStatement, pinned: set[str], now: datetime) -> None:
    if each.service not in pinned or each.statement.at - now > AHEAD:
        return
    kept = newest.get(each.service)
    # Of two statements of one moment always the same one wins, whichever came first.
    if kept is None or _age_key(each) > _age_key(kept):
        newest[each.service] = each


def _age_key(signed: SignedStatement) -> tuple[datetime, str]:
    return signed.statement.at, signed.message.hex()


def _quoted(marks: list[SignedStatement], state: str, root: TrustRoot, now: datetime) -> Quote:
    prices = sorted(_picos(mark) for mark in marks)
    middle = len(prices) // 2
    median = prices[middle] if len(prices) % 2 else -(-(prices[middle - 1] + prices[middle]) // 2)
    bound = root.prices.deviation_bps * median
    apart = tuple(mark.service for mark in marks if abs(_picos(mark) - median) * 10_000 > bound)
    oldest = max(now - mark.statement.at for mark in marks)
    age = max(0, int(oldest.total_seconds()))
    return Quote(DISPUTED if state == FRESH and apart else state, median, age, tuple(marks), apart)


def _picos(signed: SignedStatement) -> int:
    return signed.statement.usd_picos if isinstance(signed.statement, Price) else 0


def _badness(signed: SignedStatement) -> tuple[int, datetime]:
    order = ("clear", "review", "hit")
    result = result_of(signed)
    return (order.index(result) if result in order else len(order)), signed.statement.at
