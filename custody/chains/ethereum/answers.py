"""The node's JSON read into plain values, strictly: what does not fit raises ``ValueError`` or its like.

Callers stand inside ``rpc.expecting``, which makes that ``NodeUnavailable``. Block, transaction and SafeTx hashes are
``0x`` and 64 lower-case hex digits, as nodes write them; addresses are 20 bytes; amounts are wei.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from custody.chains.ethereum.offline.execution import EXEC_TRANSACTION

Answer = Mapping[str, Any]

_WEI_PER_GWEI: Final = 10**9
_NO_PARENT: Final = "0x" + "00" * 32


@dataclass(frozen=True, slots=True)
class Sent:
    """A transaction as its sender made it. ``to`` is ``None`` where it makes a contract."""

    txid: str
    sender: bytes
    to: bytes | None
    wei: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Header:
    """A block without what its transactions did. ``parent`` is ``None`` for genesis."""

    height: int
    hash: str
    parent: str | None
    time: datetime
    producer: bytes
    """Where the tips of its transactions go."""
    base_fee_wei: int
    withdrawals: tuple[tuple[bytes, int], ...]
    """From the beacon chain: to whom, how many wei."""
    transactions: tuple[Sent, ...]


@dataclass(frozen=True, slots=True)
class RawLog:
    """A log: who emitted it, its topics, its data."""

    emitter: bytes
    topics: tuple[bytes, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a transaction. A failed one has no logs and paid its fee all the same."""

    txid: str
    succeeded: bool
    fee_wei: int
    """All that its sender paid for being mined: gas, blobs, and a rollup's share for the chain below."""
    tip_wei: int
    """What of it the block's producer got."""
    created: bytes | None
    logs: tuple[RawLog, ...]


class Act(StrEnum):
    """What a frame of a trace is, as far as ether and storage are concerned."""

    CALL = "call"
    CREATE = "create"
    DESTROY = "destroy"
    DELEGATE = "delegate"
    """Another contract's code run as ``sender``: no ether moves, and ``sender``'s storage may change."""
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Frame:
    """One call inside a transaction, in the order they began; the first is the transaction itself."""

    act: Act
    sender: bytes
    to: bytes | None
    wei: int
    above: int
    """Place of the frame that made it, -1 for the first."""
    stands: bool
    """Neither it nor any frame above it failed."""
    asks_execution: bool
    """A call of ``execTransaction``."""


def read_header(answer: Answer) -> Header:
    """``eth_getBlockByHash`` and ``eth_getBlockByNumber``; transactions only where they are given whole."""
    parent = read_hash(answer["parentHash"])
    return Header(
        height=read_number(answer["number"]),
        hash=read_hash(answer["hash"]),
        parent=None if parent == _NO_PARENT else parent,
        time=datetime.fromtimestamp(read_number(answer["timestamp"]), UTC),
        producer=read_address(answer["miner"]),
        base_fee_wei=read_number(answer.get("baseFeePerGas") or "0x0"),
        withdrawals=tuple(
            (read_address(each["address"]), read_number(each["amount"]) * _WEI_PER_GWEI)
            for each in answer.get("withdrawals") or ()
        ),
        transactions=tuple(read_sent(each) for each in answer["transactions"] if isinstance(each, Mapping)),
    )


def read_sent(answer: Answer) -> Sent:
    """A transaction, in a block or waiting."""
    return Sent(
        txid=read_hash(answer["hash"]),
        sender=read_address(answer["from"]),
        to=None if answer.get("to") is None else read_address(answer["to"]),
        wei=read_number(answer["value"]),
        data=read_bytes(answer.get("input") or "0x"),
    )


def read_receipts(answers: Sequence[Answer], header: Header) -> tuple[Receipt, ...]:
    """The receipts of every transaction of a block, in its order."""
    receipts = tuple(_receipt(answer, header) for answer in answers)
    if [receipt.txid for receipt in receipts] != [sent.txid for sent in header.transactions]:
        raise ValueError("receipts of other transactions")
    return receipts


def read_traces(answers: Iterable[Answer], header: Header) -> dict[str, tuple[Frame, ...]] | None:
    """``trace_block``: flat, each frame with the path to it. ``None`` unless it is of every transaction of this block.

    The method takes a height, so after a reorganisation it may be another block's.
    """
    found: dict[str, list[Frame]] = {}
    places: dict[tuple[str, tuple[int, ...]], int] = {}
    for answer in answers:
        txid = answer.get("transactionHash")
        if txid is None:
            continue  # The block's reward, on networks that have one.
        if read_hash(answer["blockHash"]) != header.hash:
            return None
        frames = found.setdefault(read_hash(txid), [])
        path = tuple(answer["traceAddress"])
        above = places[txid, path[:-1]] if path else -1
        places[txid, path] = len(frames)
        stands = not answer.get("error") and (above < 0 or frames[above].stands)
        frames.append(_flat_frame(answer, above, stands))
    return _of_all(found, header)


def read_call_traces(answers: Sequence[Answer], header: Header) -> dict[str, tuple[Frame, ...]] | None:
    """``debug_traceBlockByHash`` with ``callTracer``: trees, in the order of the block's transactions."""
    if len(answers) != len(header.transactions):
        return None
    found: dict[str, list[Frame]] = {}
    for sent, answer in zip(header.transactions, answers, strict=True):
        if "result" not in answer or read_hash(answer.get("txHash", sent.txid)) != sent.txid:
            return None
        found[sent.txid] = _tree_frames(answer["result"])
    return _of_all(found, header)


def read_hash(value: object) -> str:
    """32 bytes."""
    if not isinstance(value, str) or len(value) != 66 or read_bytes(value).hex() != value[2:]:
        raise ValueError("not a hash")
    return value


def read_address(value: object) -> bytes:
    """20 bytes."""
    raw = read_bytes(value)
    if len(raw) != 20:
        raise ValueError("not an address")
    return raw


def read_bytes(value: object) -> bytes:
    """``0x`` and an even number of hex digits."""
    if not isinstance(value, str) or value[:2] != "0x":
        raise ValueError("not bytes")
    return bytes.fromhex(value[2:])


def read_number(value: object) -> int:
    """``0x`` and hex digits."""
    if not isinstance(value, str) or value[:2] != "0x":
        raise ValueError("not a number")
    return int(value[2:], 16)


def _receipt(answer: Answer, header: Header) -> Receipt:
    if read_hash(answer["blockHash"]) != header.hash:
        raise ValueError("a receipt of another block")
    gas, price = read_number(answer["gasUsed"]), read_number(answer.get("effectiveGasPrice") or "0x0")
    blobs = read_number(answer.get("blobGasUsed") or "0x0") * read_number(answer.get("blobGasPrice") or "0x0")
    created = answer.get("contractAddress")
    return Receipt(
        txid=read_hash(answer["transactionHash"]),
        succeeded=read_number(answer["status"]) == 1,
        fee_wei=gas * price + blobs + read_number(answer.get("l1Fee") or "0x0"),
        tip_wei=gas * max(price - header.base_fee_wei, 0),
        created=None if created is None else read_address(created),
        logs=tuple(
            RawLog(
                read_address(log["address"]),
                tuple(bytes.fromhex(read_hash(topic)[2:]) for topic in log["topics"]),
                read_bytes(log["data"]),
            )
            for log in answer["logs"]
        ),
    )


def _flat_frame(answer: Answer, above: int, stands: bool) -> Frame:
    action, kind = answer["action"], answer["type"]
    if kind == "suicide":
        heir = read_address(action["refundAddress"])
        return Frame(
            Act.DESTROY, read_address(action["address"]), heir, read_number(action["balance"]), above, stands, False
        )
    sender, wei = read_address(action["from"]), read_number(action.get("value") or "0x0")
    if kind == "create":
        made = (answer.get("result") or {}).get("address")
        return Frame(Act.CREATE, sender, None if made is None else read_address(made), wei, above, stands, False)
    if kind != "call":
        return Frame(Act.OTHER, sender, None, 0, above, stands, False)
    act = {"call": Act.CALL, "delegatecall": Act.DELEGATE}.get(action["callType"], Act.OTHER)
    return Frame(act, sender, read_address(action["to"]), wei, above, stands, _asks_execution(act, action["input"]))


_ACTS: Final = {
    "CALL": Act.CALL,
    "CREATE": Act.CREATE,
    "CREATE2": Act.CREATE,
    "SELFDESTRUCT": Act.DESTROY,
    "DELEGATECALL": Act.DELEGATE,
}


def _tree_frames(root: Answer) -> list[Frame]:
    frames: list[Frame] = []
    waiting: list[tuple[Answer, int]] = [(root, -1)]
    while waiting:
        answer, above = waiting.pop()
        act = _ACTS.get(answer["type"], Act.OTHER)
        stands = not answer.get("error") and (above < 0 or frames[above].stands)
        to = answer.get("to")
        waiting += [(inner, len(frames)) for inner in reversed(answer.get("calls") or ())]
        frames.append(
            Frame(
                act,
                read_address(answer["from"]),
                None if to is None else read_address(to),
                read_number(answer.get("value") or "0x0"),
                above,
                stands,
                _asks_execution(act, answer.get("input") or "0x"),
            )
        )
    return frames


def _asks_execution(act: Act, data: str) -> bool:
    return act is Act.CALL and data[:10] == _EXEC_TRANSACTION


_EXEC_TRANSACTION: Final = "0x" + EXEC_TRANSACTION.hex()


def _of_all(found: Mapping[str, Sequence[Frame]], header: Header) -> dict[str, tuple[Frame, ...]] | None:
    if set(found) != {sent.txid for sent in header.transactions}:
        return None
    return {txid: tuple(frames) for txid, frames in found.items()}


def says_known(reason: str) -> bool:
    """Whether these are a node's words for a transaction it has already."""
    return any(word in reason.lower() for word in _KNOWN_WORDS)


def says_rejected(reason: str) -> bool:
    """Whether these are a node's words for a transaction it does not take."""
    return any(word in reason.lower() for word in _REJECTED_WORDS)


_KNOWN_WORDS: Final = ("already known", "already imported", "known transaction", "alreadyknown")
_REJECTED_WORDS: Final = (
    "underpriced", "insufficient funds", "intrinsic gas", "exceeds block gas limit", "fee cap", "max fee per gas",
    "tip higher", "invalid sender", "invalid chain", "decode", "rlp", "signature", "oversized", "gas limit too high",
)  # fmt: skip
