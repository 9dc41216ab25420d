"""What the house asks of any chain: plain values and two Protocols. Nothing here knows Bitcoin or stores anything.

Amounts are ``units``: integers in the base unit of the asset named beside them by its CAIP-19 id. A ``locator`` is
what the chain itself calls an address, in bytes. Hashes and transaction ids are lower-case hex as people and nodes
write them. Times are aware and in UTC.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from custody.chains.addressing import Rules, Series
from custody.chains.spending import Candidates, Plan, Shares, SpendRules
from custody.kernel.errors import NotFound, Refused, Unavailable


class NodeUnavailable(Unavailable):
    """The node does not answer, answers no sense, or is busy. What was asked may or may not have happened."""

    code = "node-unavailable"


class NodeNotReady(Unavailable):
    """The node is still syncing or behind its own headers: what it does not show may exist."""

    code = "node-not-ready"


class NodesDisagree(NodeNotReady):
    """Two nodes of one network tell it differently: neither is believed."""

    code = "nodes-disagree"


class WrongNetwork(Refused):
    """The node's genesis block is another network's."""

    code = "wrong-network"


class NodeRefused(Refused):
    """The node understood and said no. ``facts['rpc_code']`` is its own number for why."""

    code = "node-refused"


class AddressesNotServed(Unavailable):
    """What our addresses stand on is not on the chain, or not as it should be: none is derived for anybody."""

    code = "addresses-not-served"


class BlockNotFound(NotFound):
    """The node has no such block."""

    code = "block-not-found"


class TransactionNotFound(NotFound):
    """The node has no such transaction where it was asked to look."""

    code = "transaction-not-found"


class AssetSilent(Unavailable):
    """A registered asset does not say what a place holds. ``facts['asset']`` is which; others are not concerned."""

    code = "asset-silent"


class NoFinality(Refused):
    """Deposits are to count when the network says that a block is final, and the node does not say it."""

    code = "no-finality"


class StateForgotten(Unavailable):
    """The node does not have the balances of that block any more; those of a newer one it has."""

    code = "state-forgotten"


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
class Debit:
    """Something one transaction takes from one place. What the node does not say (mempool) is ``None``."""

    txid: str
    position: int
    """``(txid, position)`` names the coin taken on a chain with coins, and elsewhere this debit itself."""
    locator: bytes | None
    asset: str | None
    units: int | None
    spend: str
    """What took it: the transaction's own id, or that of the signed spend it carried out."""


@dataclass(frozen=True, slots=True)
class Credit:
    """Something one transaction brings to one place. ``position`` is this credit's alone in its transaction."""

    position: int
    locator: bytes
    asset: str
    units: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """A place says how a signed spend of its ended. Anybody may have carried it out; it can end once."""

    spend: str
    locator: bytes
    """Who says so. Of another place than the spend's own it means nothing."""
    succeeded: bool
    """False: the spend is used up and has paid nothing."""


@dataclass(frozen=True, slots=True)
class ChainTransaction:
    """A transaction as the chain or the mempool holds it. A coinbase has no debits."""

    txid: str
    coinbase: bool
    debits: tuple[Debit, ...]
    credits: tuple[Credit, ...]
    outcomes: tuple[Outcome, ...] = ()
    """On a chain where a signed spend is not a transaction of its own."""
    touched: tuple[bytes, ...] = ()
    """Places whose rules this transaction may have changed, where a place has rules that can change."""


@dataclass(frozen=True, slots=True)
class Block:
    """A whole block. ``parent`` is ``None`` for genesis alone; ``time`` is the header's, which miners choose."""

    height: int
    hash: str
    parent: str | None
    time: datetime
    transactions: tuple[ChainTransaction, ...]
    is_complete: bool = True
    """False where the node shows only a part of what moved: balances tell the rest."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """What was told of one place and what arrived there differ, over one block. What arrived is what counts."""

    asset: str
    locator: bytes
    told: int
    """Units in less units out, as transactions and logs have it."""
    arrived: int
    """Change of the balance."""


@dataclass(frozen=True, slots=True)
class Settled:
    """A block whose debits and credits of the places asked for add up to what their balances show."""

    block: Block
    doubts: tuple[Doubt, ...]


@dataclass(frozen=True, slots=True)
class Holding:
    """What one place holds of one asset: one confirmed coin where the chain has coins, else the whole balance.

    ``txid``, ``position`` and ``height`` are the coin's, with the height it was confirmed at; ``None`` for a balance.
    """

    locator: bytes
    asset: str
    units: int
    txid: str | None
    position: int | None
    height: int | None
    coinbase: bool


@dataclass(frozen=True, slots=True)
class Holdings:
    """Everything found, all as of one block: coins ordered by (txid, position), or balances by (asset, locator).

    An empty balance is left out; a coin of nothing is a coin.
    """

    height: int
    hash: str
    holdings: tuple[Holding, ...]
    silent: tuple[str, ...] = ()
    """Assets that do not say what somebody has: of them nothing stands here, which does not mean that nothing is."""


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

    @property
    def has_coins(self) -> bool:
        """Whether what a place holds is made of coins, each named by an outpoint; else it is one balance."""

    @property
    def rules_can_change(self) -> bool:
        """Whether whom a place obeys is written on the chain and can be changed there."""

    def status(self) -> NodeStatus:
        """Where the node stands now; never raises for a wrong or unready node, says so."""

    def require_ready(self) -> NodeStatus:
        """``status`` of a node that may be believed. Raises ``WrongNetwork`` or ``NodeNotReady``."""

    def check_serves_addresses(self) -> None:
        """Raise ``AddressesNotServed`` unless whatever our addresses need of this chain is there as it should be.

        Asked before an address is put in stock. Raises ``WrongNetwork`` or ``NodeNotReady`` as well where a chain has
        such a need.
        """

    def block_hash(self, height: int) -> str | None:
        """The best chain's block at ``height``, ``None`` above the tip."""

    def finalized_height(self) -> int | None:
        """The newest block the network says cannot be undone; ``None`` where nobody says it."""

    def block(self, block_hash: str) -> Block:
        """The block, with whose and how much every debit is. Raises ``BlockNotFound``."""

    def settle(self, block: Block, locators: Collection[bytes]) -> Settled:
        """The block with what really arrived at ``locators``, where what is told of a place may not be what it holds.

        A coin is what it says: on a chain with coins this is the block itself. Where it cannot be known any more, what
        may not be believed is left out and the block is not complete: ``unseen`` tells later.
        """

    def unseen(
        self, recorded: Mapping[tuple[bytes, str], int], *, since: str, until: str
    ) -> tuple[ChainTransaction, ...]:
        """What moved and no block told: balances at the block ``until`` less ``recorded``, (locator, asset) to units.

        Each is named by its place, its asset and the two blocks, so doing it again finds the same. Nothing on a chain
        with coins. Raises ``AssetSilent``, and ``StateForgotten`` where the node has no balances of ``until``.
        """

    def changed_rules(self, places: Sequence[Rules], *, block_hash: str) -> dict[bytes, list[str]]:
        """Those places that obey others than their keyset says at the block, with what differs in sentences.

        Where the node does not remember that block, its newest counts. Nothing where rules cannot change.
        """

    def mempool(self, *, limit: int, known: Set[str]) -> list[ChainTransaction]:
        """Unconfirmed transactions whose txid is not in ``known``, at most ``limit``, in txid order."""

    def in_mempool(self, txids: Iterable[str]) -> set[str]:
        """Those of ``txids`` the node's mempool holds now."""

    def holdings(self, locators: Iterable[bytes], *, assets: Collection[str]) -> Holdings:
        """What exactly these places hold of ``assets``, as of the block the node reports with them."""

    def holdings_of(self, series: Sequence[Series], *, assets: Collection[str]) -> Holdings:
        """The same for every place of these series.

        The places are derived anew by the node or the adapter: no table of ours is believed.
        """


class Doorbell(Protocol):
    """A node's notices, which say that it may be worth looking and never what is there."""

    def __call__(self, url: str, *, on_ring: Callable[[], None], stop: Callable[[], bool], every_seconds: int) -> None:
        """Call ``on_ring`` at once, when the node rings, and after ``every_seconds`` of silence, until ``stop()``."""


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

    def cost_units(self, plan: Plan) -> int:
        """What the network takes for carrying out ``plan`` at today's fees, in the chain's own asset, whoever bears it.

        Raises ``NodeUnavailable``.
        """

    def share(
        self, candidates: Candidates, *, rules: SpendRules, most_inputs: int, fee_rate: int | None = None
    ) -> Shares:
        """How to empty the vault of the candidates by payments of at most ``most_inputs`` coins, at today's fees.

        The order's units, with the fees where the vault bears them, are the most that may leave. A payment whose fee
        passes a cap is left out. Raises ``NodeNotReady``.
        """


class ChainNode(ChainReader, Broadcaster, Planner, Protocol):
    """A node that can be read and written, which is what an adapter is."""
