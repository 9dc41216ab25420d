"""What a deposit is, the rules it waits by, and whose it becomes. Amounts are base units of the deposit's asset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from custody.addresses.model import AddressState, OwnedAddress
from custody.chains.spending import Finality
from custody.deposits.states import DepositState
from custody.kernel.errors import Broken
from custody.movements.model import Doubted

UNATTRIBUTED: Final = "unattributed"
CHANGE_ADDRESS: Final = "paid-to-change"
DUST: Final = "dust"
IN_DOUBT: Final = "asset-in-doubt"


@dataclass(frozen=True, slots=True)
class Tier:
    """Deposits below ``below_units`` (None: all the rest) wait for ``confirmations`` blocks."""

    below_units: int | None
    confirmations: int


@dataclass(frozen=True, slots=True)
class AssetRules:
    """One asset's rules, from config."""

    tiers: Sequence[Tier]
    """Ascending; the last has no bound."""
    dust_units: int
    """Less than this is nobody's deposit: it goes to the vault's suspense account."""
    coinbase_maturity: int
    fee_on_transfer: bool = False
    """The asset's own logs may tell more than arrives: it keeps a part of what moves, or tells one move twice."""

    def __post_init__(self) -> None:
        bounds = [tier.below_units for tier in self.tiers]
        finite = [bound for bound in bounds[:-1] if bound is not None]
        if not bounds or bounds[-1] is not None or len(finite) != len(bounds) - 1 or finite != sorted(set(finite)):
            raise ValueError("tiers ascend and the last has no bound")
        if any(tier.confirmations < 1 for tier in self.tiers):
            raise ValueError("a deposit waits for one block at least")

    def required_depth(self, *, units: int, coinbase: bool) -> int:
        """How many blocks deep it must be (1: in the newest block)."""
        depth = next(tier.confirmations for tier in self.tiers if tier.below_units is None or units < tier.below_units)
        return max(depth, self.coinbase_maturity) if coinbase else depth


class NoDepositRules(Broken):
    """A deposit of an asset the config has no rules for any more: it waits until there are some."""

    code = "no-deposit-rules"


@dataclass(frozen=True, slots=True)
class DepositRules:
    """The rules of one chain, by the CAIP-19 ids of its assets. What has none is never recorded, so never credited."""

    by_asset: Mapping[str, AssetRules]
    finality: Finality = Finality.DEPTH
    """With ``FINALIZED`` a deposit counts when the network says that its block is final, at whatever depth."""

    @property
    def assets(self) -> frozenset[str]:
        """What movements are to be recorded of."""
        return frozenset(self.by_asset)

    def of(self, asset: str) -> AssetRules:
        """The asset's own. Raises ``NoDepositRules``."""
        found = self.by_asset.get(asset)
        if found is None:
            raise NoDepositRules("no rules for deposits of this asset", field="asset", asset=asset)
        return found


@dataclass(frozen=True, slots=True)
class Deposit:
    """A deposit as other rooms see it."""

    id: str
    chain: str
    txid: str
    position: int
    vault: str
    client: str | None
    address_id: int
    asset: str
    units: int
    coinbase: bool
    state: DepositState
    required_depth: int
    height: int | None
    block_hash: str | None
    reason: str | None
    """Why it goes to suspense: ``unattributed``, ``paid-to-change``, ``dust``; None: it is the client's. Fixed
    when the deposit is first seen, whatever the rules become. ``asset-in-doubt`` alone is added when it is booked."""
    occurrence: int
    is_unbacked: bool
    """A reorg removed it and the ledger cannot reverse it before a payment that spent it is reversed."""
    first_seen_at: datetime
    booked_at: datetime | None
    mined_at: datetime | None
    """When its block was made, as miners say; ``None`` while it is in none, or where that was not kept."""

    def depth_at(self, tip_height: int) -> int:
        """Confirmations with the tip at ``tip_height``; 0 while in no block."""
        return 0 if self.height is None else max(0, tip_height - self.height + 1)


def owner_of(script: OwnedAddress, *, units: int, rules: AssetRules) -> tuple[str | None, str | None]:
    """(client, reason for suspense). What nobody was given is nobody's.

    A closed or frozen client still owns what arrives at its addresses: they are watched for ever.
    """
    if script.change:
        return None, CHANGE_ADDRESS
    if script.client is None:
        return None, UNATTRIBUTED
    return script.client, DUST if units < rules.dust_units else None


def is_to_be_expected(doubt: Doubted, rules: AssetRules) -> bool:
    """Whether less arrived than was told because the asset keeps a part of what moves, and not because it lies."""
    return rules.fee_on_transfer and 0 < doubt.arrived < doubt.told


def is_capital(owner: OwnedAddress, *, asset: str, native: str) -> bool:
    """Whether what arrives is the house's own money for fees, at a place of its own: no deposit of anybody's."""
    return owner.state is AddressState.HOUSE and asset == native


def is_deposit(*, change: bool, own_spend: bool, units: int) -> bool:
    """Change of a vault's own payment is no deposit, and an arrival of nothing is none."""
    return units > 0 and not (change and own_spend)
