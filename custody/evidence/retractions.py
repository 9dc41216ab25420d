"""Taking back what one signed oneself: a key of one's own that counts no more, or a request that is not to be met."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from custody.evidence import fields
from custody.evidence.intents import Intent
from custody.evidence.requests import FORMAT
from custody.evidence.requests.shape import canonical_time
from custody.evidence.signatures import Signature
from custody.evidence.trust_root import TrustRoot
from custody.kernel.canonical import canonical_json, digest_bytes
from custody.kernel.clock import rfc3339
from custody.kernel.errors import Refused

REVOCATION: Final = "revocation"
CANCELLATION: Final = "cancellation"


class RetractionRefused(Refused):
    """A retraction is not by whose key or request it takes back, or does not verify."""

    code = "retraction-refused"


@dataclass(frozen=True, slots=True)
class Retraction:
    """What ``by`` takes back: the key ``subject``, or the intent of that digest."""

    kind: str
    by: str
    subject: str
    at: datetime

    def to_json(self) -> dict[str, Any]:
        """The canonical object that is signed."""
        return {"format": FORMAT, "kind": self.kind, "by": self.by, "subject": self.subject, "at": rfc3339(self.at)}

    @property
    def message(self) -> bytes:
        """The 32 bytes a key of ``by`` signs."""
        return digest_bytes("retraction", canonical_json(self.to_json()))

    @classmethod
    def parse(cls, value: object, *, field: str) -> Retraction:
        """Read it. Raises ``InvalidInput``."""
        found = fields.exact_object(value, ("format", "kind", "by", "subject", "at"), field=field)
        fields.whole_number(found["format"], field=f"{field}.format", low=FORMAT, high=FORMAT)
        return cls(
            kind=fields.one_of(found["kind"], (REVOCATION, CANCELLATION), field=f"{field}.kind"),
            by=fields.name(found["by"], field=f"{field}.by"),
            subject=fields.text(found["subject"], field=f"{field}.subject", limit=1_400),
            at=canonical_time(found["at"], field=f"{field}.at"),
        )


@dataclass(frozen=True, slots=True)
class SignedRetraction:
    """A retraction, its signature, and the intent it cancels."""

    retraction: Retraction
    signature: Signature
    intent: Intent | None

    def to_json(self) -> dict[str, Any]:
        """The object ``parse`` reads."""
        return {
            "retraction": self.retraction.to_json(),
            "signature": self.signature.to_json(),
            "intent": None if self.intent is None else self.intent.to_json(),
        }

    @classmethod
    def parse(cls, value: object, *, field: str = "retraction") -> SignedRetraction:
        """Read it. Raises ``InvalidInput``."""
        found = fields.exact_object(value, ("retraction", "signature", "intent"), field=field)
        intent = found["intent"]
        return cls(
            retraction=Retraction.parse(found["retraction"], field=f"{field}.retraction"),
            signature=Signature.parse(found["signature"], field=f"{field}.signature"),
            intent=None if intent is None else Intent.parse(intent, field=f"{field}.intent"),
        )


def check_retraction(signed: SignedRetraction, *, root: TrustRoot) -> None:
    """Raise ``RetractionRefused`` unless a key of ``by`` signed it, and what it takes back is ``by``'s own.

    The key that is revoked may sign its own revocation: whoever has stolen it can do nothing better for everybody.
    """
    said = signed.retraction
    key = root.requester_key(said.by, signed.signature.key)
    if key is None:
        raise RetractionRefused("is by a key the trust root does not know", field="retraction.signature.key")
    if not key.verifies(said.message, signed.signature.signature):
        raise RetractionRefused("does not verify", field="retraction.signature.signature")
    if said.kind == REVOCATION:
        if (
            root.requester_key(said.by, said.subject) is None
            and root.operator_credential(said.by, said.subject) is None
        ):
            raise RetractionRefused(f"is no key of {said.by}", field="retraction.subject")
    elif signed.intent is None or signed.intent.digest != said.subject:
        raise RetractionRefused("does not come with the intent it cancels", field="retraction.intent")
    elif signed.intent.request.requester != said.by:
        raise RetractionRefused("is not by who asked for it", field="retraction.by")
