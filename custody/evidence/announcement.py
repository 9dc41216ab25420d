"""What a daemon shows cosigners before there is a bundle: intents that wait, so that a delay is served once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from custody.evidence import fields
from custody.evidence.authorship import AuthorSignature, parse_author_signature
from custody.evidence.intents import Intent
from custody.evidence.requests import FORMAT
from custody.evidence.status import SignedStatus
from custody.evidence.succession import RootLink
from custody.evidence.trust_root import SignedTrustRoot


@dataclass(frozen=True, slots=True)
class Waiting:
    """An intent somebody asked for, and that somebody's signature; nobody need have agreed yet."""

    intent: Intent
    request_signature: AuthorSignature

    def to_json(self) -> dict[str, Any]:
        """The object ``parse`` reads."""
        return {"intent": self.intent.to_json(), "request_signature": self.request_signature.to_json()}

    @classmethod
    def parse(cls, value: object, *, field: str) -> Waiting:
        """Read it. Raises ``InvalidInput``."""
        found = fields.exact_object(value, ("intent", "request_signature"), field=field)
        return cls(
            intent=Intent.parse(found["intent"], field=f"{field}.intent"),
            request_signature=parse_author_signature(found["request_signature"], field=f"{field}.request_signature"),
        )


@dataclass(frozen=True, slots=True)
class Announcement:
    """Intents that wait, and the rules they wait under."""

    policy: str
    """Exact text of the newest policy."""
    trust_root: SignedTrustRoot
    """Version 1 with its ceremony."""
    succession: tuple[RootLink, ...]
    status: SignedStatus | None
    intents: tuple[Waiting, ...]

    def to_json(self) -> dict[str, Any]:
        """The body a cosigner or a status service reads."""
        return {
            "format": FORMAT,
            "policy": self.policy,
            "trust_root": self.trust_root.to_json(),
            "succession": [link.to_json() for link in self.succession],
            "status": None if self.status is None else self.status.to_json(),
            "intents": [waiting.to_json() for waiting in self.intents],
        }

    @classmethod
    def parse(cls, value: object, *, field: str = "announcement") -> Announcement:
        """Read it. Shape only. Raises ``InvalidInput``."""
        keys = ("format", "policy", "trust_root", "succession", "status", "intents")
        found = fields.exact_object(value, keys, field=field)
        fields.whole_number(found["format"], field=f"{field}.format", low=FORMAT, high=FORMAT)
        succession = fields.array(found["succession"], field=f"{field}.succession", limit=1_000)
        intents = fields.array(found["intents"], field=f"{field}.intents", limit=10_000)
        status = found["status"]
        return cls(
            policy=fields.document(found["policy"], field=f"{field}.policy"),
            trust_root=SignedTrustRoot.parse(found["trust_root"], field=f"{field}.trust_root"),
            succession=tuple(RootLink.parse(item, field=f"{field}.succession") for item in succession),
            status=None if status is None else SignedStatus.parse(status, field=f"{field}.status"),
            intents=tuple(Waiting.parse(item, field=f"{field}.intents") for item in intents),
        )
