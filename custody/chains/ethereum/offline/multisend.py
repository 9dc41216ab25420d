"""MultiSend batches: calls packed one behind the other inside ``multiSend(bytes)``.

Each call is operation (1 byte), to (20), value (32), length (32), data; the packing is not the ABI's, so nothing
aligns and every byte belongs to exactly one call. Operation 1 would be a delegatecall: the call-only contract reverts
on it, the other MultiSend executes it, and it is refused here whichever of them is called.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from custody.chains.ethereum.offline.abi import (
    MAX_DATA_BYTES,
    NotCanonical,
    call_arguments,
    dynamic_bytes,
    pack,
    uint_word,
)
from custody.chains.ethereum.offline.address import address_bytes, checksum_address
from custody.chains.ethereum.offline.keccak import selector
from custody.kernel.errors import InvalidInput, Refused

MULTI_SEND_CALL: Final = selector("multiSend(bytes)")
CALL: Final = 0
_HEAD: Final = 1 + 20 + 32 + 32


class BatchDelegates(Refused):
    """A call inside a batch is not a plain call: operation 1 hands the Safe over to whoever is called."""

    code = "batch-delegates"


@dataclass(frozen=True, slots=True)
class Call:
    """One plain call of a batch: to whom, with how many wei, saying what."""

    to: str
    value: int
    data: bytes


def encode_multisend(calls: Sequence[Call]) -> bytes:
    """``multiSend`` of these calls in this order, all plain. Raises ``InvalidInput`` for none or too many."""
    if not calls:
        raise InvalidInput("no calls; accepted is at least one", field="calls")
    packed = b"".join(map(_pack, calls))
    if len(packed) > MAX_DATA_BYTES:
        raise InvalidInput(f"longer than {MAX_DATA_BYTES} bytes", field="calls")
    return MULTI_SEND_CALL + pack(dynamic_bytes(packed))


def decode_multisend(data: bytes, *, field: str = "data") -> tuple[Call, ...]:
    """Read a batch in its one canonical form: every byte accounted for, nothing behind, at least one call.

    Raises ``InvalidInput`` naming ``field``, and ``BatchDelegates`` for an operation that is not 0.
    """
    try:
        arguments = call_arguments(data, MULTI_SEND_CALL, fields=1)
        packed = arguments.byte_string()
        arguments.finish()
        calls = tuple(_unpack(packed))
    except NotCanonical as error:
        raise InvalidInput(f"not a canonical multiSend(bytes): {error}", field=field) from error
    if not calls:
        raise InvalidInput("an empty batch", field=field)
    return calls


def _pack(call: Call) -> bytes:
    try:
        head = bytes([CALL]) + address_bytes(call.to, field="to") + uint_word(call.value)
    except ValueError as error:
        raise InvalidInput(str(error), field="value") from error
    return head + uint_word(len(call.data)) + call.data


def _unpack(packed: bytes) -> list[Call]:
    calls: list[Call] = []
    at = 0
    while at < len(packed):
        if len(packed) - at < _HEAD:
            raise NotCanonical("a call that ends too early")
        operation, to = packed[at], packed[at + 1 : at + 21]
        value = int.from_bytes(packed[at + 21 : at + 53], "big")
        length = int.from_bytes(packed[at + 53 : at + 85], "big")
        at += _HEAD
        if length > len(packed) - at:
            raise NotCanonical("a call whose data ends too early")
        if operation != CALL:
            raise BatchDelegates(
                f"call {len(calls)} of the batch has operation {operation}; accepted is 0, a plain call"
            )
        calls.append(Call(checksum_address(to), value, packed[at : at + length]))
        at += length
    return calls
