"""Raw transactions: sender and hash as the network has them, and the one of EIP-155 field by field."""

from __future__ import annotations

import pytest
from eth_account import Account

from custody.chains.ethereum.offline.transaction import decode_transaction
from tests.support.vectors import rows


@pytest.mark.parametrize("row", rows("eth_transactions", "decode"))
def test_finds_sender_and_hash(row):
    found = decode_transaction(bytes.fromhex(row["input"]["raw"][2:]))
    assert (found.sender, "0x" + found.hash.hex()) == (row["expected"]["sender"], row["expected"]["hash"])


@pytest.mark.parametrize("row", rows("eth_transactions", "sign_legacy"))
def test_reads_what_the_standards_example_signed(row):
    given, expected = row["input"]["tx"], row["expected"]
    raw = bytes.fromhex(expected["raw"][2:])
    found = decode_transaction(raw)
    assert (found.kind, found.chain_id, found.nonce, found.to) == (0, given["chain_id"], given["nonce"], given["to"])
    assert (found.max_fee_per_gas, found.gas_limit) == (int(given["gas_price"]), given["gas"])
    assert (found.value, "0x" + found.data.hex()) == (int(given["value"]), given["data"])
    assert found.sender == Account.from_key(row["input"]["private_key"]).address
