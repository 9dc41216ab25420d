"""Destinations: the kinds taken, the dust limits, and each refusal in words."""

from __future__ import annotations

import pytest

from custody.chains.bitcoin.offline.address import address_of, dust_limit_sat, parse_address
from custody.chains.bitcoin.offline.network import network
from custody.kernel.errors import InvalidInput

MAINNET = network("mainnet")
P2WPKH = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"  # BIP-173
P2WSH = "bc1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qccfmv3"  # BIP-173
P2TR = "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0"  # BIP-350
P2PKH = "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2"
P2SH = "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy"


@pytest.mark.parametrize(
    ("text", "kind", "dust_sat"),
    [
        (P2PKH, "p2pkh", 546),
        (P2SH, "p2sh", 540),
        (P2WPKH, "p2wpkh", 294),
        (P2WSH, "p2wsh", 330),
        (P2TR, "p2tr", 330),
    ],
)
def test_takes_each_kind_with_cores_dust_limit(text, kind, dust_sat):
    destination = parse_address(text, network=MAINNET)
    assert (destination.address, destination.kind) == (text, kind)
    assert dust_limit_sat(destination.script_pubkey) == dust_sat
    assert address_of(destination.script_pubkey, MAINNET) == text


def test_takes_upper_case_bech32_and_writes_it_lower():
    assert parse_address(P2WSH.upper(), network=MAINNET).address == P2WSH


@pytest.mark.parametrize(
    ("text", "net", "reason"),
    [
        (P2WPKH, "regtest", "an address of mainnet; accepted is one of regtest"),
        (P2PKH, "testnet", "an address of mainnet; accepted is one of testnet"),
        (
            "tb1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3q0sl5k7",
            "mainnet",
            "an address of testnet or signet",
        ),
        (P2WPKH[:-1] + "T", "mainnet", "mixed upper and lower case"),
        (P2WPKH[:-1], "mainnet", "wrong bech32 checksum"),
        (P2WPKH + "q", "mainnet", "wrong bech32 checksum"),
        (P2WSH + "q" * 40, "mainnet", "longer than any address"),
        (P2PKH[:-1], "mainnet", "wrong Base58 checksum"),
        (" " + P2WPKH, "mainnet", "holds a blank"),
        (P2WPKH + "\n", "mainnet", "holds a blank"),
        (P2WPKH[:10] + " " + P2WPKH[10:], "mainnet", "holds a blank"),
        ("", "mainnet", "too short"),
        ("bc1q", "mainnet", "too short"),
        ("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3tа", "mainnet", "characters no address has"),
        (None, "mainnet", "not a string"),
        (7, "mainnet", "not a string"),
        ("5KYZdUEo39z3FPrtuX2QbbwGnNP5zTd7yyr2SC1j299sBCnWjss", "mainnet", "private key (WIF)"),
        ("bc1z2rksukkjr8", "mainnet", "witness version 2 with 2 bytes has no spending rules yet"),
        ("bc1pfeessrawgf", "mainnet", "witness version 1 with 2 bytes has no spending rules yet"),
        ("LVg2kJoFNg45Nbpy53h7Fe1wKyeXVRhMH9", "mainnet", "version byte is of no Bitcoin network"),
    ],
)
def test_refuses_by_name(text, net, reason):
    with pytest.raises(InvalidInput) as caught:
        parse_address(text, network=network(net), field="to")
    assert reason in caught.value.message
    assert caught.value.field == "to"


def test_refuses_when_the_second_decoder_disagrees(monkeypatch):
    from custody.chains.bitcoin.offline import address

    monkeypatch.setattr(address, "_foreign_script", lambda _text, _network: b"\x00\x14" + bytes(20))
    with pytest.raises(InvalidInput, match="two decoders disagree"):
        parse_address(P2WPKH, network=MAINNET)


def test_refuses_the_address_of_a_script_that_has_none():
    with pytest.raises(InvalidInput, match="without an address"):
        address_of(b"\x6a\x01\x00", MAINNET)
