"""Channels, messages and what they say, as others see them, and when a message is tried again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from custody.kernel.clock import rfc3339
from custody.kernel.shown import when

MAIL: Final = "mail"
WEBHOOK: Final = "webhook"
CHANNELS: Final = (MAIL, WEBHOOK)

WHAT_WAITS: Final = "waiting"
CODE: Final = "code"
"""What a message says: what waits for its reader, or the code that confirms the address."""

FIRST: Final = "first"
REMINDER: Final = "reminder"

PACE: Final = timedelta(minutes=5)
"""An operator hears no more often than this on one channel; what comes meanwhile is one message."""
REMIND_WITHIN: Final = timedelta(hours=2)
"""So long before its deadline an intent is told once more."""
REMIND_AFTER: Final = timedelta(minutes=30)
"""Who was told within this is not reminded yet."""
MOST_TOLD: Final = 200
"""Intents of one message; the rest is told by the next."""
MOST_SAID: Final = 20
"""Of these so many are said in full; the others are counted."""
WAITS: Final = tuple(timedelta(seconds=seconds) for seconds in (15, 60, 300, 900, 3_600, 3_600, 3_600, 3_600))
"""After the first failure, the second and so on; after the last the message is given up, with an alarm."""
PRUNED_AT_ONCE: Final = 1_000
"""Messages deleted in one unit; the rest goes with the next."""
LEASE: Final = timedelta(minutes=5)
"""Who is killed over a message loses it after this, and it is sent again under the same id."""


@dataclass(frozen=True, slots=True)
class Channel:
    """One way by which one operator is told."""

    operator: str
    kind: str
    address: str
    is_on: bool
    changed_at: datetime
    changed_by: str
    confirmed_at: datetime | None
    """None until the code that was sent there came back: nothing else is sent there before."""

    def to_json(self) -> dict[str, Any]:
        """As console and command line show it; a secret is shown once, when it is made."""
        return {
            "operator": self.operator,
            "channel": self.kind,
            "address": self.address,
            "on": self.is_on,
            "changed_at": rfc3339(self.changed_at),
            "changed_by": self.changed_by,
            "confirmed_at": when(self.confirmed_at),
        }


@dataclass(frozen=True, slots=True)
class Message:
    """One message to one operator: what it says, of how many intents, and what became of it."""

    id: str
    operator: str
    kind: str
    state: str
    says: str
    intents: int
    attempts: int
    problem: str | None
    created_at: datetime
    sent_at: datetime | None

    def to_json(self) -> dict[str, Any]:
        """As it is shown."""
        return {
            "id": self.id,
            "operator": self.operator,
            "channel": self.kind,
            "status": self.state,
            "says": self.says,
            "intents": self.intents,
            "attempts": self.attempts,
            "problem": self.problem,
            "created_at": rfc3339(self.created_at),
            "sent_at": when(self.sent_at),
        }


@dataclass(frozen=True, slots=True)
class Item:
    """One intent of a message: what console, command line and signers say of it, and until when it waits."""

    digest: str
    code: str
    kind: str
    client: str
    words: Sequence[str]
    not_after: datetime
    is_reminder: bool


@dataclass(frozen=True, slots=True, repr=False)
class Letter:
    """A claimed message with all that sending it needs. Has no readable ``repr``: it is signed already."""

    message: str
    operator: str
    kind: str
    address: str
    subject: str
    body: bytes
    headers: Mapping[str, str]
    """Of a webhook; empty for mail."""
    at: datetime


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of sending a letter. ``problem`` is None exactly where it was taken."""

    message: str
    problem: str | None
