"""Telling what became of an intent. What is told comes from its row and nobody's memory of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from custody.events import operations as events
from custody.evidence.words import digest_code
from custody.kernel.clock import rfc3339
from custody.kernel.shown import when

_ROW: Final = text(
    """
    SELECT digest, kind, client_id, requester, state, not_before, not_after, created_at, decided_at, carried_out_at,
      ARRAY(SELECT approver FROM approvals a WHERE a.digest = :digest AND verdict = 'approve' ORDER BY id) AS said_yes,
      ARRAY(SELECT approver FROM approvals a WHERE a.digest = :digest AND verdict = 'reject' ORDER BY id) AS said_no
    FROM intents WHERE digest = :digest
    """
)


def tell(session: Session, *, digest: str, event: str, actor: str, now: datetime, correlation_id: str = "") -> None:
    """Tell that ``event`` happened to the intent: a state it came to, ``verdict_given`` or ``carried_out``."""
    session.flush()
    row = session.execute(_ROW, {"digest": digest}).one()
    data: dict[str, Any] = {
        "digest": row.digest,
        "code": digest_code(row.digest),
        "kind": row.kind,
        "client": row.client_id or None,
        "requester": row.requester,
        "state": row.state,
        "approved_by": list(row.said_yes),
        "rejected_by": list(row.said_no),
        "not_before": when(row.not_before),
        "not_after": rfc3339(row.not_after),
        "created_at": rfc3339(row.created_at),
        "decided_at": when(row.decided_at),
        "carried_out_at": when(row.carried_out_at),
    }
    events.publish(
        session,
        kind="intent",
        subject=digest,
        event=event,
        data=data,
        client=row.client_id or None,
        actor=actor,
        correlation_id=correlation_id,
        now=now,
    )
