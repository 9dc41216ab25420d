"""Owners' signatures: the kind by v, who signed, and that only plain ones are taken."""

from __future__ import annotations

import pytest

from custody.chains.ethereum.offline.eip712 import message_digest
from custody.chains.ethereum.offline.signatures import (
    OwnerSignatureRefused,
    Signature,
    SignatureKind,
    check_signatures,
    parse_signature,
    recover_owner,
    split_signatures,
)
from tests.support.vectors import rows

KINDS = {
    "EOA": SignatureKind.ECDSA,
    "APPROVED_HASH": SignatureKind.APPROVED_HASH,
    "CONTRACT_SIGNATURE": SignatureKind.CONTRACT,
}


def owner_of(digest: bytes, signature: Signature) -> str | None:
    """Who signed, or who is said to have."""
    return recover_owner(digest, signature) if signature.kind is SignatureKind.ECDSA else signature.named_owner


def digest_of(row) -> bytes:
    return bytes.fromhex(row["input"]["safe_tx_hash"][2:])


@pytest.mark.parametrize("row", rows("safe_signatures", "eoa", "approved_hash", "contract"))
def test_tells_the_kind_and_the_owner(row):
    raw = bytes.fromhex(row["input"]["signature"][2:])
    found = parse_signature(raw)
    assert found.raw == raw
    assert (found.kind, found.v) == (KINDS[row["expected"]["type"]], row["expected"]["v"])
    assert owner_of(digest_of(row), found) == row["expected"]["owner"]


@pytest.mark.parametrize("row", rows("safe_signatures", "approved_hash", "contract"))
def test_takes_no_signature_that_is_only_claimed(row):
    with pytest.raises(OwnerSignatureRefused, match="accepted is 27 or 28"):
        recover_owner(digest_of(row), parse_signature(bytes.fromhex(row["input"]["signature"][2:])))


@pytest.mark.parametrize("row", rows("safe_signatures", "concatenated"))
def test_takes_concatenated_signatures_apart(row):
    raw = bytes.fromhex(row["input"]["signatures"][2:])
    found = split_signatures(raw)
    parts = [(KINDS[part["type"]], part["owner"]) for part in row["expected"]["parts"]]
    assert [(one.kind, owner_of(digest_of(row), one)) for one in found] == parts
    owners = [owner for _, owner in parts]
    assert (owners == sorted(owners, key=str.lower)) == row["expected"]["sorted_by_owner"]
    with pytest.raises(OwnerSignatureRefused, match="approved-hash"):
        check_signatures(digest_of(row), raw, owners=owners, threshold=2)


@pytest.mark.parametrize("row", rows("safe_signatures", "eth_sign_digest"))
def test_knows_what_eth_sign_hashes(row):
    assert "0x" + message_digest(digest_of(row)).hex() == row["expected"]["digest"]
