"""Keysets as the trust root states them, and the two proofs each cosigner gives once per keyset.

Round one: the cosigner signs its key record, proving it holds the key behind the xpub it registers. Round
two: it signs the hash of the keyset's open descriptor, proving it saw with whom it shares a quorum. Both
are ECDSA over secp256k1 by the account key itself. Descriptors are text here; chains read them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import coincurve

from custody.evidence import fields
from custody.evidence.signatures import Signature
from custody.kernel.canonical import canonical_json, digest, digest_bytes
from custody.kernel.errors import InvalidInput, Refused


class ProofRefused(Refused):
    """A proof of possession does not verify under the key it is for."""

    code = "proof-refused"


@dataclass(frozen=True, slots=True)
class KeysetCosigner:
    """One member of a quorum: its name, its account key with origin as its chain writes it, and that key's point."""

    id: str
    account_key: str
    """``[fingerprint/48h/1h/0h/2h]tpub…`` on Bitcoin, ``[fingerprint/44h/60h/0h/0/0]0x…`` on Ethereum."""
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
        """Whether ``signature`` (hex DER ECDSA) is the account key's over the 32 bytes ``message``."""
        try:
            key = coincurve.PublicKey(bytes.fromhex(self.public_key))
            return bool(key.verify(bytes.fromhex(signature), message, hasher=None))
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
        }

    @classmethod
    def parse(cls, value: object, *, field: str) -> Keyset:
        """Read a keyset; any two quorums must share a member (I6). Raises ``InvalidInput``."""
        found = fields.exact_object(value, ("id", "chain", "threshold", "cosigners", "descriptor"), field=field)
        members = fields.array(found["cosigners"], field=f"{field}.cosigners", limit=15)
        keyset = cls(
            id=fields.name(found["id"], field=f"{field}.id"),
            chain=fields.name(found["chain"], field=f"{field}.chain"),
            threshold=fields.whole_number(found["threshold"], field=f"{field}.threshold", low=1, high=15),
            cosigners=tuple(KeysetCosigner.parse(item, field=f"{field}.cosigners") for item in members),
            descriptor=fields.text(found["descriptor"], field=f"{field}.descriptor", limit=4000),
        )
        check_quorum(keyset.threshold, len(keyset.cosigners), field=f"{field}.threshold")
        for distinct in ("id", "account_key", "public_key"):
            if len({getattr(cosigner, distinct) for cosigner in keyset.cosigners}) != len(keyset.cosigners):
                raise InvalidInput(f"two cosigners share one {distinct}", field=f"{field}.cosigners")
        return keyset

    def cosigner(self, cosigner_id: str) -> KeysetCosigner | None:
        """The member of that name, or None."""
        return next((cosigner for cosigner in self.cosigners if cosigner.id == cosigner_id), None)


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
