"""Reading bundles: what is open, who has answered, and the final transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from custody.signing.tables import OPEN, AnswerRow, BundleRow, DeliveryRow
from custody.vaults import queries as vaults


@dataclass(frozen=True, slots=True)
class BundleView:
    """A bundle without its document."""

    id: str
    attempt: str
    state: str
    threshold: int
    spend: str | None
    final: bytes | None
    opened_at: datetime
    given_to: tuple[str, ...]
    signed_by: tuple[str, ...]
    refused_by: tuple[str, ...]


def of_attempt(session: Session, *, attempt: str) -> BundleView | None:
    """The bundle of that attempt, if it has one."""
    row = session.execute(select(BundleRow).where(BundleRow.attempt_id == attempt)).scalar_one_or_none()
    return _view(session, row) if row else None


def clients_of(session: Session, *, attempts: Sequence[str]) -> dict[str, str]:
    """Whose payments the attempts with a bundle are for, by attempt."""
    client = BundleRow.document[("payments", "0", "intent", "request", "client")].astext
    rows = session.execute(select(BundleRow.attempt_id, client.label("name")).where(BundleRow.attempt_id.in_(attempts)))
    return {row.attempt_id: row.name for row in rows}


def chain_of(session: Session, *, bundle: str, cosigner: str) -> str | None:
    """The chain (CAIP-2 id) that a bundle is for; ``None`` where there is no such bundle for this cosigner."""
    keyset_id = session.execute(select(BundleRow.keyset_id).where(BundleRow.id == bundle)).scalar_one_or_none()
    keyset = vaults.keyset(session, keyset_id=keyset_id) if keyset_id is not None else None
    return keyset.chain if keyset is not None and keyset.cosigner(cosigner) is not None else None


def still_open(session: Session) -> list[BundleView]:
    """Every bundle that waits for keys, oldest first."""
    rows = session.execute(select(BundleRow).where(OPEN).order_by(BundleRow.opened_at)).scalars()
    return [_view(session, row) for row in rows]


def ungiven(session: Session, *, keysets: Sequence[str]) -> list[str]:
    """Attempts whose open bundles no cosigner of these keysets was given yet, oldest first."""
    given = select(DeliveryRow).where(DeliveryRow.bundle_id == BundleRow.id).exists()
    rows = session.execute(
        select(BundleRow.attempt_id)
        .where(OPEN, BundleRow.keyset_id.in_(keysets), ~given)
        .order_by(BundleRow.opened_at)
        .limit(50)
    )
    return list(rows.scalars())


def _view(session: Session, row: BundleRow) -> BundleView:
    given = session.execute(select(DeliveryRow.cosigner).where(DeliveryRow.bundle_id == row.id)).scalars()
    answers = session.execute(select(AnswerRow.cosigner, AnswerRow.verdict).where(AnswerRow.bundle_id == row.id)).all()
    return BundleView(
        id=row.id,
        attempt=row.attempt_id,
        state=row.state,
        threshold=row.threshold,
        spend=row.txid,
        final=row.final,
        opened_at=row.opened_at,
        given_to=tuple(sorted(given)),
        signed_by=tuple(sorted(name for name, verdict in answers if verdict == "signed")),
        refused_by=tuple(sorted(name for name, verdict in answers if verdict == "refused")),
    )
