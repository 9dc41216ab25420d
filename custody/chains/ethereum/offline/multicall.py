"""Multicall3: many calls in one, each allowed to fail alone. Packed by hand: it reads balances by the thousand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from custody.chains.ethereum.offline.abi import (
    WORD,
    Arguments,
    NotCanonical,
    address_word,
    call_arguments,
    dynamic_array,
    dynamic_bytes,
    pack,
    uint_word,
)
from custody.chains.ethereum.offline.address import address_bytes
from custody.chains.ethereum.offline.keccak import selector
from custody.kernel.errors import InvalidInput

AGGREGATE3: Final = selector("aggregate3((address,bool,bytes)[])")
GET_ETH_BALANCE: Final = selector("getEthBalance(address)")


@dataclass(frozen=True, slots=True)
class TryCall:
    """One call that may fail without taking the others with it, unless ``may_fail`` is false."""

    to: str
    data: bytes
    may_fail: bool = True


@dataclass(frozen=True, slots=True)
class Result:
    """What a call answered. ``success`` of a call to an address without code is true and means nothing."""

    success: bool
    data: bytes


def encode_aggregate3(calls: Sequence[TryCall]) -> bytes:
    """``aggregate3`` of these calls in this order."""
    return AGGREGATE3 + pack(dynamic_array([_packed(call) for call in calls]))


def decode_aggregate3(data: bytes, *, field: str = "data") -> tuple[TryCall, ...]:
    """Read ``aggregate3`` in its one canonical form. Raises ``InvalidInput``."""
    try:
        outer = call_arguments(data, AGGREGATE3, fields=1)
        calls = []
        for inner in outer.tuples(fields=3):
            to, may_fail, said = inner.address(), inner.boolean(), inner.byte_string()
            inner.finish()
            calls.append(TryCall(to, said, may_fail))
        outer.finish()
    except NotCanonical as error:
        raise InvalidInput(f"not a canonical aggregate3: {error}", field=field) from error
    return tuple(calls)


def decode_results(data: bytes, *, expected: int) -> tuple[Result, ...]:
    """What ``aggregate3`` returned for ``expected`` calls. Raises ``InvalidInput`` for anything else."""
    try:
        outer = Arguments(data, fields=1, limit=None)
        results = []
        for inner in outer.tuples(fields=2):
            success, said = inner.boolean(), inner.byte_string()
            inner.finish()
            results.append(Result(success, said))
        outer.finish()
    except NotCanonical as error:
        raise InvalidInput(f"not what aggregate3 returns: {error}", field="results") from error
    if len(results) != expected:
        raise InvalidInput(f"{len(results)} results of {expected} calls", field="results")
    return tuple(results)


def encode_get_eth_balance(holder: str) -> bytes:
    """``getEthBalance(holder)``, answered in wei by Multicall3 itself."""
    return GET_ETH_BALANCE + address_word(address_bytes(holder, field="holder"))


def uint_result(result: Result) -> int | None:
    """The number a call answered, ``None`` when it failed or answered anything but one word."""
    return int.from_bytes(result.data, "big") if result.success and len(result.data) == WORD else None


def _packed(call: TryCall) -> bytes:
    return pack(
        address_word(address_bytes(call.to, field="to")), uint_word(int(call.may_fail)), dynamic_bytes(call.data)
    )
