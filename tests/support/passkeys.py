"""A passkey in software: it answers as an authenticator behind a browser does, and lies where a test tells it to."""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from custody.approvals import operations as approvals
from custody.approvals import passkeys
from custody.approvals import queries as intents
from custody.evidence.approvals import Approval, Statement
from custody.evidence.passkeys import Assertion, Console, Credential, base64url, from_base64url
from custody.evidence.proven import ProvenIntent
from custody.evidence.requests import request_message
from custody.evidence.trust_root import Person, SignedTrustRoot, TrustRoot
from custody.operators.queries import candidates
from custody.trust import operations as trust
from custody.trust.tables import TrustRootRow
from tests.cosigner.builders import World
from tests.support.servers import FreshDatabase
from tests.support.versions import change_request, prove_change
from tests.support.world import House

CONSOLE = Console(origin="https://console.example.com", rp_id="console.example.com")
PRESENT, VERIFIED, _ATTESTED = 0x01, 0x04, 0x40
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@dataclass
class Passkey:
    """One authenticator's one key. The same name makes the same key; ``sign_count`` rises with each answer."""

    name: str
    console: Console = CONSOLE
    sign_count: int = 0
    """What the counter showed last; a passkey that keeps none stays at 0 (``counts`` false)."""
    counts: bool = True
    given: list[Assertion] = field(default_factory=list)

    @cached_property
    def key(self) -> ec.EllipticCurvePrivateKey:
        """The private key."""
        secret = int.from_bytes(hashlib.sha256(f"passkey {self.name}".encode()).digest(), "big")
        return ec.derive_private_key(secret % (_ORDER - 1) + 1, ec.SECP256R1())

    @property
    def credential(self) -> Credential:
        """What a trust root pins."""
        point = self.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return Credential(base64url(hashlib.sha256(f"id {self.name}".encode()).digest()), point.hex())

    def answer(
        self,
        challenge: bytes,
        /,
        *,
        origin: str | None = None,
        rp_id: str | None = None,
        flags: int = PRESENT | VERIFIED,
        sign_count: int | None = None,
        **client_data: Any,
    ) -> Assertion:
        """What it answers to ``challenge``; everything else is said where a test wants a lie."""
        self.sign_count = sign_count if sign_count is not None else self.sign_count + self.counts
        said = {
            "type": "webauthn.get",
            "challenge": base64url(challenge),
            "origin": self.console.origin if origin is None else origin,
            "crossOrigin": False,
            **client_data,
        }
        client = json.dumps(said).encode()
        relying_party = self.console.rp_id if rp_id is None else rp_id
        data = hashlib.sha256(relying_party.encode()).digest() + bytes([flags]) + self.sign_count.to_bytes(4, "big")
        signature = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        assertion = Assertion(self.credential.id, data.hex(), client.hex(), signature.hex())
        self.given.append(assertion)
        return assertion

    def registration(
        self, challenge: bytes, /, *, flags: int = PRESENT | VERIFIED, **client_data: Any
    ) -> dict[str, Any]:
        """What a browser sends when this passkey is made, without a statement of its maker."""
        said = {
            "type": "webauthn.create",
            "challenge": base64url(challenge),
            "origin": self.console.origin,
            "crossOrigin": False,
            **client_data,
        }
        name, point = from_base64url(self.credential.id, field="id"), bytes.fromhex(self.credential.public_key)
        cose = b"\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20" + point[1:33] + b"\x22\x58\x20" + point[33:]
        data = hashlib.sha256(self.console.rp_id.encode()).digest() + bytes([flags | _ATTESTED])
        data += self.sign_count.to_bytes(4, "big") + bytes(16) + len(name).to_bytes(2, "big") + name + cose
        made = b"\xa3cfmtdnonegattStmt\xa0hauthData\x58" + bytes([len(data)]) + data
        response = {"clientDataJSON": base64url(json.dumps(said).encode()), "attestationObject": base64url(made)}
        return {
            "id": self.credential.id,
            "rawId": self.credential.id,
            "type": "public-key",
            "clientExtensionResults": {},
            "response": response,
        }

    def asks_for(self, proven: ProvenIntent, **lies: Any) -> ProvenIntent:
        """The same intent, asked for by this passkey instead of a key."""
        asked = self.answer(request_message(proven.intent.request), **lies)
        return replace(proven, request_signature=asked)

    def approval(self, statement: Statement, **lies: Any) -> Approval:
        """A verdict by this passkey."""
        return Approval(statement, self.answer(statement.message, **lies))


def as_browser(assertion: Assertion) -> dict[str, Any]:
    """The same as ``PublicKeyCredential.toJSON()`` writes it."""
    return {
        "id": assertion.credential,
        "rawId": assertion.credential,
        "type": "public-key",
        "authenticatorAttachment": "platform",
        "clientExtensionResults": {},
        "response": {
            "authenticatorData": base64url(bytes.fromhex(assertion.authenticator_data)),
            "clientDataJSON": base64url(bytes.fromhex(assertion.client_data)),
            "signature": base64url(bytes.fromhex(assertion.signature)),
        },
    }


@dataclass(frozen=True)
class PasskeyWorld(World):
    """A world whose trust root names a console, and passkeys of operators: ``(operator, passkey's name)``."""

    console: Console = CONSOLE
    credentials: tuple[tuple[str, str], ...] = (("alice", "alice"), ("bob", "bob"), ("carol", "carol"))
    cooling: tuple[tuple[str, timedelta], ...] = ()
    """A passkey's name, and how long after ``now`` it begins to count."""

    @cached_property
    def root(self) -> TrustRoot:
        """Version 1."""
        plain: TrustRoot = World.root.func(self)  # type: ignore[attr-defined]
        return replace(
            plain,
            console=self.console,
            operators=tuple(self._with_passkeys(person) for person in plain.operators),
            cooling={Passkey(name).credential.id: self.now + wait for name, wait in self.cooling},
        )

    def _with_passkeys(self, person: Person) -> Person:
        theirs = tuple(Passkey(name).credential for owner, name in self.credentials if owner == person.id)
        return replace(person, credentials=theirs)


def world(**changes: Any) -> PasskeyWorld:
    """A world of today, for a house; ``changes`` are fields of ``PasskeyWorld``."""
    return PasskeyWorld(now=datetime.now(UTC), **changes)


def found(database: FreshDatabase, **changes: Any) -> House:
    """A house whose operators have passkeys."""
    return House.found(database, ceremony=world(**changes))


def asked(house: House, person: str, digest: str, *, verdict: str = "approve", nonce: str = "") -> Statement:
    """The statement the house asks ``person``'s passkey to sign."""
    with house.db.unit() as unit:
        filed = intents.get(unit.session, digest=digest)
        return passkeys.ask(
            unit.session,
            filed,
            verdict=verdict,
            approver=person,
            nonce=nonce or secrets.token_hex(16),
            now=unit.now,
        )


def pin_candidates(house: House, *people: str) -> TrustRoot:
    """Put the next version of the trust root in force, with every registered passkey of these people."""
    with house.db.unit() as unit:
        root = trust.in_force(unit.session).root
        waiting = candidates(unit.session)
        theirs = {name: tuple(each.credential for each in waiting if each.operator == name) for name in people}
        newer = replace(
            root,
            version=root.version + 1,
            previous=root.hash,
            operators=tuple(
                replace(person, credentials=tuple(dict.fromkeys((*person.credentials, *theirs.get(person.id, ())))))
                for person in root.operators
            ),
        )
    return put_in_force(house, newer)


def put_in_force(house: House, root: TrustRoot, *, policy: str | None = None) -> TrustRoot:
    """Make ``root`` the newest version, without the road that leads there."""
    with house.db.unit() as unit:
        text_of_policy = policy or trust.in_force(unit.session).policy_text
        unit.session.add(
            TrustRootRow(
                version=root.version,
                hash=root.hash,
                document=SignedTrustRoot(root, ()).to_json(),
                policy=text_of_policy,
                proven=prove_change(change_request(root, now=unit.now), now=unit.now).to_json(),
                in_force_at=unit.now,
            )
        )
    return root


def give(house: House, approval: Approval) -> str:
    """Hand the house a verdict; returns where its intent stands then."""
    with house.db.unit() as unit:
        return approvals.give(
            unit.session,
            digest=approval.statement.digest,
            approval=approval,
            root=trust.in_force(unit.session).root,
            correlation_id="test",
            now=unit.now,
        ).state
