"""What a node says of the relayer and of what it is to carry. Nothing here is stored, signed or sent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from custody.chains.carrying import Market, Prospect, Readiness, Standing
from custody.chains.ethereum.answers import read_bytes, read_number
from custody.chains.ethereum.offline.storage import NONCE_SLOT
from custody.chains.ethereum.payer import call_of
from custody.chains.ethereum.rpc import Json, Rpc, expecting, quantity
from custody.chains.ethereum.spending import EthereumSpending, Execution
from custody.chains.port import NodeRefused

BLOCKS_LOOKED_AT: Final = 10
"""Blocks whose tips tell what others add."""

_LATEST: Final = "latest"


class Relaying:
    """One network at one node."""

    def __init__(self, rpc: Rpc, *, chain: str) -> None:
        self._rpc = rpc
        self._spending = EthereumSpending(chain)

    def standing(self, account: str) -> Standing:
        """Counts and balance of the relayer. A node without a pool promises what is mined."""
        used, promised, wei = self._numbers(
            [
                ("eth_getTransactionCount", (account, _LATEST)),
                ("eth_getTransactionCount", (account, "pending")),
                ("eth_getBalance", (account, _LATEST)),
            ]
        )
        return Standing(used, max(used, promised), wei)

    def examine(self, finals: Iterable[bytes], *, account: str) -> list[Prospect]:
        """Each execution by the nonce in its Safe's storage; what can go is tried from ``account``, alone."""
        executions = [self._spending.read_execution(raw) for raw in finals]
        asked: list[tuple[str, Sequence[Json]]] = []
        for each in executions:
            asked.append(("eth_getCode", (each.attempt.safe, _LATEST)))
            asked.append(("eth_getStorageAt", (each.attempt.safe, "0x" + NONCE_SLOT.hex(), _LATEST)))
        answers = _all(self._rpc.batch(asked)) if asked else []
        with expecting("eth_getStorageAt"):
            stands = [
                _standing_of(each, bool(read_bytes(code)), read_number(nonce))
                for each, code, nonce in zip(executions, answers[::2], answers[1::2], strict=True)
            ]
        return self._tried(executions, stands, account)

    def market(self) -> Market:
        """The next block's base fee, and the median of the tips paid of late; where none was, what the node says."""
        history, tip = self._rpc.batch(
            [
                ("eth_feeHistory", (quantity(BLOCKS_LOOKED_AT), _LATEST, [50])),
                ("eth_maxPriorityFeePerGas", ()),
            ]
        )
        if isinstance(history, NodeRefused):
            raise history
        with expecting("eth_feeHistory"):
            base = read_number(history["baseFeePerGas"][-1])
            rewards = sorted(filter(None, (read_number(each[0]) for each in history.get("reward") or () if each)))
            said = 0 if isinstance(tip, NodeRefused) or tip is None else read_number(tip)
        return Market(base, rewards[len(rewards) // 2] if rewards else said)

    def held_at(self, account: str, *, height: int) -> int:
        """Wei an address had after the block of that height."""
        return self._numbers([("eth_getBalance", (account, quantity(height)))])[0]

    def _tried(self, executions: Sequence[Execution], stands: Sequence[Readiness], account: str) -> list[Prospect]:
        able = (Readiness.READY, Readiness.FIRST)
        asked: list[tuple[str, Sequence[Json]]] = []
        for each, readiness in zip(executions, stands, strict=True):
            if readiness in able:
                call = call_of(each, deploying=readiness is Readiness.FIRST)
                request = {"from": account, "to": call.to, "data": "0x" + call.data.hex()}
                asked.append(("eth_estimateGas", (request, _LATEST)))
        answers = iter(self._rpc.batch(asked) if asked else [])
        return [
            _prospect(each.attempt.spend, readiness, next(answers) if readiness in able else None)
            for each, readiness in zip(executions, stands, strict=True)
        ]

    def _numbers(self, calls: Sequence[tuple[str, Sequence[Json]]]) -> list[int]:
        answers = _all(self._rpc.batch(calls))
        with expecting(calls[0][0]):
            return [read_number(answer) for answer in answers]


def _standing_of(execution: Execution, deployed: bool, nonce: int) -> Readiness:
    wanted = execution.attempt.tx.nonce
    if nonce > wanted:
        return Readiness.ENDED
    if nonce < wanted:
        return Readiness.EARLY
    return Readiness.READY if deployed else Readiness.FIRST


def _prospect(spend: str, readiness: Readiness, answer: Any) -> Prospect:
    if answer is None:
        return Prospect(spend, readiness)
    if isinstance(answer, NodeRefused):
        return Prospect(spend, Readiness.FAILING, reason=str(answer.facts["rpc_message"])[:120])
    with expecting("eth_estimateGas"):
        return Prospect(spend, readiness, read_number(answer))


def _all(answers: Sequence[Any]) -> Sequence[Any]:
    for answer in answers:
        if isinstance(answer, NodeRefused):
            raise answer
    return answers
