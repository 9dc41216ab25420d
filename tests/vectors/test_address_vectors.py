"""Address vectors: every valid one gives its script on its network, every invalid one is refused on all."""

from __future__ import annotations

import pytest

from custody.chains.bitcoin.offline.address import address_of, parse_address
from custody.chains.bitcoin.offline.encoding import base58_decode, base58_encode
from custody.chains.bitcoin.offline.network import NETWORKS, network
from custody.kernel.errors import InvalidInput
from tests.support.vectors import rows

NAMES = {"main": "mainnet", "test": "testnet", "signet": "signet", "regtest": "regtest"}
VALID = rows("bitcoin_addresses", "address")


def _has_rules(row) -> bool:
    script = row.values[0]["expected"]["script_pubkey_hex"]
    return not (0x51 <= int(script[:2], 16) <= 0x60) or (script[:4] == "5120" and len(script) == 68)


WITH_RULES = [row for row in VALID if _has_rules(row)]


@pytest.mark.parametrize("row", WITH_RULES)
def test_gives_the_script_and_the_canonical_address(row):
    net = network(NAMES[row["input"]["network"]])
    destination = parse_address(row["input"]["address"], network=net)
    script = bytes.fromhex(row["expected"]["script_pubkey_hex"])
    assert destination.script_pubkey == script
    assert destination.address == address_of(script, net)
    canonical = row["input"]["address"]
    assert destination.address == (canonical.lower() if row["expected"]["case_flip_ok"] else canonical)


@pytest.mark.parametrize("row", WITH_RULES)
def test_takes_the_flipped_case_exactly_where_it_is_the_same_address(row):
    net = network(NAMES[row["input"]["network"]])
    flipped = row["input"]["address"].swapcase()
    if row["expected"]["case_flip_ok"]:
        assert parse_address(flipped, network=net) == parse_address(row["input"]["address"], network=net)
    else:
        with pytest.raises(InvalidInput):
            parse_address(flipped, network=net)


@pytest.mark.parametrize("row", WITH_RULES)
def test_refuses_it_on_another_network_and_says_whose_it_is(row):
    for other in NETWORKS:
        try:
            parse_address(row["input"]["address"], network=other)
        except InvalidInput as error:
            assert NAMES[row["input"]["network"]] in error.message
            assert error.field == "destination"
        else:
            assert other.hrp == network(NAMES[row["input"]["network"]]).hrp or row["input"]["address"][0] in "mn2"


@pytest.mark.parametrize("row", [row for row in VALID if not _has_rules(row)])
def test_refuses_a_witness_version_without_rules_by_name(row):
    with pytest.raises(InvalidInput, match=r"witness version \d+ with \d+ bytes has no spending rules yet"):
        parse_address(row["input"]["address"], network=network(NAMES[row["input"]["network"]]))


@pytest.mark.parametrize("row", rows("bitcoin_addresses", "invalid"))
@pytest.mark.parametrize("net", NETWORKS, ids=lambda net: net.name)
def test_refuses_an_invalid_text(row, net):
    with pytest.raises(InvalidInput):
        parse_address(row["input"]["text"], network=net)


@pytest.mark.parametrize("row", rows("bitcoin_addresses", "superseded"))
@pytest.mark.parametrize("net", NETWORKS, ids=lambda net: net.name)
def test_refuses_a_superseded_checksum(row, net):
    with pytest.raises(InvalidInput, match="wrong bech32 checksum"):
        parse_address(row["input"]["address"], network=net)


@pytest.mark.parametrize("row", rows("bitcoin_addresses", "wif"))
@pytest.mark.parametrize("net", NETWORKS, ids=lambda net: net.name)
def test_refuses_a_wif_key_as_a_key_without_repeating_it(row, net):
    with pytest.raises(InvalidInput, match=r"private key \(WIF\)") as caught:
        parse_address(row["input"]["wif"], network=net)
    assert row["input"]["wif"][:8] not in str(caught.value)


@pytest.mark.parametrize("row", rows("bitcoin_addresses", "base58"))
def test_encodes_base58(row):
    assert base58_encode(bytes.fromhex(row["input"]["hex"])) == row["expected"]["base58"]
    assert base58_decode(row["expected"]["base58"]).hex() == row["input"]["hex"]
