"""Multisig vectors: BIP-67 order and scripts, and other wallets' addresses."""

from __future__ import annotations

import pytest

from custody.chains.bitcoin.offline.address import address_of
from custody.chains.bitcoin.offline.descriptor import (
    p2wsh_script,
    parse_vault_descriptor,
    script_pubkeys,
    sorted_multisig_script,
    with_checksum,
)
from custody.chains.bitcoin.offline.keys import AccountKey, ExtendedKey, parse_path
from custody.chains.bitcoin.offline.network import network
from custody.chains.bitcoin.offline.script import p2sh_script, read_multisig
from custody.kernel.errors import InvalidInput
from tests.support.vectors import rows

NETWORKS = {"bitcoin": network("mainnet"), "testnet": network("testnet")}
WRAP = {
    "p2sh": p2sh_script,
    "p2sh-p2wsh": lambda script: p2sh_script(p2wsh_script(script)),
    "p2wsh": p2wsh_script,
}


@pytest.mark.parametrize("row", rows("sorted_multisig"))
def test_sorts_keys_and_gives_the_same_script(row):
    script = sorted_multisig_script(row["input"]["threshold"], [bytes.fromhex(key) for key in row["input"]["pubkeys"]])
    assert script.hex() == row["expected"]["script_hex"]
    assert [key.hex() for key in read_multisig(script).pubkeys] == row["expected"]["sorted_pubkeys"]
    assert address_of(p2sh_script(script), network("mainnet")) == row["expected"]["p2sh_address"]


def _plain(text: str) -> ExtendedKey:
    try:
        return ExtendedKey.parse(text)
    except InvalidInput as refusal:
        return ExtendedKey.parse(refusal.facts["suggestion"])


@pytest.mark.parametrize("row", rows("multisig_addresses", "xpubs_to_address"))
def test_gives_the_same_address_from_extended_keys(row):
    given = row["input"]
    keys = [_plain(text) for text in given["extended_keys"]]
    for step in parse_path(given["path"], field="path"):
        keys = [key.child(step) for key in keys]
    script = sorted_multisig_script(given["threshold"], [key.public_key for key in keys])
    net = NETWORKS[given["network"]]
    assert address_of(WRAP[given["script_type"]](script), net) == row["expected"]["address"]


@pytest.mark.parametrize("row", rows("multisig_addresses", "xpubs_to_address", "setup_file_to_descriptor"))
def test_takes_only_its_p2wsh_descriptor_as_a_vault(row):
    text, net = row["expected"]["descriptor"], NETWORKS[row["input"].get("network", "testnet")]
    if row["input"]["script_type"] != "p2wsh":
        with pytest.raises(InvalidInput, match=r"^descriptor: sh\("):
            parse_vault_descriptor(text, network=net)
        return
    addresses = row["expected"].get("first_addresses_testnet") or [row["expected"]["address"]]
    for index, address in enumerate(addresses):
        assert address_of(script_pubkeys(text, index)[0], net) == address
    assert with_checksum(text.split("#")[0]) == text


@pytest.mark.parametrize("row", rows("multisig_addresses", "setup_file_to_descriptor"))
def test_reads_a_setup_files_keys_where_their_path_is_bip48_p2wsh(row):
    for key in row["input"]["keys"]:
        path = row["input"]["derivation"].removeprefix("m/")
        text = f"[{key['master_fingerprint']}/{path}]{key['extended_key']}"
        if row["input"]["script_type"] == "p2wsh":
            assert AccountKey.parse(text, network=network("testnet")).xpub == key["extended_key"]
        else:
            with pytest.raises(InvalidInput, match="not a BIP-48 account path"):
                AccountKey.parse(text, network=network("testnet"))


@pytest.mark.parametrize("row", rows("multisig_addresses", "descriptor_to_address"))
def test_gives_the_same_address_from_a_sorted_p2wsh_descriptor_and_refuses_the_rest(row):
    text, net = row["input"]["descriptor"], NETWORKS[row["input"]["network"]]
    if not text.startswith("wsh(sortedmulti("):
        with pytest.raises(InvalidInput, match="is not a vault here"):
            parse_vault_descriptor(text, network=net)
        return
    derived = parse_vault_descriptor(text, network=net).derive(change=False, index=row["input"]["index"])
    assert derived.address == row["expected"]["address"]


@pytest.mark.parametrize("row", rows("multisig_addresses", "derive_sorted_pubkeys"))
def test_derives_the_same_keys_in_script_order(row):
    inner = row["input"]["descriptor"].split("#")[0].removeprefix("sh(")[:-1]
    derived = parse_vault_descriptor(inner, network=network("testnet")).derive(
        change=False, index=row["input"]["index"]
    )
    in_order = [key.hex() for key in read_multisig(derived.witness_script).pubkeys]
    assert in_order == row["expected"]["sorted_pubkeys"]
    assert all(key in row["expected"]["descriptor_with_pubkeys"] for key in in_order)
