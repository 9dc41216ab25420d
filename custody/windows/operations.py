"""Deciding beside what was admitted before, and keeping count of it: admitted, done, released, on its way again.

Decided and admitted in one unit, under one lock per key a window counts under: so parallel requests cannot share one
allowance. No operation commits.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from custody.windows.counting import Scope, usage_of
from custody.windows.tables import AdmissionRow
from policies.decision import Decision
from policies.document import Document
from policies.engine import evaluate
from policies.facts import Facts
from policies.readings import known_amount, known_usd
from policies.windows import WindowQuery, windows_needed

CARRIED: Final = frozenset({"withdrawal", "sweep", "stray_return"})
"""Kinds that count as on their way until their room says how they ended; all others until people have decided."""


def decide(session: Session, *, policy: Document, facts: Facts, digest: str | None = None) -> Decision:
    """The policy's decision on ``facts`` beside what was admitted, counted under one lock to the unit's end.

    ``digest`` names the intent itself on a second evaluation: it does not count against itself, and of the others
    only those do that were admitted before it, so that nobody starves.
    """
    queries = windows_needed(policy, facts)
    _lock(session, queries)
    scope = Scope() if digest is None or not queries else Scope(digest, _place(session, digest))
    return evaluate(policy, facts, usage_of(session, queries, scope))


def admit(session: Session, *, digest: str, facts: Facts) -> None:
    """Count the request of this intent from now on, as ``facts`` have it. In the unit that decided it."""
    amount, worth = known_amount(facts), known_usd(facts)
    row = AdmissionRow(
        digest=digest,
        client=facts.client or None,
        destination=facts.destination_text or None,
        asset=facts.asset or None,
        requester=facts.requester or None,
        units=amount,
        usd_micros=None if worth is None else worth[1],
        facts=facts.to_json(),
        released=False,
    )
    session.add(row)
    session.flush()


def finish(session: Session, *, digest: str, now: datetime) -> None:
    """It is done: windows forget it in their own time. One that was never admitted stays so."""
    _mark(session, digest, ended_at=now, released=False)


def release(session: Session, *, digest: str, now: datetime) -> None:
    """It ended without paying: its share is free again."""
    _mark(session, digest, ended_at=now, released=True)


def resume(session: Session, *, digest: str) -> None:
    """What had ended is on its way again: a reorg took away how it ended."""
    _mark(session, digest, ended_at=None, released=False)


def facts_when_admitted(session: Session, *, digest: str) -> Facts | None:
    """What was known of the request when it was asked for; None where it was not admitted."""
    stored = session.execute(select(AdmissionRow.facts).where(AdmissionRow.digest == digest)).scalar_one_or_none()
    return None if stored is None else Facts.from_json(stored)


def _lock(session: Session, queries: Iterable[WindowQuery]) -> None:
    """One lock per key a window counts under, in sorted order, held with the hold to the unit's end."""
    for key in sorted({f"window:{query.per}:{query.key}" for query in queries}):
        session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": key})


def _place(session: Session, digest: str) -> int | None:
    return session.execute(select(AdmissionRow.sequence).where(AdmissionRow.digest == digest)).scalar_one_or_none()


def _mark(session: Session, digest: str, *, ended_at: datetime | None, released: bool) -> None:
    session.execute(
        update(AdmissionRow)
        .where(AdmissionRow.digest == digest)
        .values(ended_at=ended_at, released=released)
        .execution_options(synchronize_session=False)
    )
