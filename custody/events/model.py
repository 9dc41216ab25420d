"""An event as everybody is told it: by the feed and by webhooks, byte for byte the same."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from custody.kernel.canonical import canonical_json
from custody.kernel.clock import rfc3339
from custody.kernel.errors import InvalidInput

_TYPE: Final = re.compile(r"[a-z_]{1,40}(\.[a-z_]{1,40})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Event:
    """One change of one object; ``version`` counts the changes of that object from 1."""

    sequence: int
    id: str
    kind: str
    subject: str
    event: str
    version: int
    client: str | None
    actor: str
    at: datetime
    """When it was written down."""
    occurred_at: datetime
    """When it happened: the time of a block where the chain did it, and else as it was written down."""
    data: Mapping[str, Any]

    @property
    def type(self) -> str:
        """What people filter by: ``withdrawal.approved``."""
        return f"{self.kind}.{self.event}"

    def to_json(self) -> dict[str, Any]:
        """What is told. ``data`` is the object as the API shows it, at that version."""
        return {
            "type": self.type,
            "timestamp": rfc3339(self.at),
            "occurred_at": rfc3339(self.occurred_at),
            "recorded_at": rfc3339(self.at),
            "id": self.id,
            "cursor": str(self.sequence),
            "object": {
                "kind": self.kind,
                "id": self.subject,
                "version": self.version,
                "previous_version": self.version - 1 or None,
            },
            "client": self.client,
            "actor": self.actor,
            "data": dict(self.data),
        }

    def thin(self) -> dict[str, Any]:
        """The same without ``data``: for who asks the API for the object by himself."""
        return {name: value for name, value in self.to_json().items() if name != "data"}

    @property
    def body(self) -> bytes:
        """The bytes that are told and signed."""
        return canonical_json(self.to_json())


def expect_type(text: object, *, field: str) -> str:
    """A filter: a kind (``withdrawal``) or one type (``withdrawal.approved``). Raises ``InvalidInput``."""
    if isinstance(text, str) and _TYPE.fullmatch(text):
        return text
    raise InvalidInput("not a type of events; accepted is a kind, or a kind, a dot and what happened", field=field)
