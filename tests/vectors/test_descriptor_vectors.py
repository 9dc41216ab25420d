"""Descriptor vectors (BIP-380 to 389): checksums, key expressions, and every form but one refused as a vault."""

from __future__ import annotations

import re

import pytest

from custody.chains.bitcoin.offline.descriptor import (
    checksum,
    parse_vault_descriptor,
    script_pubkeys,
    sorted_multisig_script,
    strip_checksum,
    with_checksum,
)
from custody.chains.bitcoin.offline.network import NETWORKS, network
from custody.kernel.errors import InvalidInput
from tests.support.vectors import rows

MAINNET = network("mainnet")
ALL = rows("descriptors")
TEXTS = [row for row in ALL if "descriptor" in row.values[0]["input"]]
OTHER_FORMS = [row for row in TEXTS if "wsh(sortedmulti(" not in row.values[0]["input"]["descriptor"]]
PRIVATE = re.compile(r"[xt]prv[0-9A-Za-z]+|\b[59KLc][1-9A-HJ-NP-Za-km-z]{50,51}\b")
FILLER = "02e493dbf1c10d80f3581e4904930b1404cc6c13900ee0758474fa94abe8c4cd13"


def _refusal(text: str) -> str:
    with pytest.raises(InvalidInput) as caught:
        parse_vault_descriptor(text, network=MAINNET)
    assert caught.value.field == "descriptor"
    return caught.value.message


@pytest.mark.parametrize("row", rows("descriptors", "checksum"))
def test_verifies_the_checksum(row):
    text = row["input"]["descriptor"]
    if row["expected"]["valid"]:
        assert strip_checksum(text) == text.split("#")[0]
        return
    with pytest.raises(InvalidInput) as caught:
        strip_checksum(text)
    assert caught.value.field == "descriptor"


@pytest.mark.parametrize("row", [row for row in ALL if row.values[0]["expected"].get("checksum")])
def test_computes_the_checksum(row):
    text = row["input"]["descriptor"]
    assert checksum(text) == row["expected"]["checksum"]
    assert strip_checksum(with_checksum(text)) == text


@pytest.mark.parametrize(
    "row", [row for row in TEXTS if "wsh(sortedmulti(" not in row.values[0]["input"]["descriptor"]]
)
def test_refuses_every_other_form_as_a_vault(row):
    text = row["input"]["descriptor"]
    message = _refusal(text)
    if row["kind"] == "scripts" and not PRIVATE.search(text):
        assert message.startswith(text.split("(")[0])
        assert message.endswith("is not a vault here; accepted is wsh(sortedmulti(m,key,…))")


@pytest.mark.parametrize("row", [row for row in TEXTS if PRIVATE.search(row.values[0]["input"]["descriptor"])])
def test_refuses_a_private_key_first_and_does_not_repeat_it(row):
    message = _refusal(row["input"]["descriptor"])
    assert "private key" in message
    assert PRIVATE.search(message) is None


@pytest.mark.parametrize("row", rows("descriptors", "key_expression_valid"))
def test_takes_a_public_key_expression_without_hardened_steps(row):
    text = row["input"]["key_expression"]
    wrapped = f"wsh(sortedmulti(1,{FILLER},{text}))"
    behind = text.split("]")[-1]
    if PRIVATE.search(text):
        assert "private key" in _refusal(wrapped)
    elif "h" in behind.partition("/")[2]:
        assert "hardened step" in _refusal(wrapped)
    else:
        _taken_or_origin_does_not_fit(wrapped, text)


def _taken_or_origin_does_not_fit(wrapped: str, text: str) -> None:
    try:
        parsed = parse_vault_descriptor(wrapped, network=MAINNET)
    except InvalidInput as error:
        assert "origin path" in error.message
        assert "[" in text
    else:
        assert parsed.keys[1].xpub in text


@pytest.mark.parametrize("row", rows("descriptors", "key_expression_invalid"))
def test_refuses_an_invalid_key_expression(row):
    _refusal(f"wsh(sortedmulti(1,{row['input']['key_expression']}))")


@pytest.mark.parametrize("row", [row for row in rows("descriptors", "scripts") if row.id.startswith("bip383-")])
def test_gives_the_same_script_for_bare_sortedmulti(row):
    match = re.fullmatch(r"sortedmulti\((\d+),(.*)\)", row["input"]["descriptor"])
    if match is None:
        return
    threshold, keys = int(match.group(1)), match.group(2).split(",")
    for offset, expected in enumerate(row["expected"]["script_pubkeys_hex"]):
        index = row["input"]["first_index"] + offset
        assert sorted_multisig_script(threshold, [_key_at(key, index) for key in keys]).hex() == expected


def _key_at(expression: str, index: int) -> bytes:
    if "pub" not in expression:
        return bytes.fromhex(expression)
    return (
        parse_vault_descriptor(f"wsh(sortedmulti(1,{expression}))", network=MAINNET)
        .derive(change=False, index=index)
        .pubkeys[0]
    )


@pytest.mark.parametrize("row", rows("descriptors", "wallet_policy"))
def test_takes_the_one_wallet_policy_that_is_a_sorted_multisig(row):
    text = row["expected"]["descriptor"]
    if not text.startswith("wsh(sortedmulti("):
        assert "is not a vault here" in _refusal(text)
        return
    parsed = parse_vault_descriptor(text, network=MAINNET)
    assert parsed.multipath
    assert [key.xpub in text for key in parsed.keys] == [True] * len(parsed.keys)
    assert parsed.branch is None
    receive, change = script_pubkeys(text, 0)
    single = [text.replace("<0;1>", chain) for chain in "01"]
    assert [script_pubkeys(one, 0) for one in single] == [(receive,), (change,)]


@pytest.mark.parametrize("row", rows("descriptors", "wallet_policy_invalid"))
@pytest.mark.parametrize("net", NETWORKS, ids=lambda net: net.name)
def test_refuses_a_wallet_policy_template(row, net):
    with pytest.raises(InvalidInput):
        parse_vault_descriptor(row["input"]["template"], network=net)
