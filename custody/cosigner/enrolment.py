"""Joining a keyset and pinning a trust root: what a keyholder proves, and what this program checks first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from custody.cosigner.craft import Myself, expect_ours
from custody.cosigner.crafts import craft_of
from custody.cosigner.keeping import CosignerKey
from custody.evidence import fields
from custody.evidence.keysets import Keyset, KeysetCosigner, ProofRefused, key_record_message, keyset_consent_message
from custody.evidence.signatures import Signature
from custody.evidence.trust_root import SignedTrustRoot, TrustRoot, TrustRootRefused, check_ceremony, check_first
from custody.evidence.words import digest_code
from custody.kernel.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """Round one: a cosigner's account key on one chain, signed by that key itself."""

    cosigner: KeysetCosigner
    chain: str
    signature: str

    def to_json(self) -> dict[str, str]:
        """The object ``parse`` reads."""
        member = self.cosigner
        return {
            "cosigner": member.id,
            "account_key": member.account_key,
            "chain": self.chain,
            "public_key": member.public_key,
            "signature": self.signature,
        }

    @classmethod
    def parse(cls, value: object, *, field: str) -> KeyRecord:
        """Read one record. Raises ``InvalidInput``; proves nothing yet."""
        names = ("cosigner", "account_key", "chain", "public_key", "signature")
        found = fields.exact_object(value, names, field=field)
        member = {"id": found["cosigner"], "account_key": found["account_key"], "public_key": found["public_key"]}
        return cls(
            cosigner=KeysetCosigner.parse(member, field=field),
            chain=fields.name(found["chain"], field=f"{field}.chain"),
            signature=fields.hexadecimal(found["signature"], field=f"{field}.signature"),
        )


class FingerprintDiffers(TrustRootRefused):
    """The code a person read to us is not this trust root's."""

    code = "fingerprint-differs"


def myself(key: CosignerKey) -> Myself:
    """Who an opened key signs as."""
    return Myself(key.header.name, key.header.account_key, key.header.network)


def key_record(key: CosignerKey) -> KeyRecord:
    """Round one: our key's record and proof of possession."""
    me = myself(key)
    message = key_record_message(cosigner=me.name, account_key=me.account_key.text, chain=me.network.chain)
    member = KeysetCosigner(me.name, me.account_key.text, key.public_key)
    return KeyRecord(member, me.network.chain, key.sign_statement(message))


def consent(key: CosignerKey, root: TrustRoot, records: Iterable[KeyRecord]) -> dict[str, Any]:
    """Round two: our signature on each keyset we are in, and on the trust root.

    Every keyset must hold our key once, agree with its own xpubs and open descriptor, and with every member's
    proved key record. Raises ``InvalidInput``, ``ProofRefused``.
    """
    ours = check_keysets(root, myself(key))
    proved = list(records)
    for keyset in ours:
        _check_records(keyset, proved)
    return {
        "cosigner": key.header.name,
        "trust_root": root.hash,
        "consents": [
            {
                "keyset": keyset.id,
                "descriptor_hash": keyset.descriptor_hash,
                "signature": key.sign_statement(keyset_consent_message(keyset)),
            }
            for keyset in ours
        ],
        "root_signature": Signature(key.header.name, key.sign_statement(bytes.fromhex(root.hash))).to_json(),
    }


def check_keysets(root: TrustRoot, me: Myself) -> list[Keyset]:
    """The keysets of our chain that hold our key, each checked. Raises ``InvalidInput`` when there is none."""
    here = [keyset for keyset in root.keysets if keyset.chain == me.network.chain]
    for keyset in here:
        craft_of(me.network).check_keyset(keyset)
    ours = [keyset for keyset in here if keyset.cosigner(me.name) is not None]
    if not ours:
        raise InvalidInput(f"no keyset of {me.network.chain} holds cosigner {me.name}", field="trust_root.keysets")
    for keyset in ours:
        expect_ours(keyset, me)
    return ours


def check_pin(signed: SignedTrustRoot, *, spoken: str, me: Myself, now: datetime, is_newcomer: bool = False) -> str:
    """The hash to pin: the ceremony is complete and a person read the same code. Raises ``TrustRootRefused``.

    A newcomer's keyset comes with a later version, which it walks to from this one, in force or run out by now.
    Who is in this version already is none. Raises ``InvalidInput``.
    """
    if is_newcomer:
        root = check_first(signed)
        _expect_stranger(root, me)
    else:
        root = check_ceremony(signed, now=now)
        check_keysets(root, me)
    if spoken.upper().replace(" ", "").replace("-", "") != digest_code(root.hash).replace(" ", ""):
        raise FingerprintDiffers("is not this trust root's", field="fingerprint")
    return root.hash


def _expect_stranger(root: TrustRoot, me: Myself) -> None:
    for keyset in root.keysets:
        if keyset.chain == me.network.chain and keyset.cosigner(me.name) is not None:
            raise InvalidInput(f"keyset {keyset.id} holds cosigner {me.name} already", field="newcomer")


def _check_records(keyset: Keyset, records: list[KeyRecord]) -> None:
    for member in keyset.cosigners:
        found = [record for record in records if record.cosigner == member and record.chain == keyset.chain]
        if not found:
            raise ProofRefused("has no key record for this very key", field=f"keyset.{member.id}")
        message = key_record_message(cosigner=member.id, account_key=member.account_key, chain=keyset.chain)
        if not all(member.verifies(message, record.signature) for record in found):
            raise ProofRefused("its key record is not signed by its key", field=f"keyset.{member.id}")
