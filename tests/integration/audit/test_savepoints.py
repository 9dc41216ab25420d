"""What a unit records survives a savepoint inside it, and nothing of a rolled-back savepoint or unit is kept."""

from __future__ import annotations

from datetime import datetime

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from custody.audit import operations as audit
from custody.audit import queries
from tests.support.servers import FreshDatabase


class _Undone(Exception):
    pass


def _record(session: Session, event: str, now: datetime) -> None:
    audit.record(session, event=event, subject="subject", actor="test", now=now)


def _events(database: FreshDatabase) -> list[str]:
    with database.db.unit() as unit:
        assert queries.first_bad_record(unit.session) is None
        return list(unit.session.execute(text("SELECT event FROM audit_events ORDER BY sequence")).scalars())


def test_a_rolled_back_savepoint_takes_only_its_own_events_along(database: FreshDatabase) -> None:
    with database.db.unit() as unit:
        _record(unit.session, "before", unit.now)
        with pytest.raises(_Undone), unit.session.begin_nested():
            _record(unit.session, "inside", unit.now)
            raise _Undone
        _record(unit.session, "after", unit.now)
    assert _events(database) == ["before", "after"]


def test_a_released_savepoint_seals_nothing_early(database: FreshDatabase) -> None:
    with pytest.raises(_Undone), database.db.unit() as unit:
        with unit.session.begin_nested():
            _record(unit.session, "inside", unit.now)
        raise _Undone
    assert _events(database) == []
    with database.db.unit() as unit:
        with unit.session.begin_nested():
            _record(unit.session, "inside", unit.now)
        _record(unit.session, "outside", unit.now)
    assert _events(database) == ["inside", "outside"]
