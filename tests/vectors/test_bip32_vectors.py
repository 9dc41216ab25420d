"""BIP-32 vectors: extended public keys read, derived and refused."""

from __future__ import annotations

import pytest
from embit import bip32, bip39
from embit.networks import NETWORKS as EMBIT

from custody.chains.bitcoin.offline.keys import ExtendedKey, parse_path
from custody.kernel.errors import InvalidInput
from tests.support.vectors import rows

DERIVED = rows("bip32_derivation", "derive", "derive_from_mnemonic")
INVALID = rows("bip32_derivation", "invalid_extended_key")


def _root(given):
    if "seed_hex" in given:
        return bip32.HDKey.from_seed(bytes.fromhex(given["seed_hex"]))
    return bip32.HDKey.from_seed(bip39.mnemonic_to_seed(given["mnemonic"], given.get("passphrase", "")))


@pytest.mark.parametrize("row", DERIVED)
def test_reads_and_writes_the_same_extended_key(row):
    key = ExtendedKey.parse(row["expected"]["xpub"])
    assert key.text == row["expected"]["xpub"]
    for field, value in (
        ("fingerprint", key.fingerprint.hex()),
        ("parent_fingerprint", key.parent_fingerprint.hex()),
        ("depth", key.depth),
        ("chaincode_hex", key.chain_code.hex()),
        ("pubkey_hex", key.public_key.hex()),
    ):
        assert row["expected"].get(field, value) == value


@pytest.mark.parametrize("row", DERIVED)
def test_derives_the_same_child_from_the_parents_public_key(row):
    steps = parse_path(row["input"]["path"].removeprefix("m").removeprefix("/"), field="path")
    unhardened = len(steps) - next((place for place, step in enumerate(reversed(steps)) if step >= 2**31), len(steps))
    start = _root(row["input"])
    for step in steps[:unhardened]:
        start = start.child(step)
    version = EMBIT["main" if row["expected"]["xpub"].startswith("x") else "test"]["xpub"]
    key = ExtendedKey.parse(start.to_public().to_base58(version))
    for step in steps[unhardened:]:
        key = key.child(step)
    assert key.text == row["expected"]["xpub"]


@pytest.mark.parametrize("row", [row for row in DERIVED if row.values[0]["expected"].get("xprv")])
def test_refuses_the_private_half_and_does_not_repeat_it(row):
    with pytest.raises(InvalidInput, match="private key") as caught:
        ExtendedKey.parse(row["expected"]["xprv"])
    assert row["expected"]["xprv"][:12] not in str(caught.value)


@pytest.mark.parametrize("row", INVALID)
def test_refuses_an_invalid_extended_key(row):
    with pytest.raises(InvalidInput):
        ExtendedKey.parse(row["input"]["extended_key"])
