"""Keysets as the trust root states them, and the two proofs each cosigner gives once per keyset.

Round one: the cosigner signs its key record, proving it holds the key behind the xpub it registers. Round
two: it signs the hash of the keyset's open descriptor, proving it saw with whom it shares a quorum. Both
are ECDSA over secp256k1 by the account key itself. Descriptors are text here; chains read them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import coincurve

from custody.evidence import fields
from custody.evidence.signatures import Signature
from custody.kernel.canonical import canonical_json, digest, digest_bytes
from custody.kernel.errors import InvalidInput, Refused

BRANCHES: Final = "branches"
"""Every vault has a branch of its own under each account key: its descriptor finds its coins and no others."""
POLICY: Final = "policy"
"""All vaults share one registered wallet policy (BIP-388); each has a block of its indexes."""
_LAYOUTS: Final = (BRANCHES, POLICY)
_SIGNED_MESSAGE_BYTES: Final = 65
_MESSAGE_MAGIC: Final = b"\x18Bitcoin Signed Message:\n"
_FIRST_HEADER, _LAST_HEADER = 27, 42


class ProofRefused(Refused):
    """A proof of possession does not verify under the key it is for."""

    code = "proof-refused"


@dataclass(frozen=True, slots=True)
class KeysetCosigner:
    """One member of a quorum: its name, its account key with origin as its chain writes it, and that key's point."""

    id: str
    account_key: str
    """``[fingerprint/48h/1h/0h/2h]tpub…`` on Bitcoin, ``[fingerprint/44h/60h/0h/0/0]0x…`` on Ethereum; of a module
    that cannot derive ``[fingerprint]02…`` and ``[fingerprint]0x…``.
    """
    public_key: str
    """33 bytes, lower-case hex: the account key's point (chains check that they agree)."""

    def to_json(self) -> dict[str, Any]:
        """The object in the trust root."""
        return {"id": self.id, "account_key": self.account_key, "public_key": self.public_key}

    @classmethod
    def parse(cls, value: object, *, field: str) -> KeysetCosigner:
        """Read one member. Raises ``InvalidInput``."""
        found = fields.exact_object(value, ("id", "account_key", "public_key"), field=field)
        return cls(
            id=fields.name(found["id"], field=f"{field}.id"),
            account_key=fields.text(found["account_key"], field=f"{field}.account_key"),
            public_key=fields.hexadecimal(found["public_key"], field=f"{field}.public_key", length=33),
        )

    def verifies(self, message: bytes, signature: str) -> bool:
        """Whether ``signature`` is the account key's over the 32 bytes ``message``: hex of DER ECDSA, or of the 65
        bytes of a signed message (BIP-137) whose text is ``message`` in hex. Hardware wallets sign no bare hashes.
        """
        try:
            given, point = bytes.fromhex(signature), bytes.fromhex(self.public_key)
            if len(given) == _SIGNED_MESSAGE_BYTES:
                return _signer_of_text(message.hex(), given) == point
            return bool(coincurve.PublicKey(point).verify(given, message, hasher=None))
        except ValueError:
            return False


@dataclass(frozen=True, slots=True)
class Keyset:
    """m of n cosigners on one chain, and the descriptor they share with the branch left open."""

    id: str
    chain: str
    threshold: int
    cosigners: tuple[KeysetCosigner, ...]
    descriptor: str
    layout: str = BRANCHES
    """How vaults share its account keys, ``branches`` or ``policy``; the descriptor says the same."""

    @property
    def descriptor_hash(self) -> str:
        """Hex digest of the open descriptor: what every cosigner signs in round two."""
        return digest("keyset-descriptor", self.descriptor)

    def to_json(self) -> dict[str, Any]:
        """The object in the trust root."""
        return {
            "id": self.id,
            "chain": self.chain,
            "threshold": self.threshold,
            "cosigners": [cosigner.to_json() for cosigner in self.cosigners],
            "descriptor": self.descriptor,
            # Written only where it differs: documents signed before there was a choice keep their hash.
            **({} if self.layout == BRANCHES else {"layout": self.layout}),
        }

    @classmethod
    def parse(cls, value: object, *, field: str) -> Keyset:
        """Read a keyset; any two quorums must share a member (I6). Raises ``InvalidInput``."""
        names = ("id", "chain", "threshold", "cosigners", "descriptor")
        has_layout = isinstance(value, Mapping) and "layout" in value
        found = fields.exact_object(value, (*names, "layout") if has_layout else names, field=field)
        members = fields.array(found["cosigners"], field=f"{field}.cosigners", limit=15)
        keyset = cls(
            id=fields.name(found["id"], field=f"{field}.id"),
            chain=fields.name(found["chain"], field=f"{field}.chain"),
            threshold=fields.whole_number(found["threshold"], field=f"{field}.threshold", low=1, high=15),
            cosigners=tuple(KeysetCosigner.parse(item, field=f"{field}.cosigners") for item in members),
            descriptor=fields.text(found["descriptor"], field=f"{field}.descriptor", limit=4000),
            layout=_read_layout(found, field) if has_layout else BRANCHES,
        )
        check_quorum(keyset.threshold, len(keyset.cosigners), field=f"{field}.threshold")
        for distinct in ("id", "account_key", "public_key"):
            if len({getattr(cosigner, distinct) for cosigner in keyset.cosigners}) != len(keyset.cosigners):
                raise InvalidInput(f"two cosigners share one {distinct}", field=f"{field}.cosigners")
        return keyset

    def cosigner(self, cosigner_id: str) -> KeysetCosigner | None:
        """The member of that name, or None."""
        return next((cosigner for cosigner in self.cosigners if cosigner.id == cosigner_id), None)


def _signer_of_text(text: str, signature: bytes) -> bytes | None:
    """The compressed key whose signed message this is; ``None`` for no header of BIP-137. Raises ``ValueError``."""
    if not _FIRST_HEADER <= signature[0] <= _LAST_HEADER:
        return None
    said = text.encode()
    message = _MESSAGE_MAGIC + bytes([len(said)]) + said
    hashed = hashlib.sha256(hashlib.sha256(message).digest()).digest()
    compact = signature[1:] + bytes([(signature[0] - _FIRST_HEADER) & 3])
    found: bytes = coincurve.PublicKey.from_signature_and_message(compact, hashed, hasher=None).format()
    return found


def _read_layout(found: Mapping[str, Any], field: str) -> str:
    """One way to write each keyset: the layout that goes without saying is not said."""
    layout = fields.one_of(found["layout"], _LAYOUTS, field=f"{field}.layout")
    if layout == BRANCHES:
        raise InvalidInput(f"{BRANCHES} goes without saying", field=f"{field}.layout")
    return layout


def check_quorum(threshold: int, members: int, *, field: str) -> None:
    """Refuse m of n where two quorums need not share a cosigner (2m ≤ n) or m exceeds n (I6)."""
    if threshold > members:
        raise InvalidInput(f"{threshold} of {members} can never sign", field=field)
    if 2 * threshold <= members:
        raise InvalidInput(f"two quorums of {threshold} of {members} need not share a cosigner", field=field)


def key_record_message(*, cosigner: str, account_key: str, chain: str) -> bytes:
    """Round one: the 32 bytes a cosigner signs to register ``account_key`` under its name."""
    record = {"cosigner": cosigner, "account_key": account_key, "chain": chain}
    return digest_bytes("key-record", canonical_json(record))


def keyset_consent_message(keyset: Keyset) -> bytes:
    """Round two: the 32 bytes every cosigner signs, over keyset id and open descriptor's hash."""
    consent = {"keyset": keyset.id, "chain": keyset.chain, "descriptor_hash": keyset.descriptor_hash}
    return digest_bytes("keyset-consent", canonical_json(consent))


def check_consents(keyset: Keyset, consents: tuple[Signature, ...]) -> None:
    """Every cosigner consented to exactly this descriptor. Raises ``ProofRefused`` naming who did not."""
    message = keyset_consent_message(keyset)
    given = {item.key: item.signature for item in consents}
    for cosigner in keyset.cosigners:
        if cosigner.id not in given or not cosigner.verifies(message, given[cosigner.id]):
            raise ProofRefused(f"cosigner {cosigner.id} has not signed this descriptor", field="keyset.consents")
