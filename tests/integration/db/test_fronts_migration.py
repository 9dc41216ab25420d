"""What waited of a long object is marked afterwards; of jobs that ran beside each other at an endpoint one goes on."""

from __future__ import annotations

from sqlalchemy import text

from custody.webhooks.operations.holding import FRONT
from tests.integration.db.upgrading import upgraded
from tests.support.servers import FreshDatabase

BEFORE = """
SET session_replication_role = replica;
INSERT INTO webhook_deliveries (endpoint_id, sequence, event_id, kind, type, subject, state, repeat, held, attempts,
  due_at, first_failed_at, created_at)
SELECT 'one', number, 'evt_' || number, 'thing', 'thing.changed', subject, state, repeat, held, 1, now(),
  CASE WHEN failed THEN now() END, now()
FROM (SELECT n, 'long', 'waiting', false, n = 2, false FROM generate_series(1, 23) n
  UNION ALL SELECT 100 + n, 'long', 'waiting', true, false, false FROM generate_series(1, 23) n
  UNION ALL SELECT 200 + n, 'failing', 'waiting', false, n > 1, n = 1 FROM generate_series(1, 3) n
  UNION ALL SELECT 300 + n, 'over', 'delivered', false, false, false FROM generate_series(1, 23) n
  ) AS each (number, subject, state, repeat, held, failed);
INSERT INTO jobs (id, kind, requester, idempotency_key, asked, endpoint_id, wanted, done, state, created_at)
SELECT id, 'resend', 'alice', id, '{}', endpoint, 1, 0, 'running', now()
FROM (VALUES ('job_1', 'one'), ('job_2', 'one'), ('job_3', 'two')) AS each (id, endpoint);
"""


def test_marks_what_is_behind_the_front_and_leaves_one_job_running(database: FreshDatabase) -> None:
    with upgraded(database, over="0035", rows=BEFORE) as connection:
        held = connection.execute(text("SELECT sequence FROM webhook_deliveries WHERE held ORDER BY 1")).scalars().all()
        running = connection.execute(text("SELECT id FROM jobs WHERE state = 'running' ORDER BY 1")).scalars().all()
    assert held == [*range(FRONT + 1, 24), 202, 203]
    assert running == ["job_2", "job_3"]
