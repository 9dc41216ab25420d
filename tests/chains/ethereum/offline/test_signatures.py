"""Owners' signatures: plain, low s, of known owners, ascending, exactly as many as needed."""

from __future__ import annotations

import coincurve
import pytest
from eth_account import Account
from eth_account.messages import encode_defunct
from hypothesis import given, settings
from hypothesis import strategies as st
from safe_eth.safe.safe_signature import SafeSignature

from custody.chains.ethereum.offline.ecdsa import ORDER, address_of_key, recover_address
from custody.chains.ethereum.offline.network import network
from custody.chains.ethereum.offline.safe_tx import safe_tx_hash
from custody.chains.ethereum.offline.signatures import (
    OwnerSignatureRefused,
    Signature,
    SignatureKind,
    assemble,
    check_signature,
    check_signatures,
    eth_sign_owner,
    parse_signature,
    recover_owner,
    split_signatures,
)
from custody.chains.ethereum.offline.signer import signature_over
from custody.kernel.errors import InvalidInput
from tests.chains.ethereum.offline.builders import ANVIL, OWNERS, SAFE, SETUP, owner, pay, secret

NAMES = ("ann", "ben", "cem")
DIGEST = safe_tx_hash(pay(), network=ANVIL, safe=SAFE)
SIGNED = {owner(name): signature_over(DIGEST, secret(name)) for name in NAMES}
FIRST, SECOND, THIRD = (SIGNED[who] for who in SETUP.owners)
STRANGERS = signature_over(DIGEST, secret("mallory"))


def _high_s(raw: bytes) -> bytes:
    found = parse_signature(raw)
    return Signature(found.r, ORDER - found.s, 55 - found.v).raw


def test_puts_signatures_in_the_owners_order():
    for given_order in ((FIRST, SECOND), (SECOND, FIRST)):
        raw = assemble(DIGEST, given_order, owners=OWNERS, threshold=2)
        assert raw == FIRST + SECOND
        assert check_signatures(DIGEST, raw, owners=OWNERS, threshold=2) == SETUP.owners[:2]


@settings(deadline=None, max_examples=30)
@given(st.binary(min_size=32, max_size=32), st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True))
def test_safe_eth_py_reads_the_same_owners(digest, names):
    raw = assemble(
        digest, [signature_over(digest, secret(name)) for name in names], owners=OWNERS, threshold=len(names)
    )
    theirs = SafeSignature.parse_signature(raw, digest)
    assert [found.owner for found in theirs] == list(check_signatures(digest, raw, owners=OWNERS, threshold=len(names)))


def test_the_order_is_that_of_the_numbers_not_of_the_letters_case():
    signed = {owner(f"owner {number}"): signature_over(DIGEST, secret(f"owner {number}")) for number in range(20)}
    ascending = sorted(signed, key=lambda address: int(address, 16))
    assert ascending != sorted(signed)
    raw = assemble(DIGEST, signed.values(), owners=signed, threshold=20)
    assert raw == b"".join(signed[address] for address in ascending)
    assert list(check_signatures(DIGEST, raw, owners=signed, threshold=20)) == ascending


@settings(deadline=None, max_examples=30)
@given(st.binary(min_size=32, max_size=32), st.integers(1, ORDER - 1))
def test_signs_as_eth_account_does(digest, number):
    key = number.to_bytes(32, "big")
    raw = signature_over(digest, key)
    assert raw == bytes(Account.unsafe_sign_hash(digest, key).signature)
    assert recover_owner(digest, parse_signature(raw)) == Account.from_key(key).address


REFUSED = {
    "v 0": (FIRST[:64] + b"\x00", r"v is 0 \(contract\)"),
    "v 1": (FIRST[:64] + b"\x01", r"v is 1 \(approved-hash\)"),
    "v 2": (FIRST[:64] + b"\x02", r"v is 2 \(unknown\)"),
    "v 29": (FIRST[:64] + b"\x1d", r"v is 29 \(unknown\)"),
    "eth_sign": (FIRST[:64] + bytes([FIRST[64] + 4]), r"\(eth-sign\)"),
    "v 255": (FIRST[:64] + b"\xff", r"\(eth-sign\)"),
    "high s": (_high_s(FIRST), "upper half"),
    "the other v": (FIRST[:64] + bytes([55 - FIRST[64]]), "no owner|no key"),
    "a stranger": (STRANGERS, "who is no owner"),
    "r zero": (bytes(32) + FIRST[32:], "no key made this signature"),
    "s zero": (FIRST[:32] + bytes(32) + FIRST[64:], "no key made this signature"),
    "r of the order": (ORDER.to_bytes(32, "big") + FIRST[32:], "no key made this signature"),
    "r not on the curve": ((5).to_bytes(32, "big") + FIRST[32:], "no key made this signature"),
    "an approved hash": (bytes(12) + bytes.fromhex(SETUP.owners[0][2:]) + bytes(32) + b"\x01", "approved-hash"),
    "a contract's": (bytes(12) + bytes.fromhex(SETUP.owners[0][2:]) + bytes(32) + b"\x00", "contract"),
}


@pytest.mark.parametrize(("raw", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_refuses_every_other_signature(raw, words):
    for check in (
        lambda: check_signature(DIGEST, raw, owners=OWNERS),
        lambda: assemble(DIGEST, [raw, SECOND], owners=OWNERS, threshold=2),
        lambda: check_signatures(DIGEST, raw + SECOND, owners=OWNERS, threshold=2),
    ):
        with pytest.raises(OwnerSignatureRefused, match=words):
            check()


def test_a_high_s_would_recover_to_the_owner_and_is_refused_all_the_same():
    found = parse_signature(_high_s(FIRST))
    compact = found.r.to_bytes(32, "big") + found.s.to_bytes(32, "big") + bytes([found.v - 27])
    assert (
        address_of_key(coincurve.PublicKey.from_signature_and_message(compact, DIGEST, hasher=None).format()) in OWNERS
    )
    assert recover_address(DIGEST, r=found.r, s=found.s, parity=found.v - 27) is None


@pytest.mark.parametrize(
    ("signatures", "words"),
    [
        ([], "0 signatures; accepted are exactly 2"),
        ([FIRST], "1 signatures; accepted are exactly 2"),
        ([FIRST, SECOND, THIRD], "3 signatures; accepted are exactly 2"),
        ([FIRST, FIRST], "two signatures of"),
        ([FIRST, STRANGERS], "who is no owner"),
    ],
)
def test_assembles_no_other_set(signatures, words):
    with pytest.raises(OwnerSignatureRefused, match=words):
        assemble(DIGEST, signatures, owners=OWNERS, threshold=2)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (SECOND + FIRST, "not ascending by owner"),
        (FIRST + FIRST, "an owner twice"),
        (FIRST, "1 signatures"),
        (FIRST + SECOND + THIRD, "3 signatures"),
    ],
)
def test_takes_no_other_set_that_is_assembled(raw, words):
    with pytest.raises(OwnerSignatureRefused, match=words):
        check_signatures(DIGEST, raw, owners=OWNERS, threshold=2)


@pytest.mark.parametrize("raw", [b"", FIRST[:-1], FIRST + b"\0", FIRST + SECOND + bytes(32)])
def test_refuses_bytes_of_another_length(raw):
    with pytest.raises(InvalidInput, match="bytes; accepted"):
        split_signatures(raw)
    with pytest.raises(InvalidInput, match="accepted are 65"):
        assemble(DIGEST, [FIRST[:-1], SECOND], owners=OWNERS, threshold=2)


@pytest.mark.parametrize(
    "digest",
    [
        safe_tx_hash(pay(), network=network("ethereum"), safe=SAFE),
        safe_tx_hash(pay(), network=ANVIL, safe=OWNERS[0]),
        safe_tx_hash(pay(nonce=1), network=ANVIL, safe=SAFE),
    ],
    ids=["chain", "safe", "nonce"],
)
def test_a_signature_counts_on_no_other_chain_safe_or_nonce(digest):
    with pytest.raises(OwnerSignatureRefused, match=r"no owner|no key"):
        check_signatures(digest, FIRST + SECOND, owners=OWNERS, threshold=2)


def test_reads_what_eth_sign_made_and_does_not_take_it():
    raw = bytes(Account.sign_message(encode_defunct(DIGEST), secret("ann")).signature)
    found = parse_signature(raw[:64] + bytes([raw[64] + 4]))
    assert found.kind is SignatureKind.ETH_SIGN
    assert eth_sign_owner(DIGEST, found) == owner("ann")
    assert eth_sign_owner(DIGEST, parse_signature(FIRST)) is None


def test_every_changed_byte_is_another_signature_or_none():
    for place in range(65):
        for bit in range(8):
            raw = FIRST[:place] + bytes([FIRST[place] ^ 1 << bit]) + FIRST[place + 1 :]
            with pytest.raises(OwnerSignatureRefused):
                check_signature(DIGEST, raw, owners=OWNERS)


@given(st.binary(min_size=65, max_size=65))
def test_sixty_five_random_bytes_are_refused_with_one_kind_of_error(raw):
    assert parse_signature(raw).raw == raw
    with pytest.raises(OwnerSignatureRefused):
        check_signature(DIGEST, raw, owners=OWNERS)


@pytest.mark.parametrize(
    ("digest", "key"), [(b"", bytes(32)), (bytes(31), secret("a")), (bytes(32), b"short"), (bytes(32), bytes(32))]
)
def test_signs_nothing_that_is_no_digest_and_with_no_key_that_is_none(digest, key):
    with pytest.raises(ValueError):
        signature_over(digest, key)


def test_numbers_without_a_point_on_the_curve_are_nobodys() -> None:
    """No point of secp256k1 has 5 as its x."""
    assert recover_address(DIGEST, r=5, s=1, parity=0) is None
