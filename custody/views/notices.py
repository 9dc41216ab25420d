"""Notices as people see them: every channel, and one operator's newest messages."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy.orm import Session

from custody.evidence.trust_root import TrustRoot
from custody.notices import queries as notices

SHOWN: Final = 50
"""Messages on a page."""


def notices_view(session: Session, root: TrustRoot, *, operator: str) -> dict[str, Any]:
    """Who is told where, and what was sent to ``operator``; in two reads."""
    return {
        "operators": sorted(each.id for each in root.operators),
        "channels": notices.channels(session),
        "messages": notices.messages(session, operator=operator, limit=SHOWN),
    }
