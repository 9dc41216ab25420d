"""A passkey's answer is read twice, here and by the WebAuthn library, and each part of it is looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from custody.evidence.passkeys import Assertion, AssertionRefused, Console, Credential, base64url, check_assertion
from custody.kernel.errors import InvalidInput
from custody.operators import library
from custody.operators.operations import PasskeyRefused
from tests.support.passkeys import CONSOLE, PRESENT, VERIFIED, Passkey, as_browser

CHALLENGE = bytes(range(32))

# W3C Web Authentication Level 3, section "Test Vectors", "Packed Attestation with ES256 Credential".
SPECIFICATION = Console(origin="https://example.org", rp_id="example.org")
SPECIFIED = Credential(
    id=base64url(bytes.fromhex("c9a6f5b3462d02873fea0c56862234f99f081728084e511bb7760201a89054a5")),
    public_key=(
        "041cf27f25da591208a4239c2e324f104f585525479a29edeedd830f48e77aeae559e4b7da6c0106e206ce390c93ab98"
        "a15a5ec3887e57f0cc2bece803b920c423"
    ),
)
SPECIFIED_CHALLENGE = bytes.fromhex("b1106fa46a57bef1781511c0557dc898a03413d5f0f17d244630c194c7e1adb5")
SPECIFIED_ANSWER = Assertion(
    credential=SPECIFIED.id,
    authenticator_data="bfabc37432958b063360d3ad6461c9c4735ae7f8edd46592a5e0f01452b2e4b50d00000000",
    client_data=(
        "7b2274797065223a22776562617574686e2e676574222c226368616c6c656e6765223a22735242767047705876764634"
        "46524841565833496d4b4130453958773858306b526a44426c4d6668726255222c226f726967696e223a226874747073"
        "3a2f2f6578616d706c652e6f7267222c2263726f73734f726967696e223a66616c73652c22657874726144617461223a"
        "22636c69656e74446174614a534f4e206d617920626520657874656e6465642077697468206164646974696f6e616c20"
        "6669656c647320696e20746865206675747572652c207375636820617320746869733a20415a4d77794d78496244382d"
        "756775464e7036723851227d"
    ),
    signature=(
        "30450220694969d3ee928de6f02ef23a9c644d7d779916451734a94b432542f498a1ebe90221008b0819c824218a9715"
        "2cd099c55bfb1477b29d900a49a64018314f9bfccda163"
    ),
)

LIES: Mapping[str, tuple[str, dict[str, Any]]] = {
    "http": ("origin", {"origin": "http://console.example.com"}),
    "other subdomain": ("origin", {"origin": "https://other.example.com"}),
    "other port": ("origin", {"origin": "https://console.example.com:8443"}),
    "ours as a prefix": ("origin", {"origin": "https://console.example.com.evil.tld"}),
    "punycode twin": ("origin", {"origin": "https://xn--cnsole-dua.example.com"}),
    "trailing slash": ("origin", {"origin": "https://console.example.com/"}),
    "upper case": ("origin", {"origin": "https://CONSOLE.example.com"}),
    "no origin": ("origin", {"origin": ""}),
    "inside another page": ("cross-origin", {"crossOrigin": True}),
    "under another page": ("cross-origin", {"topOrigin": "https://evil.tld"}),
    "another relying party": ("relying-party", {"rp_id": "example.com"}),
    "nobody present": ("nobody-present", {"flags": VERIFIED}),
    "person not verified": ("not-verified", {"flags": PRESENT}),
    "backed up and cannot be": ("backup-flags", {"flags": PRESENT | VERIFIED | 0x10}),
    "a registration": ("type", {"type": "webauthn.create"}),
    "a payment": ("type", {"type": "payment.get"}),
    "truncated": ("challenge-truncated", {"challenge": base64url(CHALLENGE)[:-1]}),
    "empty": ("challenge-truncated", {"challenge": ""}),
    "another challenge": ("challenge-unknown", {"challenge": base64url(bytes(32))}),
    "padded": ("challenge-unknown", {"challenge": base64url(CHALLENGE) + "="}),
    "no text": ("challenge-unknown", {"challenge": 7}),
}


def test_accepts_the_specifications_example() -> None:
    check_assertion(SPECIFIED_ANSWER, SPECIFIED, challenge=SPECIFIED_CHALLENGE, console=SPECIFICATION)
    library.expect_agreed(SPECIFIED_ANSWER, SPECIFIED, challenge=SPECIFIED_CHALLENGE, console=SPECIFICATION)


@pytest.mark.parametrize("part", ["authenticator_data", "client_data", "signature"])
def test_every_bit_of_the_specifications_example_counts(part: str) -> None:
    whole = bytes.fromhex(getattr(SPECIFIED_ANSWER, part))
    for place in range(len(whole)):
        flipped = whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]
        answer = replace(SPECIFIED_ANSWER, **{part: flipped.hex()})
        with pytest.raises(AssertionRefused):
            check_assertion(answer, SPECIFIED, challenge=SPECIFIED_CHALLENGE, console=SPECIFICATION)


def test_accepts_what_the_library_accepts() -> None:
    passkey = Passkey("alice")
    answer = passkey.answer(CHALLENGE)
    check_assertion(answer, passkey.credential, challenge=CHALLENGE, console=CONSOLE)
    library.expect_agreed(answer, passkey.credential, challenge=CHALLENGE, console=CONSOLE)
    assert library.read_assertion(as_browser(answer)) == answer


@pytest.mark.parametrize("lie", LIES)
def test_p047_p048_refuses_each_lie_with_a_reason_of_its_own(lie: str) -> None:
    reason, told = LIES[lie]
    passkey = Passkey("alice")
    answer = passkey.answer(CHALLENGE, **told)
    with pytest.raises(AssertionRefused) as refused:
        check_assertion(answer, passkey.credential, challenge=CHALLENGE, console=CONSOLE)
    assert refused.value.facts["reason"] == reason


@pytest.mark.parametrize(
    "lie", sorted(set(LIES) - {"inside another page", "under another page", "upper case", "padded"})
)
def test_the_library_refuses_the_same_lies(lie: str) -> None:
    """But for pages inside pages, which it does not look at, and spellings that it does not mind."""
    passkey = Passkey("alice")
    answer = passkey.answer(CHALLENGE, **LIES[lie][1])
    with pytest.raises(PasskeyRefused):
        library.expect_agreed(answer, passkey.credential, challenge=CHALLENGE, console=CONSOLE)


def test_another_passkeys_answer_is_refused() -> None:
    alice, bob = Passkey("alice"), Passkey("bob")
    answer = bob.answer(CHALLENGE)
    with pytest.raises(AssertionRefused, match="another passkey"):
        check_assertion(answer, alice.credential, challenge=CHALLENGE, console=CONSOLE)
    named = replace(answer, credential=alice.credential.id)
    with pytest.raises(AssertionRefused, match="does not verify"):
        check_assertion(named, alice.credential, challenge=CHALLENGE, console=CONSOLE)


@pytest.mark.parametrize("key", ["04" + "00" * 64, "04" + "ff" * 64, "05" + Passkey("alice").credential.public_key[2:]])
def test_a_key_that_is_no_point_is_no_credential(key: str) -> None:
    document = {**Passkey("alice").credential.to_json(), "public_key": key}
    with pytest.raises(InvalidInput, match="point"):
        Credential.parse(document, field="credential")


def test_reads_browsers_json_strictly() -> None:
    good = as_browser(Passkey("alice").answer(CHALLENGE))
    for bad in (
        None,
        [],
        {},
        {**good, "id": "not base64url!"},
        {**good, "id": good["id"] + "="},
        {**good, "response": None},
        {**good, "response": {**good["response"], "signature": "x" * 9_000}},
        {**good, "response": {**good["response"], "clientDataJSON": 5}},
    ):
        with pytest.raises(InvalidInput):
            library.read_assertion(bad)
