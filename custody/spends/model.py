"""Values of a spend: the order, its coins with their place in the vault, its attempts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from custody.chains.bitcoin.coin_selection import Attempt as Rival
from custody.chains.bitcoin.coin_selection import Coin, Payment, Selection
from custody.chains.bitcoin.offline.fees import FeeCaps


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be paid: one payment out of one vault, network fee at most ``ceiling_sat``."""

    withdrawal: str
    vault: str
    chain: str
    asset: str
    locator: bytes
    amount_sat: int
    ceiling_sat: int

    @property
    def payment(self) -> Payment:
        """The output that pays."""
        return Payment(self.locator, self.amount_sat)


@dataclass(frozen=True, slots=True)
class PlacedCoin:
    """A coin of the vault, where it sits there, and the block it is in."""

    txid: str
    vout: int
    amount_sat: int
    change: bool
    index: int
    block_hash: str

    @property
    def coin(self) -> Coin:
        """As coin selection sees it."""
        return Coin(self.txid, self.vout, self.amount_sat)

    def to_json(self) -> dict[str, Any]:
        """As an attempt stores it; the amount as text."""
        return {
            "txid": self.txid,
            "vout": self.vout,
            "amount_sat": str(self.amount_sat),
            "change": self.change,
            "index": self.index,
            "block_hash": self.block_hash,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> PlacedCoin:
        """Read what ``to_json`` wrote."""
        return cls(
            txid=value["txid"],
            vout=value["vout"],
            amount_sat=int(value["amount_sat"]),
            change=value["change"],
            index=value["index"],
            block_hash=value["block_hash"],
        )


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt as stored."""

    id: str
    withdrawal: str
    sequence: int
    chain: str
    vault: str
    inputs: tuple[PlacedCoin, ...]
    txid: str
    fee_sat: int
    vsize: int
    change_index: int | None
    psbt: str
    state: str
    final: bytes | None
    composed_at: datetime
    sent_at: datetime | None
    confirmed_height: int | None

    def rival(self, payment: Payment) -> Rival:
        """As a replacement sees it."""
        return Rival(tuple(item.coin for item in self.inputs), (payment,), self.fee_sat, self.vsize)


@dataclass(frozen=True, slots=True)
class Candidates:
    """What an order may spend, read in one unit: free coins, and the attempts before this one."""

    order: Order
    free: tuple[PlacedCoin, ...]
    earlier: tuple[Attempt, ...]
    threshold: int
    members: int


@dataclass(frozen=True, slots=True)
class Planned:
    """A selection with everything composing it needs from the node."""

    order: Order
    selection: Selection
    coins: tuple[PlacedCoin, ...]
    previous_transactions: Mapping[str, bytes]
    fee_rate_sat_kvb: int


@dataclass(frozen=True, slots=True)
class SpendRules:
    """One chain's terms for spending, as configured."""

    caps: FeeCaps
    target_blocks: int
    floor_sat_kvb: int
    cap_sat_kvb: int
    fallback_sat_kvb: int
    coinbase_maturity: int
    tiers: tuple[tuple[int | None, int], ...]
    """(below this amount, confirmations); None is the last tier."""
    bundle_lifetime: timedelta = timedelta(hours=24)
    stock_low_mark: int = 5
    """Change addresses left in stock below which more are asked for."""
    reorg_horizon: int = 144
    """Blocks for which a confirmed payment is still watched for being reorganised away."""

    def required_depth(self, amount_sat: int) -> int:
        """Confirmations before a payment of this amount is final for us."""
        return next(depth for below, depth in self.tiers if below is None or amount_sat < below)
