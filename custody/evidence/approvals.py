"""An approval: one person's signed statement on one intent's digest, good once and for a while."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from custody.evidence import fields
from custody.evidence.requests import FORMAT
from custody.evidence.signatures import Signature
from custody.evidence.trust_root import TrustRoot
from custody.kernel.canonical import canonical_json, digest_bytes
from custody.kernel.clock import parse_rfc3339, rfc3339
from custody.kernel.errors import Refused

VERDICTS: Final = ("approve", "reject")
CLOCK_SKEW: Final = timedelta(minutes=2)
"""How far ahead of ours an approver's clock may be."""


class ApprovalRefused(Refused):
    """An approval does not count: unknown key, wrong signature, other digest, expired, or the requester's own."""

    code = "approval-refused"


@dataclass(frozen=True, slots=True)
class Statement:
    """What is signed. The verdict and the times are inside, so neither can be changed afterwards."""

    digest: str
    verdict: str
    approver: str
    nonce: str
    given_at: datetime
    not_after: datetime

    def to_json(self) -> dict[str, Any]:
        """The canonical object that is signed."""
        return {
            "format": FORMAT,
            "digest": self.digest,
            "verdict": self.verdict,
            "approver": self.approver,
            "nonce": self.nonce,
            "given_at": rfc3339(self.given_at),
            "not_after": rfc3339(self.not_after),
        }

    @property
    def message(self) -> bytes:
        """The 32 bytes an Ed25519 key signs (and that a passkey's challenge would be)."""
        return digest_bytes("approval", canonical_json(self.to_json()))


@dataclass(frozen=True, slots=True)
class Approval:
    """A statement and the signature under it."""

    statement: Statement
    signature: Signature

    def to_json(self) -> dict[str, Any]:
        """The object ``parse`` reads."""
        return {"statement": self.statement.to_json(), "signature": self.signature.to_json()}

    @classmethod
    def parse(cls, value: object, *, field: str = "approval") -> Approval:
        """Read an approval. Raises ``InvalidInput``."""
        found = fields.exact_object(value, ("statement", "signature"), field=field)
        return cls(
            statement=_parse_statement(found["statement"], f"{field}.statement"),
            signature=Signature.parse(found["signature"], field=f"{field}.signature"),
        )


def check_approval(
    approval: Approval, *, digest: str, requester: str, request_not_after: datetime, root: TrustRoot, now: datetime
) -> str:
    """Return the operator who gave ``approval`` on ``digest``; raise ``ApprovalRefused`` if it does not count (I8)."""
    statement = approval.statement
    if statement.digest != digest:
        raise ApprovalRefused("is for another digest", field="approval.statement.digest")
    if statement.not_after > request_not_after:
        raise ApprovalRefused("outlives its intent", field="approval.statement.not_after")
    if not statement.given_at <= now + CLOCK_SKEW or now > statement.not_after:
        raise ApprovalRefused("is not valid at this time", field="approval.statement.not_after")
    if statement.approver == requester:
        raise ApprovalRefused("comes from the requester", field="approval.statement.approver")
    key = root.operator_key(statement.approver, approval.signature.key)
    if key is None:
        raise ApprovalRefused("is by a key the trust root does not know", field="approval.signature.key")
    if not key.verifies(statement.message, approval.signature.signature):
        raise ApprovalRefused("does not verify", field="approval.signature.signature")
    return statement.approver


def approvers(verdicts: Iterable[tuple[str, str]]) -> frozenset[str]:
    """Who approved among (operator, verdict) pairs that were already checked; each human once."""
    return frozenset(person for person, verdict in verdicts if verdict == "approve")


def _parse_statement(value: object, field: str) -> Statement:
    keys = ("format", "digest", "verdict", "approver", "nonce", "given_at", "not_after")
    found = fields.exact_object(value, keys, field=field)
    fields.whole_number(found["format"], field=f"{field}.format", low=FORMAT, high=FORMAT)
    return Statement(
        digest=fields.hexadecimal(found["digest"], field=f"{field}.digest", length=32),
        verdict=fields.one_of(found["verdict"], VERDICTS, field=f"{field}.verdict"),
        approver=fields.name(found["approver"], field=f"{field}.approver"),
        nonce=fields.hexadecimal(found["nonce"], field=f"{field}.nonce", length=16),
        given_at=parse_rfc3339(found["given_at"], field=f"{field}.given_at"),
        not_after=parse_rfc3339(found["not_after"], field=f"{field}.not_after"),
    )
