"""One node as it is asked for blocks: who it is, where it stands, and what a block did, in the most it can show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final

from custody.chains.ethereum.answers import (
    Header,
    Receipt,
    read_call_traces,
    read_header,
    read_number,
    read_receipts,
    read_traces,
)
from custody.chains.ethereum.capabilities import Capabilities, Tracing, discover
from custody.chains.ethereum.offline.network import Network
from custody.chains.ethereum.rpc import Rpc, expecting, is_forgotten, quantity
from custody.chains.ethereum.transfers import Traces
from custody.chains.port import BlockNotFound, NodeRefused, NodeUnavailable, WrongNetwork

TRACE_TIMEOUT_SECONDS: Final = 120.0


@dataclass(frozen=True, slots=True)
class Standing:
    """A node's newest block, and whether it is the network's it should be."""

    tip: Header
    headers: int
    synced: bool
    is_of_network: bool


@dataclass(frozen=True, slots=True)
class RawBlock:
    """A block as one node shows it. ``traces`` is ``None`` where it shows none of this block."""

    header: Header
    receipts: Sequence[Receipt]
    traces: Traces | None


class Node:
    """One node of one network."""

    def __init__(self, rpc: Rpc, network: Network) -> None:
        self.rpc, self.network = rpc, network
        self._capabilities: Capabilities | None = None
        self._finding_out = Lock()

    def capabilities(self) -> Capabilities:
        """What the node can do, asked once. Raises ``WrongNetwork`` for a node of another network or kind."""
        with self._finding_out:
            if self._capabilities is None:
                if not self.standing().is_of_network:
                    raise WrongNetwork(f"the node is not one of {self.network.name}", chain=self.network.chain)
                self._capabilities = discover(self.rpc, self.network)
            return self._capabilities

    def standing(self) -> Standing:
        """Where it stands now, in one request."""
        chain_id, syncing, latest, first = _all(
            self.rpc.batch(
                [
                    ("eth_chainId", ()),
                    ("eth_syncing", ()),
                    ("eth_getBlockByNumber", ("latest", False)),
                    ("eth_getBlockByNumber", (quantity(0), False)),
                ]
            )
        )
        with expecting("eth_getBlockByNumber"):
            tip, genesis = read_header(latest), self.network.genesis_hash
            behind = isinstance(syncing, Mapping) or syncing is True
            ahead = read_number(syncing.get("highestBlock") or "0x0") if isinstance(syncing, Mapping) else 0
            return Standing(
                tip=tip,
                headers=max(ahead, tip.height),
                synced=not behind,
                is_of_network=read_number(chain_id) == self.network.chain_id
                and (genesis is None or (first is not None and read_header(first).hash == genesis)),
            )

    def block_hash(self, height: int) -> str | None:
        """The best chain's block at ``height``, ``None`` above the tip."""
        try:
            answer = self.rpc.call("eth_getBlockByNumber", quantity(height), False)
        except NodeRefused as refusal:
            if is_forgotten(refusal):
                return None
            raise
        if answer is None:
            return None
        with expecting("eth_getBlockByNumber"):
            return read_header(answer).hash

    def finalized_height(self) -> int | None:
        """The newest block that cannot be undone, ``None`` where the node does not know."""
        if not self.capabilities().finalized:
            return None
        answer = self.rpc.call("eth_getBlockByNumber", "finalized", False)
        with expecting("eth_getBlockByNumber"):
            return None if answer is None else read_header(answer).height

    def block(self, block_hash: str) -> RawBlock:
        """A block with its receipts and traces, in two requests. Raises ``BlockNotFound``."""
        able = self.capabilities()
        calls: list[tuple[str, Sequence[Any]]] = [("eth_getBlockByHash", (block_hash, True))]
        if able.block_receipts:
            calls.append(("eth_getBlockReceipts", (block_hash,)))
        whole, *receipts = self.rpc.batch(calls)
        if whole is None or (isinstance(whole, NodeRefused) and is_forgotten(whole)):
            raise BlockNotFound(f"the node has no block {block_hash}", chain=self.network.chain)
        if isinstance(whole, NodeRefused):
            raise whole
        with expecting("eth_getBlockByHash"):
            header = read_header(whole)
            if header.hash != block_hash or len(header.transactions) != len(whole["transactions"]):
                raise ValueError("another block, or not whole")
        return RawBlock(header, self._receipts(header, receipts), self._traces(header, able.tracing))

    def _receipts(self, header: Header, answers: Sequence[Any]) -> Sequence[Receipt]:
        if not header.transactions:
            return ()
        if answers and answers[0] is not None and not isinstance(answers[0], NodeRefused):
            found = answers[0]
        else:
            found = _all(self.rpc.batch([("eth_getTransactionReceipt", (sent.txid,)) for sent in header.transactions]))
        if any(each is None for each in found):
            raise NodeUnavailable("the node shows a block without its receipts: it left the chain, or is just coming")
        with expecting("eth_getBlockReceipts"):
            return read_receipts(found, header)

    def _traces(self, header: Header, tracing: Tracing) -> Traces | None:
        """``None`` as well when the node refuses: an old block, or one it cannot trace. Balances tell then."""
        if not header.transactions:
            return {}
        try:
            if tracing is Tracing.FLAT:
                flat = self.rpc.call("trace_block", quantity(header.height), timeout_seconds=TRACE_TIMEOUT_SECONDS)
                with expecting("trace_block"):
                    return read_traces(flat or (), header)
            if tracing is Tracing.TREE:
                trees = self.rpc.call(
                    "debug_traceBlockByHash",
                    header.hash,
                    {"tracer": "callTracer"},
                    timeout_seconds=TRACE_TIMEOUT_SECONDS,
                )
                with expecting("debug_traceBlockByHash"):
                    return read_call_traces(trees, header)
        except NodeRefused:
            return None
        return None


def _all(answers: Sequence[Any]) -> Sequence[Any]:
    for answer in answers:
        if isinstance(answer, NodeRefused):
            raise answer
    return answers
