"""What a node can do, found out by asking it when it is first used, and never assumed from its name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from custody.chains.ethereum.answers import read_bytes, read_header, read_number
from custody.chains.ethereum.offline.deployments import MULTICALL3
from custody.chains.ethereum.offline.keccak import keccak
from custody.chains.ethereum.offline.network import Network
from custody.chains.ethereum.rpc import Json, Rpc, at_block, expecting, is_not_offered
from custody.chains.port import NodeRefused, WrongNetwork

PROBE: Final = "0x" + keccak(b"custody/probe")[12:].hex()
"""An address nobody has, for code that exists during one call."""

_ANSWER: Final = (42).to_bytes(32, "big")
_PROBE_CODE: Final = "0x602a60005260206000f3"
"""Answers 42 as a word. Without the override there is no code and the answer is empty."""

_REFUSED_CLIENTS: Final = ("zksync", "zkstack", "zk-stack", "era-test-node", "anvil-zksync")


class Tracing(StrEnum):
    """How the calls inside transactions are shown."""

    FLAT = "trace_block"
    TREE = "debug_traceBlockByHash"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What one node offers us."""

    client: str
    """What it calls itself, for people."""
    tracing: Tracing
    block_receipts: bool
    """All receipts of a block in one answer."""
    overrides: bool
    """``eth_call`` with code of ours in place, at a block named by its hash."""
    multicall: bool
    """Multicall3 stands at its address with the code pinned."""
    finalized: bool
    """It knows the newest block that cannot be undone."""


def discover(rpc: Rpc, network: Network) -> Capabilities:
    """Ask a node what it can do. Raises ``WrongNetwork`` by name for what derives addresses otherwise (zkSync).

    A method counts as offered unless the node says that it has none of that name: one that fails on the newest block
    may do better on the next.
    """
    client, latest, finalized = rpc.batch(
        [
            ("web3_clientVersion", ()),
            ("eth_getBlockByNumber", ("latest", False)),
            ("eth_getBlockByNumber", ("finalized", False)),
        ]
    )
    name = client[:80] if isinstance(client, str) else "unnamed"
    if any(word in name.lower() for word in _REFUSED_CLIENTS):
        raise WrongNetwork(
            f"the node is a {name}: chains of its kind put a Safe at another address", chain=network.chain
        )
    if isinstance(latest, NodeRefused):
        raise latest
    with expecting("eth_getBlockByNumber"):
        tip = read_header(latest)
        height = read_number(latest["number"])
    asked: Sequence[tuple[str, Sequence[Json]]] = (
        ("eth_getBlockReceipts", (tip.hash,)),
        ("eth_call", ({"to": PROBE}, at_block(tip.hash), {PROBE: {"code": _PROBE_CODE}})),
        ("eth_getCode", (MULTICALL3.address, at_block(tip.hash))),
        ("trace_block", (hex(height),)),
    )
    receipts, probed, code, flat = rpc.batch(asked)
    return Capabilities(
        client=name,
        tracing=_tracing(rpc, flat, tip.hash),
        block_receipts=_is_offered(receipts),
        overrides=probed == "0x" + _ANSWER.hex(),
        multicall=_is_pinned(code),
        finalized=not isinstance(finalized, NodeRefused) and finalized is not None,
    )


def _tracing(rpc: Rpc, flat: Any, block_hash: str) -> Tracing:
    if _is_offered(flat):
        return Tracing.FLAT
    (tree,) = rpc.batch([("debug_traceBlockByHash", (block_hash, {"tracer": "callTracer"}))])
    return Tracing.TREE if _is_offered(tree) else Tracing.NONE


def _is_offered(answer: Any) -> bool:
    if isinstance(answer, NodeRefused):
        return not is_not_offered(answer)
    return answer is not None


def _is_pinned(code: Any) -> bool:
    if isinstance(code, NodeRefused):
        return False
    with expecting("eth_getCode"):
        return keccak(read_bytes(code)) == MULTICALL3.code_hash
