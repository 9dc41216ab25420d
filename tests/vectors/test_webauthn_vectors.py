"""Passkeys against the specification's test vectors: each is read as its flags and its algorithm say."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from custody.evidence.passkeys import Assertion, AssertionRefused, Console, Credential, base64url, check_assertion
from custody.kernel.errors import InvalidInput
from custody.operators import library
from custody.operators.operations import PasskeyRefused
from tests.support import vectors

PAIRS = vectors.rows("webauthn", "ceremony_pair")
ES256 = -7


def console_of(row: dict[str, Any]) -> Console:
    return Console(origin=row["input"]["origin"], rp_id=row["input"]["rp_id"])


def credential_of(row: dict[str, Any]) -> Credential:
    cose = bytes.fromhex(row["expected"]["credential_public_key_cose_hex"])
    point = "04" + cose[10:42].hex() + cose[45:77].hex()
    name = base64url(bytes.fromhex(row["input"]["registration"]["credential_id_hex"]))
    return Credential.parse({"id": name, "algorithm": "es256", "public_key": point}, field="credential")


def answer_of(row: dict[str, Any]) -> Assertion:
    given = row["input"]["authentication"]
    return Assertion.parse(
        {
            "credential": base64url(bytes.fromhex(row["input"]["registration"]["credential_id_hex"])),
            "authenticator_data": given["authenticator_data_hex"],
            "client_data": given["client_data_json_hex"],
            "signature": given["signature_hex"],
        },
        field="assertion",
    )


def expected_reason(row: dict[str, Any]) -> str | None:
    if row["expected"]["cross_origin"]:
        return "cross-origin"
    return None if row["expected"]["authentication_flags"]["UV"] else "not-verified"


@pytest.mark.parametrize("row", PAIRS)
def test_reads_an_answer_as_its_flags_say(row: dict[str, Any]) -> None:
    if row["expected"]["alg"] != ES256:
        with pytest.raises(InvalidInput):
            credential_of(row)
        return
    answer, credential, console = answer_of(row), credential_of(row), console_of(row)
    challenge = bytes.fromhex(row["input"]["authentication"]["challenge_hex"])
    reason = expected_reason(row)
    if reason is None:
        check_assertion(answer, credential, challenge=challenge, console=console)
        library.expect_agreed(answer, credential, challenge=challenge, console=console)
        return
    with pytest.raises(AssertionRefused) as refused:
        check_assertion(answer, credential, challenge=challenge, console=console)
    assert refused.value.facts["reason"] == reason
    signed = bytes.fromhex(answer.authenticator_data) + _sha256(bytes.fromhex(answer.client_data))
    credential.key().verify(bytes.fromhex(answer.signature), signed, ec.ECDSA(hashes.SHA256()))


@pytest.mark.parametrize("row", PAIRS)
def test_registers_what_it_can_use(row: dict[str, Any]) -> None:
    """ES256 with the person verified; a maker's statement that cannot be checked is refused."""
    given, flags = row["input"]["registration"], row["expected"]["registration_flags"]
    name = base64url(bytes.fromhex(given["credential_id_hex"]))
    document = {
        "id": name,
        "rawId": name,
        "type": "public-key",
        "response": {
            "clientDataJSON": base64url(bytes.fromhex(given["client_data_json_hex"])),
            "attestationObject": base64url(bytes.fromhex(given["attestation_object_hex"])),
        },
    }
    challenge = bytes.fromhex(given["challenge_hex"])
    try:
        found = library.registered(document, challenge=challenge, console=console_of(row))
    except PasskeyRefused:
        assert row["expected"]["alg"] != ES256 or not flags["UV"] or row["expected"]["format"] in ("tpm", "android-key")
        return
    assert flags["UV"]
    assert found.credential == credential_of(row)


def _sha256(content: bytes) -> bytes:
    digest = hashes.Hash(hashes.SHA256())
    digest.update(content)
    return digest.finalize()
