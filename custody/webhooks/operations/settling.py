"""What came of sending: taken, to be tried again at its time, or not tried; and endpoints that are given up."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import bindparam, delete, func, select, text, update
from sqlalchemy.orm import Session

from custody.audit import operations as audit
from custody.kernel.clock import rfc3339
from custody.webhooks.model import FAILING_LIMIT, GONE, TEST, WARNED_AFTER, Outcome, wait_after
from custody.webhooks.operations.endpoints import give_up
from custody.webhooks.operations.holding import mark
from custody.webhooks.tables import AttemptRow, DeliveryRow, EndpointRow


def settle(session: Session, *, outcomes: Sequence[Outcome], now: datetime) -> None:
    """Write down what came of sending: taken, to be tried again at its time, or not tried at all.

    An endpoint that answers 410, or where an event was not taken for five days, is disabled, with an alarm; after one
    day people are warned. A test that is not taken is not tried again. Outcomes of deliveries that meanwhile are
    settled otherwise change nothing.
    """
    _lock(session, {each.endpoint for each in outcomes})
    tried = [each for each in outcomes if not each.is_unsent]
    _note_attempts(session, tried, now)
    _note_taken(session, [each.delivery for each in tried if each.problem is None], now)
    _note_untried(session, [each for each in outcomes if each.is_unsent])
    failed = [each for each in tried if each.problem is not None]
    since = _note_failed(session, failed, now)
    mark(session, deliveries=[each.delivery for each in tried])
    _note_endpoints(session, tried, now)
    for each in failed:
        _judge(session, each, since.get(each.delivery, now), now)


def prune(session: Session, *, before: datetime) -> int:
    """Delete what was over before ``before``, with its attempts; how many deliveries. The events stay."""
    ended_at = func.coalesce(DeliveryRow.delivered_at, DeliveryRow.first_failed_at)
    old = select(DeliveryRow.id).where(DeliveryRow.state != "waiting", ended_at < before)
    session.execute(delete(AttemptRow).where(AttemptRow.delivery_id.in_(old)))
    return len(session.execute(delete(DeliveryRow).where(DeliveryRow.id.in_(old)).returning(DeliveryRow.id)).all())


# Whoever lost its lease may tell of an attempt that another made meanwhile: the first word stands.
_ATTEMPTS: Final = text(
    """
    INSERT INTO webhook_attempts (delivery_id, number, at, status, latency_ms, problem, answer)
    SELECT delivery_id, number, :now, status, latency_ms, problem, answer
    FROM unnest(CAST(:deliveries AS bigint[]), CAST(:numbers AS int[]), CAST(:statuses AS int[]),
      CAST(:latencies AS int[]), CAST(:problems AS text[]), CAST(:answers AS text[]))
      AS tried (delivery_id, number, status, latency_ms, problem, answer)
    ON CONFLICT DO NOTHING
    """
)


def _lock(session: Session, endpoints: Collection[str]) -> None:
    """Until the unit ends nobody makes deliveries for these: none is marked as held behind one that is taken here."""
    if endpoints:
        rows = select(EndpointRow.id).where(EndpointRow.id.in_(endpoints)).order_by(EndpointRow.id)
        session.execute(rows.with_for_update(key_share=True))


def _note_attempts(session: Session, tried: Sequence[Outcome], now: datetime) -> None:
    if tried:
        columns = {
            "deliveries": [each.delivery for each in tried],
            "numbers": [each.attempt for each in tried],
            "statuses": [each.status for each in tried],
            "latencies": [each.latency_ms for each in tried],
            "problems": [each.problem for each in tried],
            "answers": [each.answer for each in tried],
        }
        session.execute(_ATTEMPTS, {"now": now, **columns})


_TAKEN: Final = text(
    """
    UPDATE webhook_deliveries SET state = 'delivered', delivered_at = :now, leased_until = NULL,
      first_failed_at = NULL, repeat = false, held = false
    WHERE id = ANY(:ids) AND state = 'waiting'
    """
)
_UNTRIED: Final = text(
    """
    UPDATE webhook_deliveries SET leased_until = NULL, attempts = attempts - 1
    FROM unnest(CAST(:ids AS bigint[]), CAST(:numbers AS int[])) AS came (id, number)
    WHERE webhook_deliveries.id = came.id AND state = 'waiting' AND attempts = came.number
    """
)
"""Only what is still claimed for that attempt: who lost a lease must not end the one that another has."""


def _note_taken(session: Session, deliveries: Sequence[int], now: datetime) -> None:
    if deliveries:
        session.execute(_TAKEN, {"ids": deliveries, "now": now})


def _note_untried(session: Session, untried: Sequence[Outcome]) -> None:
    if untried:
        ids, numbers = [each.delivery for each in untried], [each.attempt for each in untried]
        session.execute(_UNTRIED, {"ids": ids, "numbers": numbers})


_FAILED: Final = text(
    """
    UPDATE webhook_deliveries SET leased_until = NULL, due_at = came.due_at,
      first_failed_at = coalesce(first_failed_at, :now), state = CASE WHEN type = :test THEN 'failed' ELSE state END
    FROM unnest(CAST(:ids AS bigint[]), CAST(:due AS timestamptz[])) AS came (id, due_at)
    WHERE webhook_deliveries.id = came.id AND state = 'waiting'
    RETURNING webhook_deliveries.id, first_failed_at
    """
).bindparams(bindparam("ids"), bindparam("due"))


def _note_failed(session: Session, failed: Sequence[Outcome], now: datetime) -> Mapping[int, datetime]:
    if not failed:
        return {}
    due = [now + wait_after(each.attempt, asked=_asked(each, now)) for each in failed]
    ids = [each.delivery for each in failed]
    rows = session.execute(_FAILED, {"ids": ids, "due": due, "now": now, "test": TEST}).all()
    return {row.id: row.first_failed_at for row in rows}


def _asked(failed: Outcome, now: datetime) -> timedelta | None:
    return failed.retry_after if failed.retry_at is None else failed.retry_at - now


def _note_endpoints(session: Session, tried: Sequence[Outcome], now: datetime) -> None:
    """Whether the last attempt at each endpoint was taken."""
    taken = {each.endpoint for each in tried if each.problem is None}
    failed = {each.endpoint for each in tried if each.problem is not None}
    if taken:
        session.execute(update(EndpointRow).where(EndpointRow.id.in_(taken)).values(last_success_at=now))
    if taken - failed:
        is_failing = (EndpointRow.id.in_(taken - failed), EndpointRow.failing_since.is_not(None))
        session.execute(update(EndpointRow).where(*is_failing).values(failing_since=None))
    if failed:
        is_new = (EndpointRow.id.in_(failed), EndpointRow.failing_since.is_(None))
        session.execute(update(EndpointRow).where(*is_new).values(failing_since=now))


def _judge(session: Session, failed: Outcome, since: datetime, now: datetime) -> None:
    if failed.status == GONE:
        why = "the receiver answered 410: it wants no more"
        give_up(session, endpoint=failed.endpoint, reason=why, now=now)
    elif now - since >= FAILING_LIMIT:
        why = f"an event was not taken for {FAILING_LIMIT.days} days: {failed.problem}"
        give_up(session, endpoint=failed.endpoint, reason=why, now=now)
    elif now - since >= WARNED_AFTER:
        why = (
            f"an event is not taken since {rfc3339(since)}: {failed.problem}; the endpoint is disabled after five days"
        )
        audit.raise_alarm(
            session, kind="webhook-failing", subject=failed.endpoint, step=rfc3339(since), why=why, now=now
        )
