"""An intent with everything that proves it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from custody.evidence import fields
from custody.evidence.approvals import Approval
from custody.evidence.authorship import AuthorSignature, parse_author_signature
from custody.evidence.intents import Intent


@dataclass(frozen=True, slots=True)
class ProvenIntent:
    """An intent, its requester's signature or passkey's answer, and the approvals given on its digest."""

    intent: Intent
    request_signature: AuthorSignature
    approvals: tuple[Approval, ...]

    def to_json(self) -> dict[str, Any]:
        """The object ``parse`` reads."""
        return {
            "intent": self.intent.to_json(),
            "request_signature": self.request_signature.to_json(),
            "approvals": [approval.to_json() for approval in self.approvals],
        }

    @classmethod
    def parse(cls, value: object, *, field: str) -> ProvenIntent:
        """Read it. Raises ``InvalidInput``."""
        found = fields.exact_object(value, ("intent", "request_signature", "approvals"), field=field)
        approvals = fields.array(found["approvals"], field=f"{field}.approvals", limit=100)
        return cls(
            intent=Intent.parse(found["intent"], field=f"{field}.intent"),
            request_signature=parse_author_signature(found["request_signature"], field=f"{field}.request_signature"),
            approvals=tuple(Approval.parse(item, field=f"{field}.approvals") for item in approvals),
        )
