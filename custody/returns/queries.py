"""Reading returns."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from custody.returns.model import Return, State
from custody.returns.tables import ReturnRow


def by_digest(session: Session, *, digest: str) -> Return | None:
    """What that intent sends on."""
    row = session.execute(select(ReturnRow).where(ReturnRow.digest == digest)).scalar_one_or_none()
    return view(row) if row else None


def by_attempt(session: Session, *, attempt: str) -> Return | None:
    """The return whose bundle that is; ``None`` for a withdrawal's attempt."""
    row = session.get(ReturnRow, attempt)
    return view(row) if row else None


def are_any(session: Session, *, chain: str) -> bool:
    """Whether anything that lies on that chain was ever asked to be sent on."""
    return session.execute(select(ReturnRow.id).where(ReturnRow.chain == chain).limit(1)).first() is not None


def every(session: Session) -> list[Return]:
    """All of them, oldest first."""
    return [view(row) for row in session.execute(select(ReturnRow).order_by(ReturnRow.id)).scalars()]


def view(row: ReturnRow) -> Return:
    """The stored row as a value."""
    return Return(
        id=row.id,
        digest=row.digest,
        chain=row.chain,
        txid=row.txid,
        position=row.position,
        vault=row.vault_id,
        client=row.client_id,
        asset=row.asset,
        units=row.units,
        state=State(row.state),
        spend=row.spend,
        ended_height=row.ended_height,
    )
