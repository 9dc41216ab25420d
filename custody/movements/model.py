"""What a block does to our vaults, as a function of the block and of whose its locators are. Units are base units.

Only ``assets`` that are named count: what else a transaction carries is nothing to us.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from custody.addresses.model import OwnedAddress
from custody.chains.port import Block, ChainTransaction


@dataclass(frozen=True, slots=True)
class Tip:
    """The newest block read."""

    height: int
    hash: str


@dataclass(frozen=True, slots=True)
class Arrival:
    """A credit of ours. ``own_spend``: its transaction takes something from the very same vault."""

    txid: str
    position: int
    owner: OwnedAddress
    locator: bytes
    asset: str
    units: int
    coinbase: bool
    own_spend: bool


@dataclass(frozen=True, slots=True)
class Departure:
    """A debit of ours: what ``spent_by`` takes. (txid, position) is the port's name for it."""

    txid: str
    position: int
    owner: OwnedAddress
    locator: bytes
    asset: str
    units: int
    spent_by: str


@dataclass(frozen=True, slots=True)
class Matches:
    """Everything in one block that is ours, in block order."""

    arrivals: tuple[Arrival, ...]
    departures: tuple[Departure, ...]


@dataclass(frozen=True, slots=True)
class Stray:
    """Something arrived on ``chain`` at an address of a vault of another chain."""

    chain: str
    txid: str
    position: int
    vault: str
    client: str | None
    address: str
    locator: bytes
    asset: str
    units: int
    height: int
    block_hash: str

    def to_json(self) -> dict[str, Any]:
        """As commands print it."""
        return {
            "chain": self.chain,
            "txid": self.txid,
            "position": self.position,
            "vault": self.vault,
            "client": self.client,
            "address": self.address,
            "locator": self.locator.hex(),
            "asset": self.asset,
            "units": str(self.units),
            "height": self.height,
        }


@dataclass(frozen=True, slots=True)
class Doubted:
    """A doubt as recorded: ``told`` and ``arrived`` are what a block changed at one place, in base units."""

    asset: str
    block_hash: str
    locator: bytes
    told: int
    arrived: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """What to compare: everything recorded at our places up to ``until``, and the block ``since`` of the last time."""

    since: str
    until: Tip
    recorded: Mapping[tuple[bytes, str], int]


@dataclass(frozen=True, slots=True)
class Movement:
    """One movement as recorded; ``removed`` after a reorg."""

    change_id: int
    chain: str
    direction: str
    vault: str
    address_id: int
    change: bool
    own_spend: bool
    coinbase: bool
    txid: str
    position: int
    spent_by: str | None
    asset: str
    units: int
    height: int
    block_hash: str
    removed: bool
    since: str | None
    """The block after which it happened, where balances alone tell of it."""


@dataclass(frozen=True, slots=True)
class Coin:
    """One unspent output of a vault on the best chain."""

    chain: str
    txid: str
    position: int
    vault: str
    address_id: int
    change: bool
    locator: bytes
    asset: str
    units: int
    coinbase: bool
    height: int | None
    block_hash: str | None

    @property
    def outpoint(self) -> str:
        """``txid:position``."""
        return f"{self.txid}:{self.position}"


def locators_in(block: Block, assets: Collection[str]) -> set[bytes]:
    """Every place the block brings something to or takes something from."""
    return {locator for transaction in block.transactions for locator in _locators(transaction, assets)}


def enders_in(block: Block) -> set[bytes]:
    """Every place that says in the block how a spend ended."""
    return {outcome.locator for transaction in block.transactions for outcome in transaction.outcomes}


def outcome_rows(block: Block, owned: Mapping[bytes, OwnedAddress]) -> list[dict[str, Any]]:
    """What places of ours say in the block of how spends ended, as JSON rows: what anybody else says is nothing."""
    return [
        {
            "spend": outcome.spend,
            "txid": transaction.txid,
            "locator": outcome.locator.hex(),
            "succeeded": outcome.succeeded,
        }
        for transaction in block.transactions
        for outcome in transaction.outcomes
        if outcome.locator in owned
    ]


def match_block(block: Block, owned: Mapping[bytes, OwnedAddress], assets: Collection[str]) -> Matches:
    """What of ``block`` is ours. Blocks say whose their debits are, so this needs no memory of earlier ones."""
    arrivals: list[Arrival] = []
    departures: list[Departure] = []
    for transaction in block.transactions:
        departures.extend(_departures(transaction, owned, assets))
        arrivals.extend(arrivals_in(transaction, owned, assets))
    return Matches(tuple(arrivals), tuple(departures))


def arrivals_in(
    transaction: ChainTransaction,
    owned: Mapping[bytes, OwnedAddress],
    assets: Collection[str],
    spending: frozenset[str] = frozenset(),
) -> Iterator[Arrival]:
    """The credits of ours. ``spending``: vaults known otherwise to be spent from (a mempool may not say whose)."""
    vaults = spending | {
        owned[debit.locator].vault
        for debit in transaction.debits
        if debit.locator is not None and debit.locator in owned
    }
    for credit in transaction.credits:
        owner = owned.get(credit.locator)
        if owner is not None and credit.asset in assets:
            yield Arrival(
                txid=transaction.txid,
                position=credit.position,
                owner=owner,
                locator=credit.locator,
                asset=credit.asset,
                units=credit.units,
                coinbase=transaction.coinbase,
                own_spend=owner.vault in vaults,
            )


def _departures(
    transaction: ChainTransaction, owned: Mapping[bytes, OwnedAddress], assets: Collection[str]
) -> Iterator[Departure]:
    for debit in transaction.debits:
        if debit.locator is None or debit.units is None or debit.asset is None or debit.asset not in assets:
            continue
        owner = owned.get(debit.locator)
        if owner is not None:
            yield Departure(
                txid=debit.txid,
                position=debit.position,
                owner=owner,
                locator=debit.locator,
                asset=debit.asset,
                units=debit.units,
                spent_by=debit.spend,
            )


def _locators(transaction: ChainTransaction, assets: Collection[str]) -> Iterator[bytes]:
    for debit in transaction.debits:
        if debit.locator is not None and debit.asset in assets:
            yield debit.locator
    for credit in transaction.credits:
        if credit.asset in assets:
            yield credit.locator


def rows_of(matches: Matches, *, since: str | None = None) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The matches as JSON rows (arrivals, departures) for the set-based inserts."""
    return [_row(item, since) for item in matches.arrivals], [_row(item, since) for item in matches.departures]


def stray_rows(arrivals: Iterable[Arrival]) -> list[dict[str, Any]]:
    """The same of what went astray."""
    return [_row(item, None) | {"client_id": item.owner.client} for item in arrivals]


def _row(item: Arrival | Departure, since: str | None) -> dict[str, Any]:
    return {
        "txid": item.txid,
        "position": item.position,
        "vault_id": item.owner.vault,
        "address_id": item.owner.address_id,
        "change": item.owner.change,
        "locator": item.locator.hex(),
        "asset": item.asset,
        "units": str(item.units),
        "coinbase": isinstance(item, Arrival) and item.coinbase,
        "own_spend": isinstance(item, Arrival) and item.own_spend,
        "spent_by": item.spent_by if isinstance(item, Departure) else None,
        "since": since,
    }
