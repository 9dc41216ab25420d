"""What the house asks of any chain: plain values and two Protocols. Nothing here knows Bitcoin or stores anything.

Amounts are ``units``: integers in the base unit of the chain's own asset (satoshi on Bitcoin). Hashes and
transaction ids are lower-case hex as people and nodes write them. Times are aware and in UTC.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from custody.chains.spending import Candidates, Plan, SpendRules
from custody.kernel.errors import NotFound, Refused, Unavailable


class NodeUnavailable(Unavailable):
    """The node does not answer, answers no sense, or is busy. What was asked may or may not have happened."""

    code = "node-unavailable"


class NodeNotReady(Unavailable):
    """The node is still syncing or behind its own headers: what it does not show may exist."""

    code = "node-not-ready"


class WrongNetwork(Refused):
    """The node's genesis block is another network's."""

    code = "wrong-network"


class NodeRefused(Refused):
    """The node understood and said no. ``facts['rpc_code']`` is its own number for why."""

    code = "node-refused"


class BlockNotFound(NotFound):
    """The node has no such block."""

    code = "block-not-found"


class TransactionNotFound(NotFound):
    """The node has no such transaction where it was asked to look."""

    code = "transaction-not-found"


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """Where a node stands. Believe its blocks only when ``synced`` and ``genesis_ok`` are both true."""

    chain: str
    """CAIP-2 id of the network the adapter was made for."""
    height: int
    hash: str
    headers: int
    synced: bool
    """Neither in its initial download nor behind the headers it knows."""
    genesis_ok: bool


@dataclass(frozen=True, slots=True)
class ChainInput:
    """One outpoint a transaction spends. Script and units are ``None`` where the node does not say (mempool)."""

    txid: str
    vout: int
    script_pubkey: bytes | None
    units: int | None


@dataclass(frozen=True, slots=True)
class ChainOutput:
    """One output of a transaction."""

    vout: int
    script_pubkey: bytes
    units: int


@dataclass(frozen=True, slots=True)
class ChainTransaction:
    """A transaction as the chain or the mempool holds it. A coinbase has no inputs."""

    txid: str
    coinbase: bool
    inputs: tuple[ChainInput, ...]
    outputs: tuple[ChainOutput, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """A whole block. ``parent`` is ``None`` for genesis alone; ``time`` is the header's, which miners choose."""

    height: int
    hash: str
    parent: str | None
    time: datetime
    transactions: tuple[ChainTransaction, ...]


@dataclass(frozen=True, slots=True)
class Unspent:
    """One confirmed coin, with the height it was confirmed at."""

    txid: str
    vout: int
    script_pubkey: bytes
    units: int
    height: int
    coinbase: bool


@dataclass(frozen=True, slots=True)
class UtxoSnapshot:
    """Every coin found, all as of one block. Coins are ordered by (txid, vout)."""

    height: int
    hash: str
    unspents: tuple[Unspent, ...]


class BroadcastResult(StrEnum):
    """What is known after sending. Only ``REJECTED`` says the node does not have the transaction."""

    ACCEPTED = "accepted"
    ALREADY_KNOWN = "already_known"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class BroadcastOutcome:
    """The result of one send; ``reason`` is the node's word for a rejection or why nothing is known."""

    result: BroadcastResult
    reason: str = ""

    @property
    def held(self) -> bool:
        """The node has it, in its mempool or in a block."""
        return self.result in (BroadcastResult.ACCEPTED, BroadcastResult.ALREADY_KNOWN)


class ChainReader(Protocol):
    """What can be asked of a node. Every method raises ``NodeUnavailable`` when it is silent."""

    @property
    def chain(self) -> str:
        """CAIP-2 id."""

    def status(self) -> NodeStatus:
        """Where the node stands now; never raises for a wrong or unready node, says so."""

    def require_ready(self) -> NodeStatus:
        """``status`` of a node that may be believed. Raises ``WrongNetwork`` or ``NodeNotReady``."""

    def block_hash(self, height: int) -> str | None:
        """The best chain's block at ``height``, ``None`` above the tip."""

    def block(self, block_hash: str) -> Block:
        """The block, with what its inputs spend. Raises ``BlockNotFound``."""

    def mempool(self, *, limit: int, known: Set[str]) -> list[ChainTransaction]:
        """Unconfirmed transactions whose txid is not in ``known``, at most ``limit``, in txid order."""

    def in_mempool(self, txids: Iterable[str]) -> set[str]:
        """Those of ``txids`` the node's mempool holds now."""

    def scan_scripts(self, scripts: Iterable[bytes]) -> UtxoSnapshot:
        """The coins of exactly these output scripts, as of the block the node reports with them."""

    def scan_ranges(self, ranges: Sequence[tuple[str, int]]) -> UtxoSnapshot:
        """The coins of (descriptor, last index) ranges, derived by the node itself from index 0."""


class Broadcaster(Protocol):
    """The one way onto a chain."""

    def broadcast(self, raw: bytes) -> BroadcastOutcome:
        """Send a final transaction. Sending again is harmless; silence is ``UNKNOWN``, never an exception."""


class Planner(Protocol):
    """Choosing what pays for an order, with what only a node knows."""

    def plan(self, candidates: Candidates, *, rules: SpendRules, fee_rate: int | None = None) -> Plan:
        """What to use up and which fee, with all that composing it needs; writes nothing and reserves nothing.

        ``fee_rate`` is in the chain's own unit, ``None`` for the node's estimate. With attempts before it the plan
        replaces them. Raises ``NodeNotReady``, ``NothingFree``, ``FeeOverCap`` or ``CannotReplace``.
        """


class ChainNode(ChainReader, Broadcaster, Planner, Protocol):
    """A node that can be read and written, which is what an adapter is."""
