"""The table of chains (``chains.toml``) read into typed values. Pure: text in, values or one-line errors out.

Amounts are satoshi, rates satoshi per 1000 virtual bytes, times seconds.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

BITCOIN_NETWORKS: Final = ("mainnet", "testnet", "signet", "regtest")
MAX_SAT: Final = 21_000_000 * 10**8
MAX_RATE_SAT_KVB: Final = 10_000_000
"""10,000 sat/vB: what a Bitcoin node itself takes for a mistake."""
MAX_SECONDS: Final = 366 * 24 * 3600


class ConfigError(ValueError):
    """A setting that cannot be used. ``field`` is its dotted name; the text is one line: ``field: problem``."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


@dataclass(frozen=True, slots=True)
class Tier:
    """Deposits of less than ``below_sat`` need ``confirmations``; ``None`` is the last tier, for all the rest."""

    below_sat: int | None
    confirmations: int


@dataclass(frozen=True, slots=True)
class FeeRates:
    """Which rate to ask for, and the bounds within which an estimate is believed."""

    target_blocks: int
    floor_sat_kvb: int
    fallback_sat_kvb: int
    cap_sat_kvb: int


@dataclass(frozen=True, slots=True)
class FeeLimits:
    """The caps on one transaction's whole fee."""

    absolute_sat: int
    rate_sat_kvb: int
    share_bps: int


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long, in seconds, a withdrawal may rest in each state, and a deposit before it is credited."""

    pending_approval: int
    approved: int
    awaiting_signatures: int
    signed: int
    broadcast: int
    confirmed: int
    deposit: int


@dataclass(frozen=True, slots=True)
class ChainConfig:
    """One chain's block."""

    name: str
    block_interval_seconds: int
    coinbase_maturity: int
    dust_sat: int
    tiers: tuple[Tier, ...]
    fee: FeeRates
    caps: FeeLimits
    deadlines: Deadlines

    def required_depth(self, amount_sat: int, *, coinbase: bool = False) -> int:
        """Confirmations before a deposit of this amount counts; the block it is in is the first."""
        depth = next(tier.confirmations for tier in self.tiers if tier.below_sat is None or amount_sat < tier.below_sat)
        return max(depth, self.coinbase_maturity) if coinbase else depth


def load_chains(text: str) -> dict[str, ChainConfig]:
    """Every chain in the table by its name. Raises ``ConfigError`` naming the first field that is wrong."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError("chains", f"not TOML: {' '.join(str(error).split())}") from None
    if not document:
        raise ConfigError("chains", f"no chain in it; accepted is a table for any of {', '.join(BITCOIN_NETWORKS)}")
    return {name: _chain(name, _table(block, name)) for name, block in document.items()}


def _chain(name: str, block: Mapping[str, Any]) -> ChainConfig:
    if name not in BITCOIN_NETWORKS:
        raise ConfigError(name, f"no such chain; accepted is {', '.join(BITCOIN_NETWORKS)}")
    _expect_keys(
        block, name, ("block_interval_seconds", "coinbase_maturity", "dust_sat", "tier", "fee", "caps", "deadlines")
    )
    return ChainConfig(
        name=name,
        block_interval_seconds=_whole(block, name, "block_interval_seconds", least=1, most=MAX_SECONDS),
        coinbase_maturity=_whole(block, name, "coinbase_maturity", least=100, most=10_000),
        dust_sat=_whole(block, name, "dust_sat", least=330, most=MAX_SAT),
        tiers=_tiers(block["tier"], f"{name}.tier"),
        fee=(fee := _fee(_table(block["fee"], f"{name}.fee"), f"{name}.fee")),
        caps=_caps(_table(block["caps"], f"{name}.caps"), f"{name}.caps", fee),
        deadlines=_deadlines(_table(block["deadlines"], f"{name}.deadlines"), f"{name}.deadlines"),
    )


def _tiers(rows: object, field: str) -> tuple[Tier, ...]:
    if not isinstance(rows, list) or not rows:
        raise ConfigError(field, "not a list; accepted is one [[tier]] or more")
    tiers = tuple(
        _tier(_table(row, f"{field}[{place}]"), f"{field}[{place}]", last=place == len(rows) - 1)
        for place, row in enumerate(rows)
    )
    for place, (lower, upper) in enumerate(pairwise(tiers), start=1):
        if upper.below_sat is not None and lower.below_sat is not None and upper.below_sat <= lower.below_sat:
            raise ConfigError(f"{field}[{place}].below_sat", "not above the tier before it")
        if upper.confirmations < lower.confirmations:
            raise ConfigError(f"{field}[{place}].confirmations", "fewer than for a smaller amount")
    return tiers


def _tier(row: Mapping[str, Any], field: str, *, last: bool) -> Tier:
    _expect_keys(row, field, ("confirmations",) if last else ("below_sat", "confirmations"))
    return Tier(
        below_sat=None if last else _whole(row, field, "below_sat", least=1, most=MAX_SAT),
        confirmations=_whole(row, field, "confirmations", least=1, most=1_000),
    )


def _fee(block: Mapping[str, Any], field: str) -> FeeRates:
    _expect_keys(block, field, FeeRates.__dataclass_fields__)
    floor = _whole(block, field, "floor_sat_kvb", least=100, most=MAX_RATE_SAT_KVB)
    cap = _whole(block, field, "cap_sat_kvb", least=floor, most=MAX_RATE_SAT_KVB)
    return FeeRates(
        target_blocks=_whole(block, field, "target_blocks", least=1, most=1_008),
        floor_sat_kvb=floor,
        fallback_sat_kvb=_whole(block, field, "fallback_sat_kvb", least=floor, most=cap),
        cap_sat_kvb=cap,
    )


def _caps(block: Mapping[str, Any], field: str, fee: FeeRates) -> FeeLimits:
    """A rate at the estimate's own cap must still pass, or a busy day stops every withdrawal."""
    _expect_keys(block, field, FeeLimits.__dataclass_fields__)
    least_rate = fee.cap_sat_kvb * 11 // 10
    return FeeLimits(
        absolute_sat=_whole(block, field, "absolute_sat", least=1, most=MAX_SAT),
        rate_sat_kvb=_whole(block, field, "rate_sat_kvb", least=least_rate, most=2 * MAX_RATE_SAT_KVB),
        share_bps=_whole(block, field, "share_bps", least=1, most=10_000),
    )


def _deadlines(block: Mapping[str, Any], field: str) -> Deadlines:
    names = tuple(Deadlines.__dataclass_fields__)
    _expect_keys(block, field, names)
    return Deadlines(**{name: _whole(block, field, name, least=1, most=MAX_SECONDS) for name in names})


def _table(value: object, field: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(field, "not a table")
    return value


def _expect_keys(block: Mapping[str, Any], field: str, names: Mapping[str, Any] | tuple[str, ...]) -> None:
    for name in names:
        if name not in block:
            raise ConfigError(f"{field}.{name}", "missing")
    for name in block:
        if name not in names:
            raise ConfigError(f"{field}.{name}", f"no such setting; accepted is {', '.join(names)}")


def _whole(block: Mapping[str, Any], field: str, name: str, *, least: int, most: int) -> int:
    value = block[name]
    if type(value) is not int or not least <= value <= most:
        raise ConfigError(f"{field}.{name}", f"accepted is a whole number from {least} to {most}")
    return value
