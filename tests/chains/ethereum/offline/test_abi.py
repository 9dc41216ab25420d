"""Packing words: the same bytes as eth_abi writes, and only those are read."""

from __future__ import annotations

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from custody.chains.ethereum.offline.abi import (
    MAX_DATA_BYTES,
    Arguments,
    NotCanonical,
    address_word,
    call_arguments,
    dynamic_array,
    dynamic_bytes,
    dynamic_words,
    pack,
    uint_word,
)

raw_addresses = st.binary(min_size=20, max_size=20)


def _read(data: bytes) -> tuple[object, ...]:
    arguments = Arguments(data, fields=5)
    found = (
        arguments.uint(), arguments.byte_string(), arguments.addresses(), arguments.boolean(), arguments.byte_string(),
    )  # fmt: skip
    arguments.finish()
    return found


@given(
    st.integers(0, 2**256 - 1),
    st.binary(max_size=70),
    st.lists(raw_addresses, max_size=4),
    st.booleans(),
    st.binary(max_size=40),
)
def test_writes_what_eth_abi_writes_and_reads_it_back(number, first, holders, flag, last):
    packed = pack(
        uint_word(number), dynamic_bytes(first), dynamic_words([address_word(raw) for raw in holders]),
        uint_word(int(flag)), dynamic_bytes(last),
    )  # fmt: skip
    texts = ["0x" + raw.hex() for raw in holders]
    assert packed == encode(("uint256", "bytes", "address[]", "bool", "bytes"), (number, first, texts, flag, last))
    found = _read(packed)
    assert found[:2] + found[3:] == (number, first, flag, last)
    assert [text.lower() for text in found[2]] == texts


@given(st.lists(st.tuples(raw_addresses, st.booleans(), st.binary(max_size=70)), max_size=4))
def test_writes_arrays_of_tuples_as_eth_abi_does(items):
    packed = pack(
        dynamic_array([pack(address_word(raw), uint_word(int(flag)), dynamic_bytes(data)) for raw, flag, data in items])
    )
    texts = [("0x" + raw.hex(), flag, data) for raw, flag, data in items]
    assert packed == encode(("(address,bool,bytes)[]",), (texts,))
    outer = Arguments(packed, fields=1)
    found = []
    for inner in outer.tuples(fields=3):
        found.append((inner.address().lower(), inner.boolean(), inner.byte_string()))
        inner.finish()
    outer.finish()
    assert found == texts


GOOD = pack(
    uint_word(7), dynamic_bytes(b"abc"), dynamic_words([address_word(b"\x11" * 20)]), uint_word(1), dynamic_bytes(b"")
)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda data: data + bytes(32), "left over"),
        (lambda data: data[:-32], "ends too early"),
        (lambda data: data[:100], "ends too early"),
        (lambda data: data[:63] + bytes([data[63] + 32]) + data[64:], "next free byte"),
        (lambda data: data[:32] + data[128:160] + data[64:], "next free byte"),
        (lambda data: data[:160] + b"\xff" * 32 + data[192:], "ends too early"),
        (lambda data: data[:195] + b"\x01" + data[196:], "padding"),
        (lambda data: data[:127] + b"\x02" + data[128:], "more than 1 bits"),
        (lambda data: data[:256] + b"\x01" + data[257:], "in front that are not zero"),
    ],
)
def test_refuses_every_other_encoding_of_the_same(change, reason):
    assert _read(GOOD)[1] == b"abc"
    with pytest.raises(NotCanonical, match=reason):
        _read(change(GOOD))


def test_two_parts_at_one_place_are_refused():
    shared = uint_word(64) + uint_word(64) + uint_word(1) + b"\x07" + bytes(31)
    arguments = Arguments(shared, fields=2)
    assert arguments.byte_string() == b"\x07"
    with pytest.raises(NotCanonical, match="next free byte"):
        arguments.byte_string()


def test_tuples_with_a_gap_or_in_another_order_are_refused():
    one, two = (pack(address_word(bytes([place]) * 20), dynamic_bytes(b"x")) for place in (1, 2))
    swapped = uint_word(32) + uint_word(2) + uint_word(64 + len(one)) + uint_word(64) + one + two
    gap = uint_word(32) + uint_word(1) + uint_word(64) + bytes(32) + one
    for data in (swapped, gap):
        with pytest.raises(NotCanonical, match="one behind the other"):
            Arguments(data, fields=1).tuples(fields=2)


def test_reading_too_few_or_too_many_fields_is_noticed():
    with pytest.raises(NotCanonical, match="fewer fields"):
        Arguments(uint_word(1), fields=1).finish()
    arguments = Arguments(uint_word(1), fields=1)
    arguments.uint()
    with pytest.raises(NotCanonical, match="more fields"):
        arguments.uint()


def test_refuses_another_call_and_what_no_node_relays():
    with pytest.raises(NotCanonical, match="another call"):
        call_arguments(b"\x01\x02\x03\x04" + uint_word(1), b"\x01\x02\x03\x05", fields=1)
    with pytest.raises(NotCanonical, match="longer than"):
        Arguments(bytes(MAX_DATA_BYTES + 1), fields=1)


@pytest.mark.parametrize("value", [-1, 2**256, True, 1.0, "1"])
def test_packs_no_number_that_is_none(value):
    with pytest.raises(ValueError, match="not an unsigned number"):
        uint_word(value)
    with pytest.raises(ValueError, match="8 bits"):
        uint_word(256, bits=8)
