"""Base58Check and bech32 against the standards' own examples and against bdkpython."""

from __future__ import annotations

import bdkpython
import pytest
from hypothesis import given
from hypothesis import strategies as st

from custody.chains.bitcoin.offline import encoding
from custody.chains.bitcoin.offline.address import address_of, parse_address
from custody.chains.bitcoin.offline.encoding import (
    base58check_decode,
    base58check_encode,
    segwit_decode,
    segwit_encode,
)
from custody.chains.bitcoin.offline.network import NETWORKS, network

FOREIGN = {
    "mainnet": bdkpython.Network.BITCOIN,
    "testnet": bdkpython.Network.TESTNET,
    "signet": bdkpython.Network.SIGNET,
    "regtest": bdkpython.Network.REGTEST,
}
HASH20, HASH32 = st.binary(min_size=20, max_size=20), st.binary(min_size=32, max_size=32)
SCRIPTS = st.one_of(
    HASH20.map(lambda body: b"\x00\x14" + body),
    HASH32.map(lambda body: b"\x00\x20" + body),
    HASH32.map(lambda body: b"\x51\x20" + body),
    HASH20.map(lambda body: b"\x76\xa9\x14" + body + b"\x88\xac"),
    HASH20.map(lambda body: b"\xa9\x14" + body + b"\x87"),
)


def test_writes_the_examples_of_bip173_and_bip350():
    program = bytes.fromhex("751e76e8199196d454941c45d1b3a323f1433bd6")
    assert segwit_encode("bc", 0, program) == "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"
    point = bytes.fromhex("79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798")
    assert segwit_encode("bc", 1, point) == "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0"


@given(SCRIPTS, st.sampled_from(NETWORKS))
def test_writes_the_same_address_as_bdk_and_reads_it_back(script, net):
    address = address_of(script, net)
    foreign = bdkpython.Address.from_script(bdkpython.Script(script), FOREIGN[net.name])
    assert str(foreign) == address
    assert parse_address(address, network=net).script_pubkey == script


@given(st.integers(0, 16), st.binary(min_size=2, max_size=40), st.sampled_from(["bc", "tb", "bcrt"]))
def test_segwit_survives_writing_and_reading(version, program, hrp):
    if version == 0:
        program = program.ljust(32, b"\0")[:32]
    assert segwit_decode(segwit_encode(hrp, version, program)) == (hrp, version, program)


@given(st.binary(min_size=1, max_size=80))
def test_base58check_survives_writing_and_reading(payload):
    assert base58check_decode(base58check_encode(payload)) == payload


@given(st.integers(0, 61), st.sampled_from("qpzry9x8gf2tvdw0s3jn54khce6mua7l"))
def test_one_changed_character_is_always_noticed(place, character):
    address = "bc1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qccfmv3"
    assert parse_address(address, network=network("mainnet")).kind == "p2wsh"
    changed = address[:place] + character + address[place + 1 :]
    if changed != address:
        with pytest.raises(ValueError, match=r"."):
            segwit_decode(changed)


@pytest.mark.parametrize(
    "text",
    [
        "bc1zw508d6qejxtdg4y5r3zarvaryvqyzf3du",  # BIP-173: zero padding of more than 4 bits
        "tb1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3pjxtptv",  # BIP-173: non-zero padding
        "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7v07qwwzcrf",  # BIP-350: more than 4 bits
        "tb1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vpggkg4j",  # BIP-350: non-zero padding
    ],
)
def test_refuses_padding_by_itself(text, monkeypatch):
    monkeypatch.setattr(encoding, "_constant", lambda _version: encoding._polymod(*_state_of(text)))
    with pytest.raises(ValueError, match="padding"):
        segwit_decode(text)


def _state_of(text: str):
    hrp, words = encoding._bech32_words(text)
    return words, encoding._hrp_state(hrp)
