"""Outbox topic to task, and which crash points each has. A topic without a task is an error at the relay."""

from __future__ import annotations

from typing import Final

UNIT_TOPICS: Final = (
    "intents.approved",
    "intents.rejected",
    "movements.advanced",
    "movements.reorganised",
    "signing.complete",
    "signing.refused",
    "trust.in_force",
)
EFFECT_TOPICS: Final = (
    "addresses.restock",
    "jobs.advance",
    "withdrawals.broadcast",
    "withdrawals.compose",
    "withdrawals.replace",
)
TOPICS: Final = frozenset({*UNIT_TOPICS, *EFFECT_TOPICS})


def crash_points() -> list[str]:
    """The points every task has by its shape (workers.unit), besides those written in the code."""
    return sorted(
        [f"{topic}:{point}" for topic in UNIT_TOPICS for point in ("before_commit", "committed")]
        + [f"{topic}:{point}" for topic in EFFECT_TOPICS for point in ("started", "acted", "finished")]
    )
