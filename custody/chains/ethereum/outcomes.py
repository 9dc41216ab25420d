"""How signed SafeTxs ended, out of the logs of many blocks: for catching up, blocks tell the same as they are read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from custody.chains.ethereum.answers import read_bytes, read_hash, read_number
from custody.chains.ethereum.offline.address import checksum_address
from custody.chains.ethereum.offline.events import EXECUTION_FAILURE, EXECUTION_SUCCESS, Log, executed
from custody.chains.ethereum.rpc import Portion, Rpc, expecting, quantity
from custody.chains.port import NodeRefused, Outcome

BLOCKS_PER_LOG_QUERY: Final = 10_000
SPENDS_PER_LOG_QUERY: Final = 100


def outcomes(rpc: Rpc, spends: Iterable[str], *, first: int, last: int) -> dict[str, tuple[int, str, Outcome]]:
    """By SafeTx hash between two heights, both included: height, block hash and outcome."""
    found: dict[str, tuple[int, str, Outcome]] = {}
    wanted = sorted(set(spends))
    portion = Portion(BLOCKS_PER_LOG_QUERY)
    for start in range(0, len(wanted), SPENDS_PER_LOG_QUERY):
        chunk = wanted[start : start + SPENDS_PER_LOG_QUERY]
        topics = [["0x" + EXECUTION_SUCCESS.hex(), "0x" + EXECUTION_FAILURE.hex()], chunk]
        for answer in _logs(rpc, topics, first, last, portion):
            with expecting("eth_getLogs"):
                height, block_hash, outcome = _outcome(answer)
            if outcome is not None:
                found[outcome.spend] = (height, block_hash, outcome)
    return found


def _logs(rpc: Rpc, topics: Sequence[Any], first: int, last: int, portion: Portion) -> Iterable[Mapping[str, Any]]:
    at = first
    while at <= last:
        until = min(last, at + portion.size - 1)
        query = {"fromBlock": quantity(at), "toBlock": quantity(until), "topics": topics}
        try:
            answers = rpc.call("eth_getLogs", query)
        except NodeRefused as refusal:
            portion.halve(refusal, until - at + 1)
            continue
        portion.went_well()
        yield from answers
        at = until + 1


def _outcome(answer: Mapping[str, Any]) -> tuple[int, str, Outcome | None]:
    emitter = read_bytes(answer["address"])
    topics = tuple(read_bytes(topic) for topic in answer["topics"])
    ended = executed(Log(checksum_address(emitter), topics, read_bytes(answer["data"])))
    outcome = None if ended is None else Outcome("0x" + ended.safe_tx_hash.hex(), emitter, ended.success)
    return read_number(answer["blockNumber"]), read_hash(answer["blockHash"]), outcome
