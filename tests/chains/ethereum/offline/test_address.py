"""Addresses: the two forms taken, and each refusal in words."""

from __future__ import annotations

import pytest
from eth_utils.address import to_checksum_address
from hypothesis import given
from hypothesis import strategies as st

from custody.chains.ethereum.offline.address import (
    RESERVED_BELOW,
    ZERO,
    address_bytes,
    checksum_address,
    expect_checksummed,
    parse_address,
    read_address,
)
from custody.kernel.errors import InvalidInput

GOOD = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"  # EIP-55
CAPITALS = "0x52908400098527886E0F7030069857D2E4169EE7"  # EIP-55, whose checksum happens to be all capitals


def test_takes_the_checksum_and_lower_case_and_writes_the_checksum():
    assert parse_address(GOOD) == parse_address(GOOD.lower()) == GOOD
    assert parse_address(CAPITALS) == CAPITALS
    assert address_bytes(GOOD) == address_bytes(GOOD.lower()) == bytes.fromhex(GOOD[2:])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (GOOD[:-1] + "D", "wrong EIP-55 checksum"),
        ("0x" + GOOD[2:].upper(), "wrong EIP-55 checksum"),
        (ZERO, "the zero address"),
        ("0x" + "00" * 19 + "01", "a reserved address"),
        ("0x" + "00" * 19 + "ff", "a reserved address"),
        ("0x000000000000000000000000000000000000dEaD", "a reserved address"),
        (GOOD[2:], "without 0x in front"),
        ("0X" + GOOD[2:], "0X in capitals"),
        (GOOD[:-1], "39 hex digits"),
        (GOOD + "0", "41 hex digits"),
        ("0x", "not an address"),
        ("", "not an address"),
        (" " + GOOD, "holds a blank"),
        (GOOD + "\n", "holds a blank"),
        (GOOD[:-1] + "\u0435", "not an address"),
        ("XE7338O073KYGTWWZN0F2WZ0R8PX5ZPPZS", "an ICAP number"),
        ("vitalik.eth", "a name"),
        ("pay.acme.example", "a name"),
        ("eth:" + GOOD, "a chain's prefix"),
        ("eip155:1:" + GOOD, "a chain's prefix"),
        ("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "an address of Bitcoin"),
        ("1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2", "an address of Bitcoin"),
        ("3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy", "an address of Bitcoin"),
        ("0x" + "ab" * 32, "may"),
        ("ab" * 32, "private key"),
        (None, "not a string"),
        (b"0x" + b"11" * 20, "not a string"),
        (int(GOOD, 16), "not a string"),
    ],
)
def test_refuses_what_is_no_address_and_says_why(text, reason):
    with pytest.raises(InvalidInput) as caught:
        parse_address(text, field="to")
    assert caught.value.field == "to"
    assert reason in str(caught.value) or (reason == "may" and "private key that must not be here" in str(caught.value))


@pytest.mark.parametrize("text", ["0x" + "4c" * 32, "4c" * 32])
def test_never_repeats_what_may_be_a_private_key(text):
    with pytest.raises(InvalidInput) as caught:
        parse_address(text)
    assert "4c4c4c" not in str(caught.value) + repr(caught.value.facts)


def test_reads_zero_and_reserved_ones_in_fields_of_messages():
    assert read_address(ZERO, field="gasToken") == ZERO
    assert int(read_address("0x" + "00" * 19 + "01", field="owner"), 16) < RESERVED_BELOW


def test_knows_a_text_that_is_already_as_we_write_it():
    assert expect_checksummed(GOOD, field="safe") == bytes.fromhex(GOOD[2:])
    with pytest.raises(InvalidInput, match="safe: without its EIP-55 checksum"):
        expect_checksummed(GOOD.lower(), field="safe")


@pytest.mark.parametrize("length", [0, 19, 21, 32])
def test_writes_nothing_of_another_length(length):
    with pytest.raises(ValueError, match="20 bytes"):
        checksum_address(bytes(length))


@given(st.binary(min_size=20, max_size=20))
def test_writes_the_same_checksum_as_eth_utils(raw):
    assert checksum_address(raw) == to_checksum_address(raw)


@given(st.binary(min_size=20, max_size=20).filter(lambda raw: int.from_bytes(raw, "big") >= RESERVED_BELOW), st.data())
def test_one_letter_in_the_other_case_is_refused(raw, data):
    text = checksum_address(raw)
    letters = [place for place, character in enumerate(text) if place > 1 and character.isalpha()]
    if not letters:
        return
    place = data.draw(st.sampled_from(letters))
    changed = text[:place] + text[place].swapcase() + text[place + 1 :]
    if changed == changed.lower():
        assert parse_address(changed) == text
    else:
        with pytest.raises(InvalidInput, match="wrong EIP-55 checksum"):
            parse_address(changed)


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused_with_one_kind_of_error(text):
    try:
        assert parse_address(text).lower() == text.lower()
    except InvalidInput as error:
        assert error.field == "destination"
