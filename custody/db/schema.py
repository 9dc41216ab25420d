"""Which schema this program was written for, and which one a database has."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.orm import Session

_VERSIONS = Path(__file__).parent / "migrations" / "versions"


@cache
def newest() -> str:
    """The newest migration there is, as its file is numbered: ``0028``."""
    return max(path.name[:4] for path in _VERSIONS.glob("[0-9][0-9][0-9][0-9]_*.py"))


def of_database(session: Session) -> str:
    """The migration the database stands at."""
    found: str = session.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
    return found
