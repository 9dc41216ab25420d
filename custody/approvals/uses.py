"""Who asked for, and who said what of, several intents at once; and which rules of the policy were met of late."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from custody.approvals.queries import FiledIntent, view
from custody.approvals.tables import ApprovalRow, IntentRow

NEWEST: Final = 500
"""Requests that are looked at for the uses of rules: a page is to come at once, whatever history there is."""


@dataclass(frozen=True, slots=True)
class Use:
    """How often a rule applied among the newest requests of a period, and to which last."""

    times: int
    last: datetime


@dataclass(frozen=True, slots=True)
class People:
    """Who asked for an intent, and who said yes and no to it."""

    requester: str
    approved: tuple[str, ...] = ()
    rejected: tuple[str, ...] = ()


def uses_of_rules(session: Session, *, since: datetime) -> tuple[int, Mapping[str, Use]]:
    """How many of the newest ``NEWEST`` requests since then were looked at, and each rule's title to its use."""
    rules = IntentRow.decision["rules"].label("rules")
    newest = select(rules, IntentRow.created_at).where(IntentRow.created_at >= since)
    uses: dict[str, Use] = {}
    rows = session.execute(newest.order_by(IntentRow.created_at.desc()).limit(NEWEST)).all()
    for found, at in rows:
        for rule in found or ():
            before = uses.get(rule["title"])
            uses[rule["title"]] = Use(1, at) if before is None else Use(before.times + 1, before.last)
    return len(rows), uses


def people_of(session: Session, *, digests: Collection[str]) -> dict[str, People]:
    """Of each of these intents: who asked, and who spoke; by name."""
    if not digests:
        return {}
    given = (
        select(
            ApprovalRow.digest,
            func.array_agg(ApprovalRow.approver).filter(ApprovalRow.verdict == "approve").label("yes"),
            func.array_agg(ApprovalRow.approver).filter(ApprovalRow.verdict == "reject").label("no"),
        )
        .where(ApprovalRow.digest.in_(digests))
        .group_by(ApprovalRow.digest)
        .subquery()
    )
    rows = session.execute(
        select(IntentRow.digest, IntentRow.requester, given.c.yes, given.c.no)
        .outerjoin(given, given.c.digest == IntentRow.digest)
        .where(IntentRow.digest.in_(digests))
    )
    return {
        digest: People(requester, tuple(sorted(set(yes or ()))), tuple(sorted(set(no or ()))))
        for digest, requester, yes, no in rows
    }


def filed(session: Session, *, digests: Collection[str]) -> Sequence[FiledIntent]:
    """These intents, the newest first."""
    rows = session.execute(
        select(IntentRow).where(IntentRow.digest.in_(digests)).order_by(IntentRow.created_at.desc(), IntentRow.digest)
    ).scalars()
    return [view(row) for row in rows]
