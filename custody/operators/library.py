"""The WebAuthn library as a second pair of eyes: what it and our own reading both accept counts, nothing else.

It is imported when it is needed: a process that meets no passkey does not pay for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from custody.evidence import fields
from custody.evidence.passkeys import Assertion, Console, Credential, base64url, from_base64url
from custody.kernel.errors import InvalidInput
from custody.operators.operations import PasskeyRefused


@dataclass(frozen=True, slots=True)
class Registered:
    """A new passkey, and what its counter began with."""

    credential: Credential
    sign_count: int


def read_assertion(value: object, *, field: str = "assertion") -> Assertion:
    """What ``PublicKeyCredential.toJSON()`` of a browser says, as evidence keeps it. Raises ``InvalidInput``."""
    found = _part(value, field)
    response = _part(found.get("response"), f"{field}.response")
    spelled = {
        "credential": found.get("id"),
        "authenticator_data": _hex(response.get("authenticatorData"), f"{field}.authenticatorData"),
        "client_data": _hex(response.get("clientDataJSON"), f"{field}.clientDataJSON"),
        "signature": _hex(response.get("signature"), f"{field}.signature"),
    }
    return Assertion.parse(spelled, field=field)


def expect_agreed(assertion: Assertion, credential: Credential, *, challenge: bytes, console: Console) -> None:
    """Raise ``PasskeyRefused`` unless the library, too, accepts the answer."""
    import webauthn
    from webauthn.helpers.exceptions import WebAuthnException

    response = {
        "authenticatorData": base64url(bytes.fromhex(assertion.authenticator_data)),
        "clientDataJSON": base64url(bytes.fromhex(assertion.client_data)),
        "signature": base64url(bytes.fromhex(assertion.signature)),
    }
    document = {"id": assertion.credential, "rawId": assertion.credential, "type": "public-key", "response": response}
    try:
        webauthn.verify_authentication_response(
            credential=document,
            expected_challenge=challenge,
            expected_rp_id=console.rp_id,
            expected_origin=console.origin,
            credential_public_key=_cose(credential),
            credential_current_sign_count=0,
            require_user_verification=True,
        )
    except WebAuthnException as error:
        # Its words may repeat what was sent.
        raise PasskeyRefused("the library refuses it", field="approval.signature", reason="library") from error


def registration_options(*, console: Console, operator: str, challenge: bytes, known: list[str]) -> dict[str, Any]:
    """What ``parseCreationOptionsFromJSON`` takes: ES256, the person verified, none of the ``known`` passkeys again.

    The authenticator keeps it under the person's name: signing in asks for no name.
    """
    return {
        "rp": {"id": console.rp_id, "name": "Custody"},
        "user": {"id": base64url(operator.encode()[:64]), "name": operator, "displayName": operator},
        "challenge": base64url(challenge),
        "pubKeyCredParams": [{"type": "public-key", "alg": -7}],
        "timeout": 120_000,
        "attestation": "none",
        "authenticatorSelection": {"residentKey": "required", "userVerification": "required"},
        "excludeCredentials": [{"type": "public-key", "id": each} for each in known],
    }


def assertion_options(*, console: Console, challenge: bytes, credentials: list[str]) -> dict[str, Any]:
    """What ``parseRequestOptionsFromJSON`` takes: this challenge, by one of these passkeys, the person verified.

    Without ``credentials`` by whichever passkey the browser has for this console.
    """
    return {
        "rpId": console.rp_id,
        "challenge": base64url(challenge),
        "timeout": 120_000,
        "userVerification": "required",
        "allowCredentials": [{"type": "public-key", "id": each} for each in credentials],
    }


def registered(value: object, *, challenge: bytes, console: Console) -> Registered:
    """Check a registration as a browser sent it. Raises ``PasskeyRefused`` or ``InvalidInput``."""
    import webauthn
    from webauthn.helpers import decode_credential_public_key
    from webauthn.helpers.cose import COSEAlgorithmIdentifier
    from webauthn.helpers.exceptions import WebAuthnException

    found = _part(value, "credential")
    try:
        checked = webauthn.verify_registration_response(
            credential=dict(found),
            expected_challenge=challenge,
            expected_rp_id=console.rp_id,
            expected_origin=console.origin,
            require_user_verification=True,
            supported_pub_key_algs=[COSEAlgorithmIdentifier.ECDSA_SHA_256],
        )
        key: Any = decode_credential_public_key(checked.credential_public_key)
    except WebAuthnException as error:
        raise PasskeyRefused("is not a registration asked for here", field="credential", reason="library") from error
    point = "04" + key.x.hex().rjust(64, "0") + key.y.hex().rjust(64, "0")
    spelled = {"id": base64url(checked.credential_id), "algorithm": "es256", "public_key": point}
    return Registered(Credential.parse(spelled, field="credential"), checked.sign_count)


def _cose(credential: Credential) -> bytes:
    """The key as authenticators write it: a CBOR map of kty 2, alg -7, crv 1, x, y (RFC 9053, section 7.1)."""
    point = bytes.fromhex(credential.public_key)
    return b"\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20" + point[1:33] + b"\x22\x58\x20" + point[33:]


def _part(value: object, field: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidInput("not an object", field=field)
    return value


def _hex(value: object, field: str) -> str:
    return from_base64url(fields.text(value, field=field, limit=8_192), field=field).hex()
