"""SafeTx hashes, Safe messages, and the log a SafeL2 writes when it executes one."""

from __future__ import annotations

import pytest

from custody.chains.ethereum.offline.eip712 import (
    DOMAIN,
    encode_type,
    hash_struct,
    message_digest,
    type_hash,
    typed_data_digest,
)
from custody.chains.ethereum.offline.events import SAFE_MULTISIG_TRANSACTION, Log, execution_details
from custody.chains.ethereum.offline.network import Network
from custody.chains.ethereum.offline.safe_tx import (
    DOMAIN_TYPE,
    DOMAIN_TYPE_HASH,
    SAFE_TX_TYPE,
    SAFE_TX_TYPE_HASH,
    SafeTx,
    domain_separator,
    safe_tx_hash,
    typed_data,
)
from custody.chains.ethereum.offline.signatures import check_signatures
from tests.support.vectors import rows

SAFE_TXS = rows("safe_tx_hashes", "safe_tx")
WITH_LOG = [row for row in SAFE_TXS if row.values[0]["expected"].get("event_data")]
SIGNED = [row for row in SAFE_TXS if row.values[0]["expected"].get("signatures")]


def network_of(row) -> Network:
    """The row's chain, which need not be one we serve."""
    return Network("of the vector", row["input"]["chain_id"])


def safe_tx(row) -> SafeTx:
    """The row's ten fields; its data is hex in any case."""
    given = row["input"]["safe_tx"]
    return SafeTx.from_json({**given, "data": given["data"].lower()})


@pytest.mark.parametrize("row", rows("safe_tx_hashes", "type_hashes"))
def test_has_the_type_hashes(row):
    given, expected = row["input"], row["expected"]
    assert (DOMAIN_TYPE, "0x" + DOMAIN_TYPE_HASH.hex()) == (given["domain"], expected["domain"])
    assert (SAFE_TX_TYPE, "0x" + SAFE_TX_TYPE_HASH.hex()) == (given["safe_tx"], expected["safe_tx"])
    for name, member in (
        ("domain_before_1_3_0", ("address", "verifyingContract")),
        ("safe_message", ("bytes", "message")),
    ):
        struct = given[name].partition("(")[0]
        types = {struct: [{"type": member[0], "name": member[1]}]}
        assert (encode_type(struct, types), "0x" + type_hash(struct, types).hex()) == (given[name], expected[name])


@pytest.mark.parametrize("row", SAFE_TXS)
def test_hashes_a_safe_tx(row):
    tx, safe, expected = safe_tx(row), row["input"]["safe_address"], row["expected"]
    digest = safe_tx_hash(tx, network=network_of(row), safe=safe)
    assert "0x" + domain_separator(network=network_of(row), safe=safe).hex() == expected["domain_separator"]
    assert "0x" + tx.struct_hash.hex() == expected["struct_hash"]
    assert "0x" + digest.hex() == expected["safe_tx_hash"]
    assert typed_data_digest(typed_data(tx, network=network_of(row), safe=safe)) == digest


@pytest.mark.parametrize("row", rows("safe_tx_hashes", "safe_message"))
def test_hashes_a_safe_message(row):
    given, expected = row["input"], row["expected"]
    text = message_digest(given["message"].encode())
    assert "0x" + text.hex() == expected["eip191_hash"]
    types = {
        DOMAIN: [{"name": "chainId", "type": "uint256"}, {"name": "verifyingContract", "type": "address"}],
        "SafeMessage": [{"name": "message", "type": "bytes"}],
    }
    domain = {"chainId": given["chain_id"], "verifyingContract": given["safe_address"]}
    message = {"message": text}
    assert "0x" + hash_struct(DOMAIN, domain, types).hex() == expected["domain_separator"]
    assert "0x" + hash_struct("SafeMessage", message, types).hex() == expected["struct_hash"]
    digest = typed_data_digest({"types": types, "primaryType": "SafeMessage", "domain": domain, "message": message})
    assert digest.hex().lstrip("0") == expected["safe_message_hash"].removeprefix("0x").lstrip("0")


@pytest.mark.parametrize("row", SIGNED)
def test_recovers_the_owners_who_signed(row):
    expected = row["expected"]
    digest, raw = bytes.fromhex(expected["safe_tx_hash"][2:]), bytes.fromhex(expected["signatures"][2:])
    owners = expected["owners_from_signatures"]
    assert list(check_signatures(digest, raw, owners=owners, threshold=len(owners))) == owners


@pytest.mark.parametrize("row", WITH_LOG)
def test_reads_the_log_of_the_execution(row):
    data = bytes.fromhex(row["expected"]["event_data"][2:])
    found = execution_details(Log(row["input"]["safe_address"], (SAFE_MULTISIG_TRANSACTION,), data))
    assert found is not None
    assert found.tx == safe_tx(row)
    assert "0x" + found.signatures.hex() == row["expected"]["signatures"]
    assert (found.executor, found.threshold) == (row["expected"]["executor"], row["expected"]["threshold"])
