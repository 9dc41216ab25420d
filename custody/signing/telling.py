"""Telling what became of a bundle. What is told comes from its row and nobody's memory of it."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from custody.events import operations as events
from custody.kernel.clock import rfc3339
from custody.kernel.shown import when

_ROW: Final = text(
    """
    SELECT id, attempt_id, vault_id, threshold, members, root_version, state, txid, opened_at, closed_at,
      ARRAY(SELECT cosigner FROM bundle_deliveries WHERE bundle_id = :bundle ORDER BY cosigner) AS given_to,
      ARRAY(SELECT cosigner FROM bundle_answers WHERE bundle_id = :bundle AND verdict = 'signed' ORDER BY cosigner)
        AS signed_by,
      ARRAY(SELECT cosigner FROM bundle_answers WHERE bundle_id = :bundle AND verdict = 'refused' ORDER BY cosigner)
        AS refused_by
    FROM bundles WHERE id = :bundle
    """
)


def tell(session: Session, *, bundle: str, event: str, actor: str, now: datetime, correlation_id: str = "") -> None:
    """Tell that ``event`` happened to the bundle: a state it came to, ``given``, ``answered`` or ``renewed``.

    To the house alone: who signs for it is no client's business.
    """
    session.flush()
    row = session.execute(_ROW, {"bundle": bundle}).one()
    data = {
        "id": row.id,
        "attempt": row.attempt_id,
        "vault": row.vault_id,
        "state": row.state,
        "threshold": row.threshold,
        "cosigners": row.members,
        "trust_root_version": row.root_version,
        "given_to": list(row.given_to),
        "signed_by": list(row.signed_by),
        "refused_by": list(row.refused_by),
        "txid": row.txid,
        "opened_at": rfc3339(row.opened_at),
        "closed_at": when(row.closed_at),
    }
    events.publish(
        session,
        kind="bundle",
        subject=bundle,
        event=event,
        data=data,
        client=None,
        actor=actor,
        correlation_id=correlation_id,
        now=now,
    )
