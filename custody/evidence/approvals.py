"""An approval: one person's signed statement on one intent's digest, good once and for a while."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from custody.evidence import fields
from custody.evidence.authorship import parse_author_signature
from custody.evidence.passkeys import Assertion, AssertionRefused, check_assertion
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
    """An approval does not count: unknown key, wrong signature, other digest, expired, or the requester's own.

    ``facts["reason"]`` is a word for the audit log that stands for one check and no other.
    """

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
    signature: Signature | Assertion

    def to_json(self) -> dict[str, Any]:
        """The object ``parse`` reads."""
        return {"statement": self.statement.to_json(), "signature": self.signature.to_json()}

    @classmethod
    def parse(cls, value: object, *, field: str = "approval") -> Approval:
        """Read an approval. Raises ``InvalidInput``."""
        found = fields.exact_object(value, ("statement", "signature"), field=field)
        return cls(
            statement=_parse_statement(found["statement"], f"{field}.statement"),
            signature=parse_author_signature(found["signature"], field=f"{field}.signature"),
        )


def check_approval(
    approval: Approval,
    *,
    digest: str,
    requester: str,
    request_not_after: datetime,
    root: TrustRoot,
    now: datetime,
    passkeys: bool = True,
) -> str:
    """Return the operator who gave ``approval`` on ``digest``; raise ``ApprovalRefused`` if it does not count (I8).

    Without ``passkeys`` only Ed25519 keys count: a passkey shows no text, so what changes the trust root is approved
    where the words are read and the digest is computed, on the operator's own machine.
    """
    statement = approval.statement
    if statement.digest != digest:
        raise _refused("digest", "is for another digest", "statement.digest")
    if statement.not_after > request_not_after:
        raise _refused("outlives-intent", "outlives its intent", "statement.not_after")
    if statement.given_at > now + CLOCK_SKEW:
        raise _refused("not-given-yet", "is not given yet", "statement.given_at")
    if now > statement.not_after:
        raise _refused("expired", "has expired", "statement.not_after")
    if statement.approver == requester:
        raise _refused("requester", "comes from the requester", "statement.approver")
    if not root.counts(approval.signature.key, statement.given_at):
        raise _refused("cooling", "is by a key that does not count yet", "signature.key")
    if isinstance(approval.signature, Assertion):
        _check_passkey(statement, approval.signature, root, passkeys)
    else:
        _check_key(statement, approval.signature, root)
    return statement.approver


def _check_key(statement: Statement, signature: Signature, root: TrustRoot) -> None:
    key = root.operator_key(statement.approver, signature.key)
    if key is None:
        raise _refused("unknown-key", "is by a key the trust root does not know", "signature.key")
    if not key.verifies(statement.message, signature.signature):
        raise _refused("signature", "does not verify", "signature.signature")


def _check_passkey(statement: Statement, assertion: Assertion, root: TrustRoot, passkeys: bool) -> None:
    if not passkeys:
        raise _refused("passkey-for-rules", "is by a passkey, which shows no words", "signature.credential")
    if root.console is None:
        raise _refused("no-console", "is by a passkey, and the trust root has no console", "signature")
    credential = root.operator_credential(statement.approver, assertion.credential)
    if credential is None:
        raise _refused("unknown-passkey", "is by a passkey the trust root does not know", "signature.credential")
    try:
        check_assertion(assertion, credential, challenge=statement.message, console=root.console)
    except AssertionRefused as error:
        raise _refused(error.facts["reason"], error.message, str(error.field)) from error


def _refused(reason: str, message: str, part: str) -> ApprovalRefused:
    return ApprovalRefused(message, field=f"approval.{part}", reason=reason)


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
