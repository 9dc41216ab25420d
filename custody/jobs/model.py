"""A job as other rooms and the doors see it: addresses handed out, or webhooks sent again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from custody.kernel.shown import when

ADDRESSES: Final = "addresses"
RESEND: Final = "resend"
MOST_ADDRESSES: Final = 10_000
"""In one job. Every address is watched for ever, so nobody asks for a million by a slip."""
PIECE: Final = 50
"""Addresses handed out in one unit."""

RUNNING: Final = "running"
COMPLETED: Final = "completed"
FAILED: Final = "failed"


@dataclass(frozen=True, slots=True)
class AddressesAsked:
    """``count`` addresses of ``vault`` for ``client``."""

    client: str
    vault: str
    count: int

    def to_json(self) -> dict[str, Any]:
        """What a key is bound to."""
        return {"client": self.client, "vault": self.vault, "count": self.count}


@dataclass(frozen=True, slots=True)
class ResendAsked:
    """What failed at a webhook ``endpoint``, of what was made ``since`` then."""

    endpoint: str
    since: datetime | None

    def to_json(self) -> dict[str, Any]:
        """What a key is bound to."""
        return {"endpoint": self.endpoint, "since": when(self.since)}


Asked = AddressesAsked | ResendAsked


@dataclass(frozen=True, slots=True)
class Job:
    """One job: ``done`` of ``wanted`` addresses or events."""

    id: str
    kind: str
    requester: str
    client: str | None
    """Whose it is; None: the house's."""
    asked: Asked
    wanted: int
    done: int
    state: str
    """``running``, ``completed`` or ``failed``."""
    waiting_for: str | None
    """Why it rests or failed, in words."""
    created_at: datetime
    ended_at: datetime | None
