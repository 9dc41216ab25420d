"""A status statement: a short-lived signed note of what was taken back, by a key that is not the daemon's.

A signature proves what somebody once said; only a fresh note proves that nobody has taken it back since. A cosigner
refuses without one, so a daemon that hides a removal, a freeze, a veto or a cancellation gains at most its lifetime.
"""

from __future__ import annotations

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

ROLE: Final = "status"
EVERYTHING: Final = "everything"
_MOST: Final = 10_000


class StatusRefused(Refused):
    """A status statement is not by a pinned service, does not verify, or is not fresh."""

    code = "status-refused"


class StatusStale(StatusRefused):
    """A status statement is too old to say anything about now; a fresher one may."""

    code = "status-stale"


@dataclass(frozen=True, slots=True)
class Status:
    """What stands at ``at``. ``number`` grows with every statement of a service."""

    number: int
    at: datetime
    not_after: datetime
    version: int
    """Newest version of the trust root that the service knows."""
    root: str
    """Its hash."""
    revoked: tuple[str, ...]
    """Ids of keys and passkeys that count no more."""
    frozen: tuple[str, ...]
    """``client:<id>``, ``vault:<keyset/branch>``, ``asset:<CAIP-19 id>`` or ``everything``."""
    withdrawn: tuple[str, ...]
    """Digests of intents that were cancelled, rejected or vetoed and could otherwise still be presented."""

    def stops(self, *, client: str, vault: str, asset: str) -> str | None:
        """What of these is frozen, as the statement names it; ``None`` when nothing is."""
        named = (EVERYTHING, f"client:{client}", f"vault:{vault}", f"asset:{asset}")
        return next((name for name in named if name in self.frozen), None)

    def to_json(self) -> dict[str, Any]:
        """The canonical object that is signed."""
        return {
            "format": FORMAT,
            "number": self.number,
            "at": rfc3339(self.at),
            "not_after": rfc3339(self.not_after),
            "version": self.version,
            "root": self.root,
            "revoked": list(self.revoked),
            "frozen": list(self.frozen),
            "withdrawn": list(self.withdrawn),
        }

    @property
    def message(self) -> bytes:
        """The 32 bytes the service's Ed25519 key signs."""
        return digest_bytes("status", canonical_json(self.to_json()))

    @classmethod
    def parse(cls, value: object, *, field: str = "status") -> Status:
        """Read it. Raises ``InvalidInput``."""
        keys = ("format", "number", "at", "not_after", "version", "root", "revoked", "frozen", "withdrawn")
        found = fields.exact_object(value, keys, field=field)
        fields.whole_number(found["format"], field=f"{field}.format", low=FORMAT, high=FORMAT)
        return cls(
            number=fields.whole_number(found["number"], field=f"{field}.number", low=1, high=2**53 - 1),
            at=parse_rfc3339(found["at"], field=f"{field}.at"),
            not_after=parse_rfc3339(found["not_after"], field=f"{field}.not_after"),
            version=fields.whole_number(found["version"], field=f"{field}.version", low=1),
            root=fields.hexadecimal(found["root"], field=f"{field}.root", length=32),
            revoked=_texts(found["revoked"], f"{field}.revoked"),
            frozen=_texts(found["frozen"], f"{field}.frozen"),
            withdrawn=_texts(found["withdrawn"], f"{field}.withdrawn"),
        )


@dataclass(frozen=True, slots=True)
class SignedStatus:
    """A statement, the service it is by, and its signature."""

    status: Status
    service: str
    signature: Signature

    def to_json(self) -> dict[str, Any]:
        """The object ``parse`` reads."""
        return {"status": self.status.to_json(), "service": self.service, "signature": self.signature.to_json()}

    @classmethod
    def parse(cls, value: object, *, field: str = "status") -> SignedStatus:
        """Read it. Raises ``InvalidInput``."""
        found = fields.exact_object(value, ("status", "service", "signature"), field=field)
        return cls(
            status=Status.parse(found["status"], field=f"{field}.status"),
            service=fields.name(found["service"], field=f"{field}.service"),
            signature=Signature.parse(found["signature"], field=f"{field}.signature"),
        )


def check_status(
    signed: SignedStatus, *, root: TrustRoot, now: datetime, longest: timedelta, skew: timedelta
) -> Status:
    """The statement, if a status service of ``root`` signed it and it is at most ``longest`` old.

    Raises ``StatusRefused``; ``StatusStale`` where only its age is against it.
    """
    key = root.service_key(signed.service, signed.signature.key, role=ROLE)
    if key is None:
        raise StatusRefused("is by a key the trust root does not know", field="status.signature.key")
    if not key.verifies(signed.status.message, signed.signature.signature):
        raise StatusRefused("does not verify", field="status.signature.signature")
    if signed.status.at > now + skew:
        raise StatusRefused("is of a time to come", field="status.at")
    if now > signed.status.not_after or now - signed.status.at > longest:
        raise StatusStale("is too old", field="status.at")
    return signed.status


def _texts(value: object, field: str) -> tuple[str, ...]:
    return tuple(fields.text(item, field=field, limit=1_400) for item in fields.array(value, field=field, limit=_MOST))
