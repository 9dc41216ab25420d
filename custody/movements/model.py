"""What a block does to our vaults, as a function of the block and of whose its scripts are. Units are base units."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
    """An output of ours. ``own_spend``: its transaction spends coins of the very same vault."""

    txid: str
    vout: int
    owner: OwnedAddress
    script_pubkey: bytes
    units: int
    coinbase: bool
    own_spend: bool


@dataclass(frozen=True, slots=True)
class Departure:
    """A coin of ours that ``spent_by`` spends."""

    txid: str
    vout: int
    owner: OwnedAddress
    script_pubkey: bytes
    units: int
    spent_by: str


@dataclass(frozen=True, slots=True)
class Matches:
    """Everything in one block that is ours, in block order."""

    arrivals: tuple[Arrival, ...]
    departures: tuple[Departure, ...]


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
    vout: int
    spent_by: str | None
    units: int
    height: int
    block_hash: str
    removed: bool


@dataclass(frozen=True, slots=True)
class Coin:
    """One unspent output of a vault on the best chain."""

    chain: str
    txid: str
    vout: int
    vault: str
    address_id: int
    change: bool
    script_pubkey: bytes
    units: int
    coinbase: bool
    height: int | None
    block_hash: str | None

    @property
    def outpoint(self) -> str:
        """``txid:vout``."""
        return f"{self.txid}:{self.vout}"


def scripts_in(block: Block) -> set[bytes]:
    """Every script the block pays to or spends from."""
    return {script for transaction in block.transactions for script in _scripts(transaction)}


def match_block(block: Block, owned: Mapping[bytes, OwnedAddress]) -> Matches:
    """What of ``block`` is ours. Blocks say what their inputs spend, so this needs no memory of earlier ones."""
    arrivals: list[Arrival] = []
    departures: list[Departure] = []
    for transaction in block.transactions:
        departures.extend(_departures(transaction, owned))
        arrivals.extend(arrivals_in(transaction, owned))
    return Matches(tuple(arrivals), tuple(departures))


def arrivals_in(
    transaction: ChainTransaction, owned: Mapping[bytes, OwnedAddress], spending: frozenset[str] = frozenset()
) -> Iterator[Arrival]:
    """The outputs of ours. ``spending``: vaults known otherwise to be spent from (the mempool names no scripts)."""
    vaults = spending | {
        owned[item.script_pubkey].vault
        for item in transaction.inputs
        if item.script_pubkey is not None and item.script_pubkey in owned
    }
    for output in transaction.outputs:
        owner = owned.get(output.script_pubkey)
        if owner is not None:
            yield Arrival(
                txid=transaction.txid,
                vout=output.vout,
                owner=owner,
                script_pubkey=output.script_pubkey,
                units=output.units,
                coinbase=transaction.coinbase,
                own_spend=owner.vault in vaults,
            )


def _departures(transaction: ChainTransaction, owned: Mapping[bytes, OwnedAddress]) -> Iterator[Departure]:
    for item in transaction.inputs:
        if item.script_pubkey is None or item.units is None:
            continue
        owner = owned.get(item.script_pubkey)
        if owner is not None:
            yield Departure(item.txid, item.vout, owner, item.script_pubkey, item.units, transaction.txid)


def _scripts(transaction: ChainTransaction) -> Iterator[bytes]:
    for item in transaction.inputs:
        if item.script_pubkey is not None:
            yield item.script_pubkey
    for output in transaction.outputs:
        yield output.script_pubkey


def rows_of(matches: Matches) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The matches as JSON rows (arrivals, departures) for the set-based inserts."""
    return [_row(item) for item in matches.arrivals], [_row(item) for item in matches.departures]


def _row(item: Arrival | Departure) -> dict[str, Any]:
    return {
        "txid": item.txid,
        "vout": item.vout,
        "vault_id": item.owner.vault,
        "address_id": item.owner.address_id,
        "change": item.owner.change,
        "script": item.script_pubkey.hex(),
        "units": str(item.units),
        "coinbase": isinstance(item, Arrival) and item.coinbase,
        "own_spend": isinstance(item, Arrival) and item.own_spend,
        "spent_by": item.spent_by if isinstance(item, Departure) else None,
    }
