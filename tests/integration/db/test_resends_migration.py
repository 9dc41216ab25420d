"""What waited behind a failed event before there was a mark is marked afterwards, and nothing else is."""

from __future__ import annotations

from sqlalchemy import text

from tests.integration.db.upgrading import upgraded
from tests.support.servers import FreshDatabase

BEFORE = """
SET session_replication_role = replica;
INSERT INTO webhook_deliveries (endpoint_id, sequence, event_id, kind, type, subject, state, repeat, attempts, due_at,
  first_failed_at, created_at)
SELECT endpoint, sequence, 'evt_' || sequence, 'thing', 'thing.changed', subject, state, repeat, 1, now(),
  CASE WHEN failed THEN now() END, now()
FROM (VALUES ('one', 1, 'a', 'waiting', false, true), ('one', 2, 'a', 'waiting', false, false),
  ('one', 3, 'b', 'waiting', false, false), ('one', 4, 'a', 'waiting', true, false),
  ('one', 5, 'c', 'waiting', true, true), ('one', 6, 'c', 'waiting', false, false),
  ('one', 7, 'd', 'delivered', false, true), ('one', 8, 'd', 'waiting', false, false),
  ('two', 2, 'a', 'waiting', false, false)) AS each (endpoint, sequence, subject, state, repeat, failed);
"""


def test_marks_what_waits_behind_a_failed_one(database: FreshDatabase) -> None:
    with upgraded(database, over="0033", rows=BEFORE) as connection:
        held = connection.execute(text("SELECT endpoint_id, sequence FROM webhook_deliveries WHERE held")).all()
    assert [tuple(each) for each in held] == [("one", 2)]
