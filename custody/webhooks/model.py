"""Endpoints, deliveries and attempts as others see them, and when a failed delivery is tried again."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from custody.kernel.clock import rfc3339
from custody.kernel.shown import when
from custody.webhooks.formats import CLOUDEVENTS, STANDARD

WAITS: Final = tuple(
    timedelta(seconds=seconds) for seconds in (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
)
"""After the first failure, the second and so on; the last again and again. As Standard Webhooks proposes."""
JITTER: Final = 0.1
FAILING_LIMIT: Final = timedelta(days=5)
"""An event that nobody took for so long disables its endpoint."""
WARNED_AFTER: Final = timedelta(days=1)
"""An event that nobody took for so long is told to people, while there is time to do something."""
OVERLAP: Final = timedelta(hours=24)
"""How long the old secret signs beside the new one."""
ANSWER_BYTES: Final = 1_024
GONE: Final = 410
TEST: Final = "webhook_endpoint.test"
"""Type of what is pushed to one endpoint because somebody tries it. No other object is ever told of by this type."""
STATES: Final = ("waiting", "delivered", "failed")
"""What a delivery can be. A test alone fails: it is tried once."""
_LONGEST_WAIT: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address that events are pushed to."""

    id: str
    url: str
    client: str | None
    """Whose events alone it hears; None: all of them."""
    types: tuple[str, ...]
    """Kinds and types it wants; empty: all of them."""
    payload: str
    source: str | None
    """Of the CloudEvents it gets; None: it gets events as the feed has them."""
    label: str
    state: str
    reason: str | None
    """Why it is disabled."""
    failing_since: datetime | None
    last_success_at: datetime | None
    old_until: datetime | None
    """Until when the secret before this one signs as well."""
    created_at: datetime
    created_by: str

    def to_json(self) -> dict[str, Any]:
        """As API, console and command line show it; a secret is shown once, when it is made."""
        return {
            "id": self.id,
            "url": self.url,
            "client": self.client,
            "types": list(self.types),
            "payload": self.payload,
            "format": STANDARD if self.source is None else CLOUDEVENTS,
            "source": self.source,
            "label": self.label,
            "status": self.state,
            "reason": self.reason,
            "failing_since": when(self.failing_since),
            "last_success_at": when(self.last_success_at),
            "old_secret_until": when(self.old_until),
            "created_at": rfc3339(self.created_at),
            "created_by": self.created_by,
        }


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event for one endpoint."""

    id: int
    endpoint: str
    event: str
    type: str
    subject: str
    state: str
    attempts: int
    due_at: datetime
    first_failed_at: datetime | None
    delivered_at: datetime | None

    def to_json(self) -> dict[str, Any]:
        """As it is shown. ``next_attempt_at`` is null once it was taken."""
        return {
            "event": self.event,
            "endpoint": self.endpoint,
            "type": self.type,
            "subject": self.subject,
            "status": self.state,
            "attempts": self.attempts,
            "next_attempt_at": rfc3339(self.due_at) if self.state == "waiting" else None,
            "failing_since": when(self.first_failed_at),
            "delivered_at": when(self.delivered_at),
        }


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try. ``status`` is None where no answer came; ``problem`` says why then."""

    number: int
    at: datetime
    status: int | None
    latency_ms: int
    problem: str | None
    answer: str

    def to_json(self) -> dict[str, Any]:
        """As it is shown."""
        return {
            "number": self.number,
            "at": rfc3339(self.at),
            "status": self.status,
            "latency_ms": self.latency_ms,
            "problem": self.problem,
            "answer": self.answer,
        }


@dataclass(frozen=True, slots=True, repr=False)
class Parcel:
    """One claimed delivery with all that sending it needs. Has no readable ``repr``: it is signed already."""

    delivery: int
    endpoint: str
    url: str
    attempt: int
    order: tuple[str, str, str]
    """Endpoint, kind and subject: parcels of one order leave one after the other."""
    headers: Mapping[str, str]
    body: bytes
    is_failing: bool = False
    """Whether the last attempt at this endpoint was not taken."""
    client: str | None = None
    """Whose the endpoint is; None: the house's."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of sending a parcel. ``problem`` is None exactly where the receiver took it."""

    delivery: int
    endpoint: str
    attempt: int
    status: int | None
    latency_ms: int
    problem: str | None
    answer: str = ""
    retry_after: timedelta | None = None
    retry_at: datetime | None = None
    """When the receiver asked to be tried again, in either form of ``Retry-After``."""
    is_unsent: bool = False
    """It was not tried: one before it of the same object failed."""


def wait_after(failures: int, *, asked: timedelta | None = None, chance: float | None = None) -> timedelta:
    """How long to wait after the ``failures``-th failure, within a tenth; longer where the receiver ``asked`` so.

    ``chance`` is between 0 and 1, drawn where it is not given: receivers that failed together come back apart.
    """
    drawn = random.random() if chance is None else chance  # noqa: S311  spreads load, decides nothing
    ordinary = WAITS[min(max(failures, 1), len(WAITS)) - 1] * (1 + JITTER * (2 * drawn - 1))
    return max(ordinary, min(asked or timedelta(0), _LONGEST_WAIT))
