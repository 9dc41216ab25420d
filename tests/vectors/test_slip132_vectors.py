"""SLIP-132 vectors: refused by name, with the same key in the accepted form."""

from __future__ import annotations

import pytest

from custody.chains.bitcoin.offline.keys import AccountKey, ExtendedKey
from custody.chains.bitcoin.offline.network import network
from custody.kernel.errors import InvalidInput
from tests.support.vectors import rows

ROWS = rows("slip132", "convert")


@pytest.mark.parametrize("row", ROWS)
def test_refuses_the_prefix_and_names_the_right_key(row):
    given = row["input"]["extended_key"]
    with pytest.raises(InvalidInput, match=f"{given[:4]} is a SLIP-132 prefix") as caught:
        ExtendedKey.parse(given)
    assert caught.value.facts["suggestion"] == row["expected"]["extended_key"]
    assert row["expected"]["extended_key"] in str(caught.value)


@pytest.mark.parametrize("row", [row for row in ROWS if row.values[0]["expected"].get("script_type") == "p2wsh"])
def test_reads_the_suggested_key_with_its_origin(row):
    expected = row["expected"]
    path = expected["bip48_path"].removeprefix("m/")
    given = f"[{expected['master_fingerprint']}/{path}]{expected['extended_key']}"
    key = AccountKey.parse(given, network=network("testnet"))
    assert key.text == given.replace("'", "h")


@pytest.mark.parametrize("row", [row for row in ROWS if row.values[0]["expected"].get("script_type") == "p2sh_p2wsh"])
def test_refuses_the_account_of_another_script_type(row):
    expected = row["expected"]
    path = expected["bip48_path"].removeprefix("m/")
    with pytest.raises(InvalidInput, match="not the path of a P2WSH multisig"):
        AccountKey.parse(
            f"[{expected['master_fingerprint']}/{path}]{expected['extended_key']}", network=network("testnet")
        )
