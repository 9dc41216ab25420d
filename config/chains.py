"""The table of chains (``chains.toml``) read into typed values. Pure: text in, values or one-line errors out.

There are two shapes of block, and a network's name says which is its own. Amounts are in the chain's base unit
(satoshi, wei), which is the last word of the names in the file; times are seconds.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final, Literal

BITCOIN_NETWORKS: Final = ("mainnet", "testnet", "signet", "regtest")
ETHEREUM_NETWORKS: Final = (
    "ethereum", "sepolia", "holesky", "hoodi", "anvil", "optimism", "bnb", "gnosis", "polygon", "base", "arbitrum",
    "avalanche", "linea", "base-sepolia",
)  # fmt: skip
NETWORKS: Final = (*BITCOIN_NETWORKS, *ETHEREUM_NETWORKS)
TEST_NETWORKS: Final = ("testnet", "signet", "regtest", "sepolia", "holesky", "hoodi", "anvil", "base-sepolia")
"""Where nothing is worth anything; whatever is not named here is a mainnet."""

OWN_NETWORKS: Final = ("regtest", "anvil")
"""Test networks that are nobody else's: whoever runs the node makes the blocks."""

MAX_SAT: Final = 21_000_000 * 10**8
MAX_RATE_SAT_KVB: Final = 10_000_000
"""10,000 sat/vB: what a Bitcoin node itself takes for a mistake."""
MAX_UNITS: Final = 10**78 - 1
MAX_PRICE_WEI: Final = 100_000 * 10**9
"""100,000 gwei for a unit of gas: far beyond what any network has asked for."""
BLOCK_GAS: Final = 16_777_216
"""The most gas one transaction may have on Ethereum (EIP-7825)."""
LEAST_BUMP_BPS: Final = 1_000
"""Nodes take a replacement at ten percent more, or not at all."""
MAX_SECONDS: Final = 366 * 24 * 3600


class ConfigError(ValueError):
    """A setting that cannot be used. ``field`` is its dotted name; the text is one line: ``field: problem``."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


@dataclass(frozen=True, slots=True)
class Tier:
    """Deposits of less than ``below_units`` need ``confirmations``; ``None`` is the last tier, for all the rest."""

    below_units: int | None
    confirmations: int


@dataclass(frozen=True, slots=True)
class BitcoinFees:
    """Which rate to ask for, and the bounds within which an estimate is believed. Satoshi per 1000 virtual bytes."""

    target_blocks: int
    floor_sat_kvb: int
    fallback_sat_kvb: int
    cap_sat_kvb: int


@dataclass(frozen=True, slots=True)
class BitcoinCaps:
    """The caps on one transaction's whole fee."""

    absolute_sat: int
    rate_sat_kvb: int
    share_bps: int


@dataclass(frozen=True, slots=True)
class EthereumFees:
    """What whoever carries spends out offers for a unit of gas, and when its own ether runs low. Wei."""

    cap_wei_gas: int
    """No transaction ever offers more, base fee and tip together."""
    tip_floor_wei_gas: int
    tip_cap_wei_gas: int
    base_fee_multiplier_bps: int
    """What is offered over the newest base fee: 20,000 is twice it."""
    bump_bps: int
    """By how much a replacement offers more, on both fields."""
    replace_seconds: int
    """How long a transaction may wait for a block before it is replaced."""
    most_gas: int
    """Of one transaction."""
    low_payer_wei: int
    """Less than this on the payer's account is an alarm."""
    billed: bool
    """Whether a client owes what carrying its payment cost, up to what it agreed to; else the house bears it."""


@dataclass(frozen=True, slots=True)
class EthereumCaps:
    """The caps on one spend's whole fee."""

    absolute_wei: int
    rate_wei_gas: int
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
    """One chain's block: what any chain has."""

    name: str
    block_interval_seconds: int
    coinbase_maturity: int
    dust_units: int
    tiers: tuple[Tier, ...]
    deadlines: Deadlines
    finality: Literal["finalized", "depth"]
    """Whether what was confirmed counts when the network says its block is final, or at its tier's confirmations."""
    compare_seconds: int
    """Within this time balances are compared, where a node shows a part of what moves."""

    @property
    def compare_every(self) -> int:
        """The same in blocks, one at least."""
        return max(1, self.compare_seconds // self.block_interval_seconds)

    @property
    def is_test(self) -> bool:
        """Whether nothing on it is worth anything."""
        return self.name in TEST_NETWORKS

    def required_depth(self, units: int, *, coinbase: bool = False) -> int:
        """Confirmations before a deposit of this amount counts; the block it is in is the first."""
        depth = next(tier.confirmations for tier in self.tiers if tier.below_units is None or units < tier.below_units)
        return max(depth, self.coinbase_maturity) if coinbase else depth


@dataclass(frozen=True, slots=True)
class BitcoinConfig(ChainConfig):
    """A block of a Bitcoin network."""

    fee: BitcoinFees
    caps: BitcoinCaps


@dataclass(frozen=True, slots=True)
class EthereumConfig(ChainConfig):
    """A block of an Ethereum network."""

    fee: EthereumFees
    caps: EthereumCaps


@dataclass(frozen=True, slots=True)
class _Shape:
    """How one kind of block is written: its unit and the bounds of what any chain has."""

    unit: str
    least_dust: int
    most_units: int
    keys: tuple[str, ...] = field(default=())

    @property
    def names(self) -> tuple[str, ...]:
        return ("block_interval_seconds", f"dust_{self.unit}", "tier", "fee", "caps", "deadlines", *self.keys)


_BITCOIN: Final = _Shape("sat", 330, MAX_SAT, ("coinbase_maturity",))
_ETHEREUM: Final = _Shape("wei", 0, MAX_UNITS, ("finality", "compare_seconds"))


def load_chains(text: str) -> dict[str, ChainConfig]:
    """Every chain in the table by its name. Raises ``ConfigError`` naming the first field that is wrong."""
    document = read_toml(text, "chains")
    if not document:
        raise ConfigError("chains", f"no chain in it; accepted is a table for any of {', '.join(NETWORKS)}")
    return {name: _chain(name, _table(block, name)) for name, block in document.items()}


def read_toml(text: str, name: str) -> dict[str, Any]:
    """The file called ``name`` as values. Raises ``ConfigError``."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(name, f"not TOML: {' '.join(str(error).split())}") from None


def _chain(name: str, block: Mapping[str, Any]) -> ChainConfig:
    if name in BITCOIN_NETWORKS:
        return _bitcoin(name, block)
    if name in ETHEREUM_NETWORKS:
        return _ethereum(name, block)
    raise ConfigError(name, f"no such chain; accepted is {', '.join(NETWORKS)}")


def _bitcoin(name: str, block: Mapping[str, Any]) -> BitcoinConfig:
    shared = _shared(name, block, _BITCOIN)
    fee = _bitcoin_fees(_table(block["fee"], f"{name}.fee"), f"{name}.fee")
    return BitcoinConfig(
        **shared,
        coinbase_maturity=_whole(block, name, "coinbase_maturity", least=100, most=10_000),
        # A coin is what it says, and how deep it is is all there is to know.
        finality="depth",
        compare_seconds=shared["block_interval_seconds"],
        fee=fee,
        caps=_bitcoin_caps(_table(block["caps"], f"{name}.caps"), f"{name}.caps", fee),
    )


def _ethereum(name: str, block: Mapping[str, Any]) -> EthereumConfig:
    shared = _shared(name, block, _ETHEREUM)
    if block["finality"] not in ("finalized", "depth"):
        raise ConfigError(f"{name}.finality", "accepted are finalized, depth")
    fee = _ethereum_fees(_table(block["fee"], f"{name}.fee"), f"{name}.fee")
    return EthereumConfig(
        **shared,
        coinbase_maturity=1,
        finality=block["finality"],
        compare_seconds=_whole(block, name, "compare_seconds", least=1, most=86_400),
        fee=fee,
        caps=_ethereum_caps(_table(block["caps"], f"{name}.caps"), f"{name}.caps", fee),
    )


def _shared(name: str, block: Mapping[str, Any], shape: _Shape) -> dict[str, Any]:
    """What any chain has, by the names of ``ChainConfig``."""
    _expect_keys(block, name, shape.names)
    return {
        "name": name,
        "block_interval_seconds": _whole(block, name, "block_interval_seconds", least=1, most=MAX_SECONDS),
        "dust_units": _whole(block, name, f"dust_{shape.unit}", least=shape.least_dust, most=shape.most_units),
        "tiers": read_tiers(block["tier"], f"{name}.tier", unit=shape.unit, most=shape.most_units),
        "deadlines": _deadlines(_table(block["deadlines"], f"{name}.deadlines"), f"{name}.deadlines"),
    }


def read_tiers(rows: object, field: str, *, unit: str, most: int) -> tuple[Tier, ...]:
    """Tiers whose bounds are written ``below_<unit>`` and ascend. Raises ``ConfigError``."""
    if not isinstance(rows, list) or not rows:
        raise ConfigError(field, "not a list; accepted is one [[tier]] or more")
    tiers = tuple(
        _tier(_table(row, f"{field}[{place}]"), f"{field}[{place}]", f"below_{unit}", most, place == len(rows) - 1)
        for place, row in enumerate(rows)
    )
    for place, (lower, upper) in enumerate(pairwise(tiers), start=1):
        if upper.below_units is not None and lower.below_units is not None and upper.below_units <= lower.below_units:
            raise ConfigError(f"{field}[{place}].below_{unit}", "not above the tier before it")
        if upper.confirmations < lower.confirmations:
            raise ConfigError(f"{field}[{place}].confirmations", "fewer than for a smaller amount")
    return tiers


def _tier(row: Mapping[str, Any], field: str, bound: str, most: int, is_last: bool) -> Tier:
    _expect_keys(row, field, ("confirmations",) if is_last else (bound, "confirmations"))
    return Tier(
        below_units=None if is_last else _whole(row, field, bound, least=1, most=most),
        confirmations=_whole(row, field, "confirmations", least=1, most=1_000),
    )


def _bitcoin_fees(block: Mapping[str, Any], field: str) -> BitcoinFees:
    _expect_keys(block, field, BitcoinFees.__dataclass_fields__)
    floor = _whole(block, field, "floor_sat_kvb", least=100, most=MAX_RATE_SAT_KVB)
    cap = _whole(block, field, "cap_sat_kvb", least=floor, most=MAX_RATE_SAT_KVB)
    return BitcoinFees(
        target_blocks=_whole(block, field, "target_blocks", least=1, most=1_008),
        floor_sat_kvb=floor,
        fallback_sat_kvb=_whole(block, field, "fallback_sat_kvb", least=floor, most=cap),
        cap_sat_kvb=cap,
    )


def _bitcoin_caps(block: Mapping[str, Any], field: str, fee: BitcoinFees) -> BitcoinCaps:
    """A rate at the estimate's own cap must still pass, or a busy day stops every withdrawal."""
    _expect_keys(block, field, BitcoinCaps.__dataclass_fields__)
    least_rate = fee.cap_sat_kvb * 11 // 10
    return BitcoinCaps(
        absolute_sat=_whole(block, field, "absolute_sat", least=1, most=MAX_SAT),
        rate_sat_kvb=_whole(block, field, "rate_sat_kvb", least=least_rate, most=2 * MAX_RATE_SAT_KVB),
        share_bps=_whole(block, field, "share_bps", least=1, most=10_000),
    )


def _ethereum_fees(block: Mapping[str, Any], field: str) -> EthereumFees:
    _expect_keys(block, field, EthereumFees.__dataclass_fields__)
    cap = _whole(block, field, "cap_wei_gas", least=1, most=MAX_PRICE_WEI)
    tip_cap = _whole(block, field, "tip_cap_wei_gas", least=0, most=cap)
    return EthereumFees(
        cap_wei_gas=cap,
        tip_floor_wei_gas=_whole(block, field, "tip_floor_wei_gas", least=0, most=tip_cap),
        tip_cap_wei_gas=tip_cap,
        base_fee_multiplier_bps=_whole(block, field, "base_fee_multiplier_bps", least=11_250, most=100_000),
        bump_bps=_whole(block, field, "bump_bps", least=LEAST_BUMP_BPS, most=20_000),
        replace_seconds=_whole(block, field, "replace_seconds", least=1, most=MAX_SECONDS),
        most_gas=_whole(block, field, "most_gas", least=500_000, most=BLOCK_GAS),
        low_payer_wei=_whole(block, field, "low_payer_wei", least=1, most=MAX_UNITS),
        billed=_flag(block, field, "billed"),
    )


def _ethereum_caps(block: Mapping[str, Any], field: str, fee: EthereumFees) -> EthereumCaps:
    """A price at the payer's own cap must still pass, or a busy day stops every withdrawal."""
    _expect_keys(block, field, EthereumCaps.__dataclass_fields__)
    return EthereumCaps(
        absolute_wei=_whole(block, field, "absolute_wei", least=1, most=MAX_UNITS),
        rate_wei_gas=_whole(block, field, "rate_wei_gas", least=fee.cap_wei_gas, most=MAX_PRICE_WEI),
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


def _flag(block: Mapping[str, Any], field: str, name: str) -> bool:
    value = block[name]
    if type(value) is not bool:
        raise ConfigError(f"{field}.{name}", "accepted is true or false")
    return value
