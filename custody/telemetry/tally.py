"""Counting what the audit log took on since this process began: one statement each time, over new rows alone.

A counter that begins at nothing when a process starts is what Prometheus expects. Two processes count the same.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from custody.telemetry.readings import Sample

VERDICTS: Final = {"intent.approved": "allow", "intent.pending": "require", "intent.denied": "deny"}
"""What stands in the log when an intent is filed, and what the policy had answered."""

_HEAD: Final = text("SELECT coalesce(max(sequence), 0) FROM audit_events")
_SINCE: Final = text(
    """
    SELECT event, facts ? 'policy' AS filed, count(*) AS number, max(sequence) AS head FROM audit_events
    WHERE sequence > :since GROUP BY event, facts ? 'policy'
    """
)


class Tally:
    """Kept for as long as its process runs. Not for two threads at once."""

    def __init__(self) -> None:
        self._since: int | None = None
        self._events: Counter[str] = Counter()
        self._verdicts: Counter[str] = Counter(dict.fromkeys(VERDICTS.values(), 0))

    def take(self, session: Session) -> list[Sample]:
        """What has been counted so far. The log is appended to in order, so nothing is counted late or twice."""
        if self._since is None:
            self._since = session.execute(_HEAD).scalar_one()
        for row in session.execute(_SINCE, {"since": self._since}).all():
            self._since = max(self._since, row.head)
            self._events[row.event] += row.number
            if row.filed and row.event in VERDICTS:
                self._verdicts[VERDICTS[row.event]] += row.number
        return [
            *(Sample("custody_policy_decisions_total", (name,), self._verdicts[name]) for name in VERDICTS.values()),
            *(Sample("custody_audit_events_total", (name,), self._events[name]) for name in sorted(self._events)),
        ]
