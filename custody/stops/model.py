"""A stop as other rooms see it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from custody.kernel.clock import rfc3339

EVERYTHING: Final = "everything"
"""Scope and subject of the stop of all."""


class Cause(StrEnum):
    """Who or what stopped it. Each is lifted in a way of its own."""

    PEOPLE = "people"
    REORG = "reorg"
    """What the chain took back left a client owing (I2)."""
    BREAK = "break"
    """The books and the chain differ, and nothing explains it (I20)."""
    RULES = "rules"
    """A place obeys others than its keyset says (I15)."""


@dataclass(frozen=True, slots=True)
class Stop:
    """One reason why something is stopped; it stands until it is lifted, whatever other reasons there are."""

    id: int
    scope: str
    subject: str
    cause: Cause
    reason: str
    digest: str | None
    """The intent that asked for it."""
    since: datetime
    lifted_at: datetime | None = None
    lifted_by: str | None = None
    """The intent that lifted it."""

    @property
    def name(self) -> str:
        """As a status statement names it: ``client:<id>``, ``vault:<id>``, ``asset:<id>`` or ``everything``."""
        return stop_name(self.scope, self.subject)

    @property
    def words(self) -> str:
        """What is stopped and why, in one line."""
        what = EVERYTHING if self.scope == EVERYTHING else f"the {self.scope}"
        return f"{what} is frozen: {self.reason}"

    def to_json(self) -> dict[str, Any]:
        """As commands print it."""
        return {
            "scope": self.scope,
            "subject": self.subject,
            "cause": self.cause.value,
            "reason": self.reason,
            "intent": self.digest,
            "since": rfc3339(self.since),
            "lifted_at": None if self.lifted_at is None else rfc3339(self.lifted_at),
            "lifted_by": self.lifted_by,
        }


def stop_name(scope: str, subject: str) -> str:
    """As a status statement names what is stopped."""
    return EVERYTHING if scope == EVERYTHING else f"{scope}:{subject}"
