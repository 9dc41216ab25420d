"""The bundle: everything a cosigner needs to verify one spend offline, and its answers to it.

What is to be signed, and an answer, each stand under a field that goes by the chain: ``WORDING``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from custody.evidence import fields
from custody.evidence.proven import ProvenIntent
from custody.evidence.requests import FORMAT
from custody.evidence.statements import SignedStatement
from custody.evidence.status import SignedStatus
from custody.evidence.succession import RootLink
from custody.evidence.trust_root import SignedTrustRoot
from custody.kernel.canonical import canonical_json, digest, digest_bytes
from custody.kernel.clock import parse_rfc3339, rfc3339
from custody.kernel.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Wording:
    """The words of one kind of bundle."""

    kind: str
    unsigned: str
    """The field that holds what is to be signed."""
    answer: str
    """The field of an answer that holds what was signed."""


WORDING: Final[Mapping[str, Wording]] = {
    "bip122": Wording("bitcoin", "psbt", "psbt"),
    "eip155": Wording("safe", "safe_tx", "signature"),
}
"""By the namespace of the chain's CAIP-2 id. Signed and served formats: never changed."""
_BY_KIND: Final = {wording.kind: wording for wording in WORDING.values()}


OF_THE_MOMENT: Final = frozenset({"status", "statements"})
"""Fields that age while a bundle waits, so that they are replaced by the newest each time a cosigner asks."""


@dataclass(frozen=True, slots=True)
class Payment:
    """A withdrawal to be paid and what only the daemon can say of it, which may tighten a verdict only."""

    proven: ProvenIntent
    decision: dict[str, Any]
    """The stored decision as policies write it: facts with sources, window usage, obligations."""

    def to_json(self) -> dict[str, Any]:
        """The object ``parse`` reads."""
        return {**self.proven.to_json(), "decision": self.decision}


@dataclass(frozen=True, slots=True)
class Bundle:
    """One attempt's spend as its chain composes it, and the evidence for everything in it that pays somebody."""

    id: str
    chain: str
    attempt: str
    created_at: datetime
    not_after: datetime
    unsigned: str
    payments: tuple[Payment, ...]
    openings: tuple[ProvenIntent, ...]
    """Whose the vaults are: ``client_opening`` intents of every client concerned."""
    policy: str
    """The exact text of the policy document in force; its hash stands in the newest version of the trust root."""
    trust_root: SignedTrustRoot
    """Version 1, with the signatures of its ceremony."""
    succession: tuple[RootLink, ...] = ()
    """Every version after the first, in order, each with what proves that the one before it agreed."""
    status: SignedStatus | None = None
    """What was taken back, by a service that is not the daemon."""
    listings: tuple[ProvenIntent, ...] = ()
    """``destination_listing`` intents behind every destination that counts as listed."""
    statements: tuple[SignedStatement, ...] = ()
    """Prices and screenings that the decisions read."""

    @property
    def digest(self) -> str:
        """Hex digest of the bundle, as logs and refusals name it: of all but what is new each time it is given out."""
        return digest("bundle", {name: value for name, value in self.to_json().items() if name not in OF_THE_MOMENT})

    def to_json(self) -> dict[str, Any]:
        """The file or HTTP body a cosigner reads."""
        wording = wording_of(self.chain)
        return {
            "format": FORMAT,
            "kind": wording.kind,
            "id": self.id,
            "chain": self.chain,
            "attempt": self.attempt,
            "created_at": rfc3339(self.created_at),
            "not_after": rfc3339(self.not_after),
            wording.unsigned: self.unsigned,
            "payments": [payment.to_json() for payment in self.payments],
            "openings": [opening.to_json() for opening in self.openings],
            "policy": self.policy,
            "trust_root": self.trust_root.to_json(),
            "succession": [link.to_json() for link in self.succession],
            "status": None if self.status is None else self.status.to_json(),
            "listings": [listing.to_json() for listing in self.listings],
            "statements": [statement.to_json() for statement in self.statements],
        }

    @classmethod
    def parse(cls, value: object, *, field: str = "bundle") -> Bundle:
        """Read a bundle. Shape only: nothing in it is believed yet. Raises ``InvalidInput``."""
        wording = _wording_in(value, field)
        keys = (
            *("format", "kind", "id", "chain", "attempt", "created_at", "not_after", wording.unsigned),
            *("payments", "openings", "policy", "trust_root", "succession", "status", "listings", "statements"),
        )
        found = fields.exact_object(value, keys, field=field)
        fields.whole_number(found["format"], field=f"{field}.format", low=FORMAT, high=FORMAT)
        chain = fields.name(found["chain"], field=f"{field}.chain")
        fields.one_of(found["kind"], (wording_of(chain, field=f"{field}.chain").kind,), field=f"{field}.kind")
        payments = fields.array(found["payments"], field=f"{field}.payments", limit=200)
        openings = fields.array(found["openings"], field=f"{field}.openings", limit=200)
        succession = fields.array(found["succession"], field=f"{field}.succession", limit=1_000)
        listings = fields.array(found["listings"], field=f"{field}.listings", limit=200)
        statements = fields.array(found["statements"], field=f"{field}.statements", limit=1_000)
        status = found["status"]
        return cls(
            id=fields.name(found["id"], field=f"{field}.id"),
            chain=chain,
            attempt=fields.name(found["attempt"], field=f"{field}.attempt"),
            created_at=parse_rfc3339(found["created_at"], field=f"{field}.created_at"),
            not_after=parse_rfc3339(found["not_after"], field=f"{field}.not_after"),
            unsigned=fields.text(found[wording.unsigned], field=f"{field}.{wording.unsigned}", limit=2_800_000),
            payments=tuple(_parse_payment(item, f"{field}.payments") for item in payments),
            openings=tuple(ProvenIntent.parse(item, field=f"{field}.openings") for item in openings),
            policy=fields.document(found["policy"], field=f"{field}.policy"),
            trust_root=SignedTrustRoot.parse(found["trust_root"], field=f"{field}.trust_root"),
            succession=tuple(RootLink.parse(item, field=f"{field}.succession") for item in succession),
            status=None if status is None else SignedStatus.parse(status, field=f"{field}.status"),
            listings=tuple(ProvenIntent.parse(item, field=f"{field}.listings") for item in listings),
            statements=tuple(SignedStatement.parse(item, field=f"{field}.statements") for item in statements),
        )


@dataclass(frozen=True, slots=True)
class HandedIn:
    """A cosigner's "yes" as it is handed in: what it signed, under its chain's field. Nothing is proved."""

    cosigner: object
    field: str
    signed: object

    @classmethod
    def parse(cls, value: object, *, field: str = "body") -> HandedIn:
        """Read ``{cosigner, psbt}`` or the like of another chain. Raises ``InvalidInput``."""
        answers = [wording.answer for wording in WORDING.values()]
        given = [name for name in answers if isinstance(value, Mapping) and name in value]
        name = given[0] if given else answers[0]
        found = fields.exact_object(value, ("cosigner", name), field=field)
        return cls(found["cosigner"], name, found[name])


@dataclass(frozen=True, slots=True)
class Refusal:
    """A cosigner's signed "no": it keeps to it, so the daemon may count it (domain.md, withdrawal states)."""

    bundle: str
    bundle_digest: str
    cosigner: str
    reason: str
    explanation: str
    at: datetime

    def to_json(self) -> dict[str, Any]:
        """The canonical object that is signed."""
        return {
            "format": FORMAT,
            "bundle": self.bundle,
            "bundle_digest": self.bundle_digest,
            "cosigner": self.cosigner,
            "reason": self.reason,
            "explanation": self.explanation,
            "at": rfc3339(self.at),
        }

    @property
    def message(self) -> bytes:
        """The 32 bytes the cosigner's account key signs."""
        return digest_bytes("refusal", canonical_json(self.to_json()))

    @classmethod
    def parse(cls, value: object, *, field: str = "refusal") -> Refusal:
        """Read a refusal. Raises ``InvalidInput``."""
        keys = ("format", "bundle", "bundle_digest", "cosigner", "reason", "explanation", "at")
        found = fields.exact_object(value, keys, field=field)
        fields.whole_number(found["format"], field=f"{field}.format", low=FORMAT, high=FORMAT)
        return cls(
            bundle=fields.name(found["bundle"], field=f"{field}.bundle"),
            bundle_digest=fields.hexadecimal(found["bundle_digest"], field=f"{field}.bundle_digest", length=32),
            cosigner=fields.name(found["cosigner"], field=f"{field}.cosigner"),
            reason=fields.name(found["reason"], field=f"{field}.reason"),
            explanation=fields.text(found["explanation"], field=f"{field}.explanation", limit=500),
            at=parse_rfc3339(found["at"], field=f"{field}.at"),
        )


def unsigned_of(document: Mapping[str, Any]) -> str:
    """What a stored bundle asks to have signed; the document is one of ours, as ``to_json`` gave it."""
    return str(document[wording_of(document["chain"]).unsigned])


def wording_of(chain: str, *, field: str = "chain") -> Wording:
    """The words of bundles of this chain (CAIP-2 id). Raises ``InvalidInput`` for a chain without bundles."""
    namespace = chain.partition(":")[0]
    if namespace not in WORDING:
        raise InvalidInput(f"has no bundles; accepted are chains of {', '.join(WORDING)}", field=field)
    return WORDING[namespace]


def answer_field(chain: str) -> str:
    """The field of an answer that holds what was signed on this chain. Raises ``InvalidInput``."""
    return wording_of(chain).answer


def _wording_in(value: object, field: str) -> Wording:
    """By the kind it names; by the first kind where it names none, so that the first field missing is named."""
    kind = value.get("kind") if isinstance(value, Mapping) else None
    if kind is None:
        return next(iter(WORDING.values()))
    return _BY_KIND[fields.one_of(kind, tuple(_BY_KIND), field=f"{field}.kind")]


def _parse_payment(value: object, field: str) -> Payment:
    found = fields.exact_object(value, ("intent", "request_signature", "approvals", "decision"), field=field)
    proven = {key: item for key, item in found.items() if key != "decision"}
    decision = found["decision"]
    if not isinstance(decision, dict):
        decision = fields.exact_object(decision, (), field=f"{field}.decision")
    return Payment(proven=ProvenIntent.parse(proven, field=field), decision=dict(decision))
