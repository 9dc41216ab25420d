"""Messages that are given up before they are sent, and whether what they are about is told later."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete
from sqlalchemy.orm import Session

from custody.notices.tables import MessageRow, NoticeRow


def drop(session: Session, rows: Sequence[MessageRow], *, is_to_be_told: bool) -> None:
    """Give these up. With ``is_to_be_told`` what they are about counts as never told."""
    for row in rows:
        row.state, row.leased_until = "dropped", None
    if is_to_be_told:
        session.execute(delete(NoticeRow).where(NoticeRow.message_id.in_([row.id for row in rows])))
