"""Telling what became of attempts. What is told comes from their rows and nobody's memory of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from custody.events import operations as events
from custody.signing import queries as signing
from custody.spends.queries import view
from custody.spends.shown import attempt_view
from custody.spends.tables import AttemptRow
from custody.trust.assets import assets_seen


def tell(
    session: Session, attempts: Sequence[str], *, actor: str, now: datetime, occurred_at: datetime | None = None
) -> None:
    """Tell what each of these attempts is now, by its state, to whoever may hear of the payment it is for."""
    if not attempts:
        return
    session.flush()
    rows = session.execute(
        select(AttemptRow)
        .where(AttemptRow.id.in_(attempts))
        .order_by(AttemptRow.sequence)
        .execution_options(populate_existing=True)
    ).scalars()
    clients, assets = signing.clients_of(session, attempts=attempts), assets_seen(session)
    for row in rows:
        shown = attempt_view(view(row), assets.native(row.chain))
        events.publish(
            session,
            kind="attempt",
            subject=row.id,
            event=row.state,
            data=shown | {"withdrawal": row.withdrawal_id, "chain": row.chain, "pays": row.pays},
            client=clients.get(row.id),
            actor=actor,
            correlation_id="",
            now=now,
            occurred_at=occurred_at,
        )
