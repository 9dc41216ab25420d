"""Encryption at rest: AES-256-GCM under a key that scrypt (RFC 7914) makes of a passphrase."""

from __future__ import annotations

import os
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from custody.evidence import fields
from custody.kernel.canonical import canonical_json
from custody.kernel.errors import InvalidInput, Refused

DEFAULT_LOG2N: Final = 15
LEAST_LOG2N: Final = 12
MOST_LOG2N: Final = 20
"""A file that asks for more would only exhaust our memory."""
_R: Final = 8
_P: Final = 1
_SHORTEST_PASSPHRASE: Final = 8


class WrongPassphrase(Refused):
    """The passphrase does not open this file, or the file was altered; the two cannot be told apart."""

    code = "wrong-passphrase"


def seal(secret: bytes, *, passphrase: str, header: dict[str, Any], log2n: int = DEFAULT_LOG2N) -> dict[str, Any]:
    """Encrypt ``secret`` and bind ``header`` to it: neither can be altered without notice. Raises ``InvalidInput``."""
    if len(passphrase) < _SHORTEST_PASSPHRASE:
        raise InvalidInput(f"shorter than {_SHORTEST_PASSPHRASE} characters", field="passphrase")
    salt, nonce = os.urandom(16), os.urandom(12)
    key = _stretch(passphrase, salt, _expect_log2n(log2n))
    lock = {"kdf": "scrypt", "log2n": log2n, "r": _R, "p": _P, "salt": salt.hex(), "nonce": nonce.hex()}
    ciphertext = AESGCM(key).encrypt(nonce, secret, _bound(header, lock))
    return {"cipher": "aes-256-gcm", **lock, "ciphertext": ciphertext.hex()}


def unseal(sealed: object, *, passphrase: str, header: dict[str, Any]) -> bytes:
    """Decrypt what ``seal`` made with the same ``header``. Raises ``InvalidInput`` or ``WrongPassphrase``."""
    names = ("cipher", "kdf", "log2n", "r", "p", "salt", "nonce", "ciphertext")
    found = fields.exact_object(sealed, names, field="key.sealed")
    fields.one_of(found["cipher"], ("aes-256-gcm",), field="key.sealed.cipher")
    lock = {name: found[name] for name in ("kdf", "log2n", "r", "p", "salt", "nonce")}
    salt = fields.hexadecimal(found["salt"], field="key.sealed.salt", length=16)
    nonce = fields.hexadecimal(found["nonce"], field="key.sealed.nonce", length=12)
    ciphertext = fields.hexadecimal(found["ciphertext"], field="key.sealed.ciphertext")
    if (found["kdf"], found["r"], found["p"]) != ("scrypt", _R, _P):
        raise InvalidInput(f"not scrypt with r {_R} and p {_P}", field="key.sealed.kdf")
    key = _stretch(passphrase, bytes.fromhex(salt), _expect_log2n(found["log2n"]))
    try:
        return AESGCM(key).decrypt(bytes.fromhex(nonce), bytes.fromhex(ciphertext), _bound(header, lock))
    except InvalidTag:
        raise WrongPassphrase("does not open this file, or the file was altered", field="passphrase") from None


def _expect_log2n(log2n: object) -> int:
    return fields.whole_number(log2n, field="key.sealed.log2n", low=LEAST_LOG2N, high=MOST_LOG2N)


def _stretch(passphrase: str, salt: bytes, log2n: int) -> bytes:
    return Scrypt(salt=salt, length=32, n=2**log2n, r=_R, p=_P).derive(passphrase.encode())


def _bound(header: dict[str, Any], lock: dict[str, Any]) -> bytes:
    return canonical_json({"header": header, "lock": lock})
