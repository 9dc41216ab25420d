"""Account keys with their origin: what is read, what is refused, and what can be derived."""

from __future__ import annotations

import hashlib

import coincurve
import pytest
from embit import bip32
from hypothesis import given, settings
from hypothesis import strategies as st

from custody.chains.bitcoin.offline.ecdsa import is_strict_der
from custody.chains.bitcoin.offline.keys import AccountKey, ExtendedKey, format_path, parse_path, verify_message
from custody.chains.bitcoin.offline.network import network
from custody.chains.bitcoin.offline.signer import message_signature, signature_over
from custody.kernel.errors import InvalidInput
from tests.chains.bitcoin.offline.builders import COSIGNERS, KEYS, REGTEST, TestCosigner

ADA = COSIGNERS[0]
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
# BIP-32, test vector 2: chain m (public)
TV2_MASTER = (
    "xpub661MyMwAqRbcFW31YEwpkMuc5THy2PSt5bDMsktWQcFF8syAmRUapSCGu8ED9W6oDMSgv6Zz8idoc4a6mr8BDzTJY47LJhkJ8UB7WEGuduB"
)
# BIP-32, test vector 2: chain m/0 (public)
TV2_CHILD = (
    "xpub69H7F5d8KSRgmmdJg2KhpAK8SR3DjMwAdkxj3ZuxV27CprR9LgpeyGmXUbC6wb7ERfvrnKZjXoUmmDznezpbZb7ap6r1D3tgFxHmwMkQTPH"
)


def _refused(text: object, net=REGTEST) -> str:
    with pytest.raises(InvalidInput) as caught:
        AccountKey.parse(text, network=net, field="xpub")
    assert caught.value.field == "xpub"
    return caught.value.message


def test_derives_bip32_test_vector_2():
    assert ExtendedKey.parse(TV2_MASTER).child(0).text == TV2_CHILD


@pytest.mark.parametrize("mark", ["h", "'"])
def test_reads_both_hardened_marks_and_writes_one(mark):
    text = ADA.account.text
    assert AccountKey.parse(text.replace("h/", f"{mark}/").replace("h]", f"{mark}]"), network=REGTEST).text == text
    assert text.startswith(f"[{ADA.account.fingerprint}/48h/1h/0h/2h]tpub")


def test_keeps_the_branch_in_the_origin():
    child = ADA.account.child(7)
    assert child.path == "48h/1h/0h/2h/7"
    private = ADA.root.derive("m/48h/1h/0h/2h/7")
    assert child.public_key == private.key.get_public_key().sec()
    assert child.xpub == private.to_public().to_base58(REGTEST.xpub_version)


@pytest.mark.parametrize("branch", [-1, 2**31, True, "7", 1.0])
def test_refuses_a_branch_that_is_no_unhardened_step(branch):
    with pytest.raises(InvalidInput) as caught:
        ADA.account.child(branch)
    assert caught.value.field == "branch"


def test_p079_takes_no_hardened_step():
    with pytest.raises(InvalidInput, match="not an unhardened step"):
        ADA.account.extended.child(2**31)


def test_refuses_an_extended_private_key_without_repeating_it():
    private = ADA.root.derive("m/48h/1h/0h/2h").to_base58()
    message = _refused(ADA.account.text.replace(ADA.account.xpub, private))
    assert "private key" in message
    assert private[:12] not in message
    assert "private key" in _refused(private[:60])


def test_refuses_a_wif_key():
    # BIP-173's and the wiki's example key, never funded
    wif = "5KYZdUEo39z3FPrtuX2QbbwGnNP5zTd7yyr2SC1j299sBCnWjss"
    assert "WIF" in _refused(wif)
    assert "WIF" in _refused(f"[d34db33f/48h/1h/0h/2h]{wif}")


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("48h/1h/0h", "not a BIP-48 account path"),
        ("48h/1h/0h/2h/0", "not a BIP-48 account path"),
        ("48h/1h/0/2h", "not a BIP-48 account path"),
        ("84h/1h/0h/2h", "not a BIP-48 account path"),
        ("48h/0h/0h/2h", "coin type is of another network"),
        ("48h/1h/0h/1h", "not the path of a P2WSH multisig"),
        ("48h/1h/0h/2147483648h", "not a derivation path"),
        ("48h/1h/00h/2h", "not a derivation path"),
    ],
)
def test_refuses_any_path_but_a_bip48_p2wsh_account(path, reason):
    assert reason in _refused(f"[d34db33f/{path}]{ADA.account.xpub}")


def test_refuses_a_key_whose_depth_or_number_is_not_its_paths():
    at_branch = ADA.account.child(2)
    assert "depth 5, its origin path has 4" in _refused(f"[d34db33f/48h/1h/0h/2h]{at_branch.xpub}")
    other = ADA.root.derive("m/48h/1h/0h/1h").to_public().to_base58(REGTEST.xpub_version)
    assert "not the last step" in _refused(f"[d34db33f/48h/1h/0h/2h]{other}")


def test_refuses_another_networks_key_by_name():
    main = TestCosigner("ada", coin_type=0).account
    assert "another network (xpub); accepted on regtest is tpub" in _refused(main.text.replace("48h/0h", "48h/1h"))
    assert "another network (tpub)" in _refused(ADA.account.text.replace("48h/1h", "48h/0h"), network("mainnet"))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not a key with its origin"),
        (None, "not a string"),
        (b"x", "not a string"),
        (ADA.account.xpub, "origin is missing"),
        (ADA.account.text + "/0", "steps behind the key"),
        (ADA.account.text + "/0h", "hardened step behind a public key"),
        (ADA.account.text + "/0'", "hardened step behind a public key"),
        (ADA.account.text[:-1], "wrong Base58 checksum"),
        (ADA.account.text.replace("]", "/]"), "not a key with its origin"),
        (" " + ADA.account.text, "not a key with its origin"),
        (ADA.account.text + "\n", "not a key with its origin"),
        (ADA.account.text.replace("48h", "48H"), "not a key with its origin"),
    ],
)
def test_refuses_other_texts_naming_why(text, reason):
    assert reason in _refused(text)


@given(st.lists(st.integers(0, 2**32 - 1), max_size=8))
def test_paths_survive_writing_and_reading(steps):
    assert parse_path(format_path(tuple(steps)), field="path") == tuple(steps)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=4))
def test_derives_the_same_public_keys_as_embit(steps):
    ours, theirs = KEYS[0].extended, bip32.HDKey.from_base58(KEYS[0].xpub)
    for step in steps:
        ours, theirs = ours.child(step), theirs.child(step)
    assert ours.text == theirs.to_base58(REGTEST.xpub_version)


class TestVerifyMessage:
    secret = b"\x01" * 32
    digest = hashlib.sha256(b"statement").digest()
    pubkey = coincurve.PrivateKey(secret).public_key.format()
    signature = message_signature(digest, secret)

    def test_takes_a_signature_by_the_key(self):
        assert verify_message(self.pubkey, self.digest, self.signature)
        assert message_signature(self.digest, self.secret) == self.signature
        assert signature_over(self.digest, self.secret) == self.signature + b"\x01"

    def test_refuses_another_digest_key_or_length(self):
        other = coincurve.PrivateKey(b"\x02" * 32).public_key.format()
        assert not verify_message(other, self.digest, self.signature)
        assert not verify_message(self.pubkey, hashlib.sha256(b"other").digest(), self.signature)
        assert not verify_message(self.pubkey, b"statement", self.signature)
        assert not verify_message(b"\x02" * 33, self.digest, self.signature)
        assert not verify_message(b"", self.digest, self.signature)

    def test_refuses_a_high_s(self):
        r_end = 4 + self.signature[3]
        r, s = self.signature[4:r_end], int.from_bytes(self.signature[r_end + 2 :], "big")
        high = (ORDER - s).to_bytes(33, "big")
        body = b"\x02" + bytes([len(r)]) + r + b"\x02" + bytes([len(high)]) + high
        assert not is_strict_der(b"\x30" + bytes([len(body)]) + body)
        assert not verify_message(self.pubkey, self.digest, b"\x30" + bytes([len(body)]) + body)

    def test_refuses_padded_and_trailing_encodings(self):
        r_end = 4 + self.signature[3]
        r, rest = self.signature[4:r_end], self.signature[r_end:]
        body = b"\x02" + bytes([len(r) + 1]) + b"\0" + r + rest
        padded = b"\x30" + bytes([len(body)]) + body
        for bad in (padded, self.signature + b"\0", self.signature[:-1], self.signature[:1], b""):
            assert not is_strict_der(bad)
            assert not verify_message(self.pubkey, self.digest, bad)

    def test_refuses_a_negative_zero_or_padded_number(self):
        # BIP-66: r and s are positive and in their shortest form
        assert is_strict_der(bytes.fromhex("3006020101020101"))
        for bad in (
            "3006020100020101",
            "3006020101020100",
            "3006020181020101",
            "300702020001020101",
            "3006030101020101",
        ):
            assert not is_strict_der(bytes.fromhex(bad))

    @given(st.binary(max_size=80))
    def test_never_raises_on_garbage(self, garbage):
        assert not verify_message(self.pubkey, self.digest, garbage)
        assert not verify_message(garbage, self.digest, self.signature)
