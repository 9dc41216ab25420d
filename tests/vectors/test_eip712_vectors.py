"""EIP-712 and EIP-191: digests of typed data and messages, and the signatures over them."""

from __future__ import annotations

import pytest

from custody.chains.ethereum.offline.ecdsa import recover_address
from custody.chains.ethereum.offline.eip712 import (
    DOMAIN,
    encode_struct,
    hash_struct,
    message_digest,
    typed_data_digest,
)
from custody.chains.ethereum.offline.signatures import parse_signature
from custody.chains.ethereum.offline.signer import signature_over
from tests.support.vectors import rows


@pytest.mark.parametrize("row", rows("eip712_typed_data", "typed_data"))
def test_hashes_typed_data(row):
    data, expected = row["input"]["typed_data"], row["expected"]
    types, primary, message = data["types"], data["primaryType"], data["message"]
    digest = typed_data_digest(data)
    found = {
        "digest": digest,
        "domain_separator": hash_struct(DOMAIN, data["domain"], types),
        "message_hash": hash_struct(primary, message, types),
        "encoded": encode_struct(primary, message, types),
    }
    if "signature" in expected:
        found["signature"] = signature_over(digest, bytes.fromhex(row["input"]["private_key"][2:]))
    assert set(expected) <= set(found) | {"signer"}
    assert {name: "0x" + value.hex() for name, value in found.items() if name in expected} == {
        name: value for name, value in expected.items() if name != "signer"
    }


@pytest.mark.parametrize("row", rows("eip712_typed_data", "personal_sign"))
def test_hashes_and_signs_a_plain_message(row):
    digest = message_digest(row["input"]["message"].encode())
    assert "0x" + digest.hex() == row["expected"]["eip191_hash"]
    raw = signature_over(digest, bytes.fromhex(row["input"]["private_key"][2:]))
    assert "0x" + raw.hex() == row["expected"]["signature"]
    signature = parse_signature(raw)
    signer = recover_address(digest, r=signature.r, s=signature.s, parity=signature.v - 27)
    assert signer == row["expected"]["signer"]
