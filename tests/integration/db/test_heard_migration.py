"""Verdicts of before they stood beside their intents are found there afterwards."""

from __future__ import annotations

from sqlalchemy import text

from tests.integration.db.upgrading import upgraded
from tests.support.servers import FreshDatabase

BEFORE = """
SET session_replication_role = replica;
INSERT INTO intents (digest, kind, document, request_hash, request_signature, requester, idempotency_key, client_id,
  decision, state, not_after, created_at)
SELECT 'digest ' || number, 'withdrawal', '{}', '', '{}', 'exchange', 'key ' || number, 'acme', '{}', 'pending', now(),
  now() FROM generate_series(1, 2) number;
INSERT INTO approvals (digest, approver, verdict, nonce, document, given_at, not_after)
SELECT 'digest 1', approver, 'approve', 'nonce ' || place, '{}', now(),
  timestamptz '2026-01-01Z' - place * interval '1 day'
FROM unnest(ARRAY['alice', 'bob', 'alice']) WITH ORDINALITY AS each (approver, place);
"""


def test_finds_who_was_heard_and_the_first_end(database: FreshDatabase) -> None:
    with upgraded(database, over="0038", rows=BEFORE) as connection:
        query = "SELECT heard, heard_until = timestamptz '2025-12-29Z' FROM intents ORDER BY digest"
        rows = connection.execute(text(query)).all()
    assert [tuple(row) for row in rows] == [(["alice", "bob"], True), ([], None)]
