"""Transactions: reading, ids and the size of a spend."""

from __future__ import annotations

import pytest
from bitcoin.core import CTransaction
from hypothesis import given, settings
from hypothesis import strategies as st

from custody.chains.bitcoin.offline.psbt import add_signatures, finalize
from custody.chains.bitcoin.offline.transaction import (
    MalformedTransaction,
    compact_size,
    estimate_vsize,
    parse_transaction,
    txid_of,
)
from tests.chains.bitcoin.offline.builders import COSIGNERS, PAYEE, payment, pubkeys_of, signatures_of

# The genesis coinbase: its txid is the Merkle root in every client's source.
GENESIS = bytes.fromhex(
    "01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff4d04ffff001d0104455468652054696d"
    "65732030332f4a616e2f32303039204368616e63656c6c6f72206f6e206272696e6b206f66207365636f6e64206261696c6f757420666f7220"
    "62616e6b73ffffffff0100f2052a01000000434104678afdb0fe5548271967f1a67130b7105cd6a828e03909a67962e0ea1f61deb649f6bc3f"
    "4cef38c4f35504e51ec112de5c384df7ba0b8d578a4c702b6bf11d5fac00000000"
)
# BIP-143, native P2WPKH: the signed transaction.
BIP143 = bytes.fromhex(
    "01000000000102fff7f7881a8099afa6940d42d1e7f6362bec38171ea3edf433541db4e4ad969f00000000494830450221008b9d1dc26ba6a9"
    "cb62127b02742fa9d754cd3bebf337f7a55d114c8e5cdd30be022040529b194ba3f9281a99f2b1c0a19c0489bc22ede944ccf4ecbab4cc618e"
    "f3ed01eeffffffef51e1b804cc89d182d279655c3aa89e815b1b309fe287d9b2b55d57b90ec68a0100000000ffffffff02202cb20600000000"
    "1976a9148280b37df378db99f66f85c95a783a76ac7a6d5988ac9093510d000000001976a9143bde42dbee7e4dbe6a21b2d50ce2f0167faa81"
    "5988ac000247304402203609e17b84f6a7d30c80bfa610b5b4542f32a8a0d5447a12fb1366d7f01cc44a0220573a954c4518331561406f9030"
    "0e8f3358f51928d43c212a8caed02de67eebee0121025476c2e83188368da1ff3e292e7acafcdb3566bb0ad253f62fc70f07aeee635711"
    "000000"
)


def test_names_the_genesis_coinbase():
    assert txid_of(GENESIS) == "4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b"


def test_reads_and_writes_a_witness_transaction():
    signed = parse_transaction(BIP143)
    assert signed.raw == BIP143
    assert signed.txid == CTransaction.deserialize(BIP143).GetTxid()[::-1].hex()
    assert signed.wtxid == CTransaction.deserialize(BIP143).GetHash()[::-1].hex()
    assert len(signed.stripped) < len(BIP143)
    assert signed.weight == 3 * len(signed.stripped) + len(BIP143)
    assert parse_transaction(signed.stripped).txid == signed.txid != signed.wtxid


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        BIP143[:-1],
        BIP143 + b"\0",
        GENESIS.replace(b"\x01\x00\x00\x00\x01", b"\x01\x00\x00\x00\xfd\x01\x00", 1),
        GENESIS.replace(b"\x00\xf2\x05\x2a\x01\x00\x00\x00", b"\xff" * 8),
        b"\x01\0\0\0\xff" + b"\xff" * 8,
    ],
)
def test_refuses_what_is_not_exactly_one_transaction(raw):
    with pytest.raises(MalformedTransaction):
        parse_transaction(raw)


@given(st.integers(0, 2**64 - 1))
def test_writes_the_shortest_length(value):
    width = len(compact_size(value))
    assert width == (1 if value < 0xFD else 3 if value < 2**16 else 5 if value < 2**32 else 9)


@settings(max_examples=10, deadline=None)
@given(inputs=st.integers(1, 6), quorum=st.permutations(range(3)))
def test_estimates_no_less_than_the_signed_size_and_hardly_more(inputs, quorum):
    psbt = payment(inputs=inputs)
    for place in quorum[:2]:
        pubkeys = pubkeys_of(place, inputs=inputs)
        psbt = add_signatures(psbt, pubkeys=pubkeys, signatures=signatures_of(psbt, COSIGNERS[place]))
    scripts = [output.script_pubkey for output in psbt.outputs]
    estimate = estimate_vsize(inputs=inputs, threshold=2, members=3, output_scripts=scripts)
    signed = finalize(psbt)
    assert signed.vsize <= estimate <= signed.vsize + inputs


def test_estimates_what_counting_by_hand_gives():
    # stripped: 4 + 1 + 41 + 1 + 31 + 4 = 82; witness: 2 + (1 + 1 + 2 * 73 + 1 + 105) = 256; (4 * 82 + 256) / 4
    assert estimate_vsize(inputs=1, threshold=2, members=3, output_scripts=[PAYEE]) == 146
