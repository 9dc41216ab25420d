"""Hostile PSBTs: refused within bounds, with one kind of error, whatever the bytes are."""

from __future__ import annotations

import base64
import random
import time
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from custody.chains.bitcoin.offline.psbt import (
    MAX_PSBT_BYTES,
    PayOutput,
    PsbtRefused,
    check_input_amounts,
    compose,
    count_valid_signatures,
    parse_psbt,
    refuse_other_network,
)
from custody.chains.bitcoin.offline.psbt.maps import MAGIC
from custody.chains.bitcoin.offline.transaction import Transaction, TransactionInput, TransactionOutput, compact_size
from tests.chains.bitcoin.offline.builders import PAYEE, REGTEST, coin, payment, vault

ENTRY = TransactionInput("11" * 32, 0, b"", 0xFFFFFFFD)
PAY = TransactionOutput(1_000, PAYEE)


def _psbt(unsigned: Transaction, *, fields: bytes = b"", tail: bytes | None = None) -> str:
    raw = unsigned.stripped
    ends = b"\0" * (len(unsigned.inputs) + len(unsigned.outputs)) if tail is None else tail
    return base64.b64encode(MAGIC + b"\x01\x00" + compact_size(len(raw)) + raw + fields + b"\0" + ends).decode()


def _refused(text: object) -> str:
    started = time.monotonic()
    with pytest.raises(PsbtRefused) as caught:
        parse_psbt(text)
    assert time.monotonic() - started < 2
    assert caught.value.field == "psbt"
    return caught.value.message


def test_p083_refuses_no_inputs_and_too_many_of_either():
    assert "0 inputs" in _refused("cHNidP8BAAoAAAAAAAAAAAAAAA==")  # BIP-174, no inputs and no outputs
    many_outputs = Transaction(2, (ENTRY,), (PAY,) * 10_000, 0)
    assert "10000 outputs" in _refused(_psbt(many_outputs))
    entries = tuple(TransactionInput(f"{place:064x}", 0, b"", 0) for place in range(251))
    assert "251 inputs" in _refused(_psbt(Transaction(2, entries, (PAY,), 0)))
    assert "0 outputs" in _refused(_psbt(Transaction(2, (ENTRY,), (), 0)))


def test_p083_refuses_the_same_coin_twice_and_a_signed_transaction():
    assert "the same coin is spent twice" in _refused(_psbt(Transaction(2, (ENTRY, ENTRY), (PAY,), 0)))
    signed = TransactionInput("11" * 32, 0, b"\x51", 0)
    assert "holds a signature script" in _refused(_psbt(Transaction(2, (signed,), (PAY,), 0)))


def test_p083_refuses_duplicate_keys_in_every_map():
    unsigned = Transaction(2, (ENTRY,), (PAY,), 0)
    twice = b"\x01\xfb\x04\0\0\0\0" * 2
    assert "the same key twice" in _refused(_psbt(unsigned, fields=twice))
    sighash = b"\x01\x03\x04\x01\0\0\0"
    assert "the same key twice" in _refused(_psbt(unsigned, tail=sighash * 2 + b"\0\0"))
    script = b"\x01\x00\x01\x51"
    assert "the same key twice" in _refused(_psbt(unsigned, tail=b"\0" + script * 2 + b"\0"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "psbt",
        "cHNidP8=",
        payment().base64[:-4],
        payment().base64 + "AAAA",
        payment().base64[:40] + "\n" + payment().base64[40:],
        payment().base64[:40] + "é" + payment().base64[41:],
        payment().raw.hex(),
        payment().raw[:-1],
        payment().raw + b"\0",
        b"",
        MAGIC,
        None,
        7,
    ],
)
def test_p083_refuses_what_is_not_one_whole_psbt(text):
    _refused(text)


def test_p083_refuses_one_too_large_before_reading_it():
    assert "larger than" in _refused("A" * (MAX_PSBT_BYTES * 2))
    assert "accepted is at most" in _refused(MAGIC + bytes(MAX_PSBT_BYTES))


@pytest.mark.parametrize("claim", [b"\xfd\xff\xff", b"\xfe\xff\xff\xff\x7f", b"\xff" * 9])
def test_p083_believes_no_length_that_cannot_follow(claim):
    tracemalloc.start()
    _refused(MAGIC + b"\x01\x00" + claim + bytes(50))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000


def test_p083_refuses_version_2_by_name():
    unsigned = Transaction(2, (ENTRY,), (PAY,), 0)
    assert "PSBT version 2" in _refused(_psbt(unsigned, fields=b"\x01\xfb\x04\x02\0\0\0"))


def test_p083_reads_the_largest_psbt_it_would_compose_in_bounded_time():
    ours = vault()
    coins = [coin(ours, index=place % 20, salt=place + 1) for place in range(250)]
    outputs = [PayOutput(PAYEE, 1_000)] * 2_000
    psbt = compose(inputs=coins, outputs=outputs, network=REGTEST)
    started = time.monotonic()
    assert len(parse_psbt(psbt.base64).inputs) == 250
    assert time.monotonic() - started < 10


def _survives(raw: bytes) -> None:
    try:
        psbt = parse_psbt(raw)
    except PsbtRefused:
        return
    count_valid_signatures(psbt)
    for check in (check_input_amounts, lambda found: refuse_other_network(found, REGTEST), lambda found: found.fee_sat):
        try:
            check(psbt)
        except PsbtRefused:
            continue


def test_p083_raises_nothing_but_its_own_refusal_on_mutants():
    raw, slowest = payment().raw, 0.0
    for _ in range(3_000):
        mutant = bytearray(raw)
        for _ in range(random.randint(1, 4)):
            place = random.randrange(len(mutant))
            action = random.randrange(4)
            if action == 0:
                mutant[place] = random.randrange(256)
            elif action == 1:
                del mutant[place : place + random.randint(1, 40)]
            elif action == 2:
                mutant[place:place] = random.randbytes(random.randint(1, 40))
            else:
                mutant[place] ^= 1 << random.randrange(8)
            if not mutant:
                break
        started = time.monotonic()
        _survives(bytes(mutant))
        slowest = max(slowest, time.monotonic() - started)
    assert slowest < 2


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400))
def test_p083_raises_nothing_but_its_own_refusal_on_garbage(garbage):
    _survives(garbage)
    _survives(MAGIC + garbage)
