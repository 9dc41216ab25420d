"""What stood in the database before claims is the same afterwards, in the new words."""

from __future__ import annotations

from sqlalchemy import text

from custody.chains.spending import Coin, read_input
from tests.integration.db.upgrading import upgraded
from tests.support.servers import FreshDatabase

BEFORE = """
SET session_replication_role = replica;
INSERT INTO attempts (id, withdrawal_id, sequence, chain, vault_id, inputs, psbt, txid, fee_units, vsize, state,
  composed_at)
VALUES ('att_1', 'wdr_1', 1, 'c', 'v', '[
    {"txid": "bb", "vout": 1, "amount_sat": "700", "change": true, "index": 4, "block_hash": "ee"},
    {"txid": "aa", "vout": 0, "amount_sat": "2100000000000000", "change": false, "index": 9, "block_hash": "ff"}]',
    'cHNidP8', 'dd', 5, 210, 'composed', now()),
  ('att_2', 'wdr_2', 1, 'c', 'v', '[]', 'cHNidP8', 'old', 5, 210, 'abandoned', now());
INSERT INTO bundles (id, attempt_id, keyset_id, vault_id, threshold, members, document, digest, paths, state, opened_at)
VALUES ('bnd_1', 'att_1', 'k', 'v', 2, 3, '{}', 'd', '[[true, 4], [false, 9]]', 'open', now());
INSERT INTO reservations VALUES ('c', 'bb', 1, 'wdr_1', now()), ('c', 'aa', 0, 'wdr_1', now());
INSERT INTO outbox (topic, payload, correlation_id, due_at, created_at)
VALUES ('withdrawals.replace', '{"withdrawal": "wdr_1", "fee_rate_sat_kvb": 20000, "actor": "alice"}', 'r',
    now(), now()),
  ('withdrawals.compose', '{"withdrawal": "wdr_2"}', 'r', now(), now());
"""


def test_names_what_was_reserved_and_spent_by_claims(database: FreshDatabase) -> None:
    with upgraded(database, over="0012", rows=BEFORE) as connection:
        attempts = connection.execute(text("SELECT inputs, unsigned, weight FROM attempts ORDER BY id")).all()
        ((bundled,),) = connection.execute(text("SELECT inputs FROM bundles")).all()
        reserved = connection.execute(text("SELECT chain, claim, withdrawal_id FROM reservations ORDER BY 2")).all()
        payloads = connection.execute(text("SELECT payload FROM outbox ORDER BY id")).scalars().all()
    coins = [
        Coin("bb", 1, 700, change=True, index=4, block_hash="ee"),
        Coin("aa", 0, 2_100_000_000_000_000, change=False, index=9, block_hash="ff"),
    ]
    (inputs, unsigned, weight), (nothing, *_) = attempts
    assert (unsigned, weight, nothing) == ("cHNidP8", 210, [])
    assert inputs == bundled == [coin.to_json() for coin in coins]
    assert [read_input(item) for item in inputs] == coins
    assert reserved == [("c", "aa:0", "wdr_1"), ("c", "bb:1", "wdr_1")]
    assert payloads == [{"withdrawal": "wdr_1", "fee_rate": 20000, "actor": "alice"}, {"withdrawal": "wdr_2"}]
