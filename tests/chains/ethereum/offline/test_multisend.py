"""Batches: what safe-eth-py packs, and no other byte string; never an operation but 0."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safe_eth.safe.multi_send import MultiSendOperation, MultiSendTx

from custody.chains.ethereum.offline.abi import dynamic_bytes, pack, uint_word
from custody.chains.ethereum.offline.multisend import (
    MULTI_SEND_CALL,
    BatchDelegates,
    Call,
    decode_multisend,
    encode_multisend,
)
from custody.kernel.errors import InvalidInput
from tests.chains.ethereum.offline.builders import PAYEE, TOKEN, any_calls, token_call
from tests.chains.ethereum.offline.mutations import read_all

ONE = Call(PAYEE, 10**18, b"")


def _packed(call: Call, *, operation: int = 0) -> bytes:
    head = bytes([operation]) + bytes.fromhex(call.to[2:]) + uint_word(call.value)
    return head + uint_word(len(call.data)) + call.data


def _batch(packed: bytes) -> bytes:
    return MULTI_SEND_CALL + pack(dynamic_bytes(packed))


@settings(deadline=None)
@given(st.lists(any_calls, min_size=1, max_size=6))
def test_reads_what_it_writes_and_packs_as_safe_eth_py_does(batch):
    data = encode_multisend(batch)
    assert list(decode_multisend(data)) == batch
    theirs = [MultiSendTx(MultiSendOperation.CALL, call.to, call.value, call.data) for call in batch]
    assert data == _batch(b"".join(each.encoded_data for each in theirs))


def test_another_byte_is_another_batch_or_none():
    refused, read = read_all(decode_multisend, encode_multisend([ONE, token_call()]))
    assert refused > 1500
    assert read > 1000


@pytest.mark.parametrize("operation", [1, 2, 27, 255])
@pytest.mark.parametrize("place", [0, 1])
def test_refuses_every_operation_but_a_call(operation, place):
    packed = [_packed(ONE), _packed(token_call())]
    packed[place] = _packed((ONE, token_call())[place], operation=operation)
    with pytest.raises(BatchDelegates, match=f"call {place} of the batch has operation {operation}"):
        decode_multisend(_batch(b"".join(packed)))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "another call"),
        (_batch(b""), "an empty batch"),
        (_batch(_packed(ONE) + b"\0"), "a call that ends too early"),
        (_batch(_packed(ONE)[:-1]), "a call that ends too early"),
        (_batch(_packed(token_call())[:-1]), "data ends too early"),
        (_batch(_packed(ONE)[:53] + b"\xff" * 32), "data ends too early"),
        (_batch(_packed(ONE)) + bytes(32), "left over"),
        (MULTI_SEND_CALL + uint_word(64) + uint_word(0) + _batch(_packed(ONE))[36:], "next free byte"),
        (_batch(_packed(ONE))[:-1] + b"\x01", "padding"),
        (_batch(bytes(131_073)), "longer than"),
    ],
)
def test_refuses_a_batch_that_is_none(data, reason):
    with pytest.raises(InvalidInput, match=reason) as caught:
        decode_multisend(data)
    assert caught.value.field == "data"


@pytest.mark.parametrize(
    ("calls", "field"),
    [
        ([], "calls"),
        ([Call("0x12", 0, b"")], "to"),
        ([Call(TOKEN, -1, b"")], "value"),
        ([Call(TOKEN, 2**256, b"")], "value"),
        ([Call(TOKEN, 0, bytes(131_072))], "calls"),
    ],
)
def test_writes_no_batch_that_is_none(calls, field):
    with pytest.raises(InvalidInput) as caught:
        encode_multisend(calls)
    assert caught.value.field == field
