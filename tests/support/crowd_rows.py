"""The crowd's SQL: what needs no Python to be right. Numbers run from 0; every statement takes the same parameters."""

from __future__ import annotations

from typing import Final

CLIENTS: Final = """
    INSERT INTO clients (id, name, segregation, status, status_since, opening, opened_at)
    SELECT 'crowd-' || lpad(n::text, 6, '0'), 'Crowd ' || lpad(n::text, 6, '0'), 'segregated', 'active',
      %(now)s, %(opening)s, %(now)s - interval '40 days' + n * interval '1 second'
    FROM generate_series(0, %(clients)s - 1) AS n
"""
VAULTS: Final = """
    INSERT INTO vaults (id, keyset_id, branch, chain, kind, reconciled_height, reconciled_at, opened_at)
    SELECT %(keyset)s || '/' || (%(first_branch)s + n), %(keyset)s, %(first_branch)s + n, %(chain)s, 'segregated',
      %(height)s, %(now)s - interval '42 seconds', %(now)s - interval '40 days' + n * interval '1 second'
    FROM generate_series(0, %(clients)s - 1) AS n
"""
MEMBERS: Final = """
    INSERT INTO vault_members (client_id, keyset_id, vault_id, opening, since)
    SELECT 'crowd-' || lpad(n::text, 6, '0'), %(keyset)s, %(keyset)s || '/' || (%(first_branch)s + n), %(opening)s,
      %(now)s - interval '40 days' + n * interval '1 second'
    FROM generate_series(0, %(clients)s - 1) AS n
"""
PARTIES: Final = (CLIENTS, VAULTS, MEMBERS)

DEPOSIT_ENTRIES: Final = """
    INSERT INTO journal_entries (key, body_hash, reason, subject, actor, authorised_by, legs, posted_at)
    SELECT 'dep_' || lpad(n::text, 26, '0') || ':credited:1', sha256(n::text::bytea), 'deposit_credited',
      'dep_' || lpad(n::text, 26, '0'), 'chain', '{}', 2, %(now)s - interval '3 days'
    FROM generate_series(0, %(clients)s - 1) AS n ORDER BY n
"""
ACCOUNTS: Final = """
    INSERT INTO ledger_accounts (kind, owner, asset, balance, version)
    SELECT kind, owner, %(asset)s, balance, version FROM (
      SELECT n, holds, %(keyset)s || '/' || (%(first_branch)s + n) AS vault,
        'crowd-' || lpad(n::text, 6, '0') AS client
      FROM generate_series(0, %(clients)s - 1) AS n
      CROSS JOIN LATERAL (
        SELECT %(waiting)s / %(clients)s + CASE WHEN n < %(waiting)s %% %(clients)s THEN 1 ELSE 0 END AS holds
      ) AS asked
    ) AS party CROSS JOIN LATERAL (VALUES
      ('onchain', vault, -%(deposit)s, 1),
      ('available', client, %(deposit)s - holds * %(hold)s, 1 + holds),
      ('held', client, holds * %(hold)s, holds)
    ) AS account (kind, owner, balance, version) WHERE version > 0
"""
DEPOSIT_POSTINGS: Final = """
    INSERT INTO postings (entry_id, leg, account_id, sign, units, previous_balance, new_balance, version)
    SELECT e.id, side.leg, a.id, a.sign, side.units, 0, side.units, 1
    FROM generate_series(0, %(clients)s - 1) AS n
    JOIN journal_entries e ON e.key = 'dep_' || lpad(n::text, 26, '0') || ':credited:1'
    CROSS JOIN LATERAL (VALUES
      (1, 'available', 'crowd-' || lpad(n::text, 6, '0'), %(deposit)s),
      (2, 'onchain', %(keyset)s || '/' || (%(first_branch)s + n), -%(deposit)s)
    ) AS side (leg, kind, owner, units)
    JOIN ledger_accounts a ON a.owner = side.owner AND a.asset = %(asset)s AND a.kind = side.kind AND a.pledge = ''
"""
ARRIVALS: Final = """
    INSERT INTO deposits (id, chain, txid, position, vault_id, client_id, address_id, asset, units, coinbase, state,
      step, occurrence, required_depth, height, block_hash, entry_id, unbacked, first_seen_at, updated_at, booked_at)
    SELECT 'dep_' || lpad(n::text, 26, '0'), %(chain)s, encode(sha256(n::text::bytea), 'hex'), 0,
      a.vault_id, a.client_id, a.id, %(asset)s, %(deposit)s, false, 'credited', 3, 1, 1, 1 + n %% 800,
      encode(sha256(('block ' || (1 + n %% 800))::bytea), 'hex'), e.id, false,
      %(now)s - interval '3 days', %(now)s - interval '3 days', %(now)s - interval '3 days'
    FROM generate_series(0, %(clients)s - 1) AS n
    JOIN addresses a ON a.vault_id = %(keyset)s || '/' || (%(first_branch)s + n) AND NOT a.change AND a.index = 0
    JOIN journal_entries e ON e.key = 'dep_' || lpad(n::text, 26, '0') || ':credited:1'
"""
COINS: Final = """
    INSERT INTO coins (chain, txid, position, vault_id, address_id, change, locator, asset, units, coinbase,
      created_height, created_hash)
    SELECT d.chain, d.txid, 0, d.vault_id, d.address_id, false, a.locator, d.asset, d.units, false, d.height,
      d.block_hash
    FROM deposits d JOIN addresses a ON a.id = d.address_id WHERE d.client_id LIKE 'crowd-%%'
"""
MOVEMENTS: Final = """
    INSERT INTO movements (chain, direction, vault_id, address_id, change, own_spend, coinbase, txid, position, asset,
      units, height, block_hash, seen_at)
    SELECT chain, 'in', vault_id, address_id, false, false, false, txid, 0, asset, units, height, block_hash,
      first_seen_at
    FROM deposits WHERE client_id LIKE 'crowd-%%'
"""
DEPOSITS: Final = (DEPOSIT_ENTRIES, ACCOUNTS, DEPOSIT_POSTINGS, ARRIVALS, COINS, MOVEMENTS)

HELD: Final = """
    INSERT INTO holds (id, client, asset, units, ceiling, subject, state, settlements, created_at)
    SELECT hold_id, client_id, asset, units + max_fee_units, units + max_fee_units, id, 'pending', 0, requested_at
    FROM withdrawals WHERE client_id LIKE 'crowd-%%'
"""
HOLD_ENTRIES: Final = """
    INSERT INTO journal_entries (key, body_hash, reason, subject, actor, authorised_by, legs, posted_at)
    SELECT hold_id || ':held', sha256(hold_id::bytea), 'hold', id, 'exchange', jsonb_build_object(client_id, digest), 2,
      requested_at
    FROM withdrawals WHERE client_id LIKE 'crowd-%%' ORDER BY id
"""
HOLD_POSTINGS: Final = """
    INSERT INTO postings (entry_id, leg, account_id, sign, units, previous_balance, new_balance, version)
    SELECT e.id, side.leg, a.id, a.sign, side.units, side.before, side.before + side.units, side.version
    FROM (
      SELECT hold_id, client_id, row_number() OVER (PARTITION BY client_id ORDER BY id) AS nth
      FROM withdrawals WHERE client_id LIKE 'crowd-%%'
    ) AS w
    JOIN journal_entries e ON e.key = w.hold_id || ':held'
    CROSS JOIN LATERAL (VALUES
      (1, 'available', -%(hold)s, %(deposit)s - (nth - 1) * %(hold)s, nth + 1),
      (2, 'held', %(hold)s, (nth - 1) * %(hold)s, nth)
    ) AS side (leg, kind, units, before, version)
    JOIN ledger_accounts a ON a.owner = w.client_id AND a.asset = %(asset)s AND a.kind = side.kind AND a.pledge = ''
"""
ADMISSIONS: Final = """
    INSERT INTO admissions (digest, client, destination, asset, requester, units, facts, released)
    SELECT i.digest, i.client_id, w.destination, w.asset, i.requester, w.units, w.facts, false
    FROM withdrawals w JOIN intents i USING (digest) WHERE w.client_id LIKE 'crowd-%%' ORDER BY w.id
"""
HOLDS: Final = (HELD, HOLD_ENTRIES, HOLD_POSTINGS, ADMISSIONS)

LOOKED_BACK: Final = """
    INSERT INTO reconciliation_runs (id, chain, kind, height, hash, result, totals, started_at, finished_at,
      sums)
    SELECT 'rec_' || lpad(n::text, 26, '0'), %(chain)s, CASE WHEN n %% 24 = 0 THEN 'ranged' ELSE 'scripts' END,
      greatest(%(height)s - (%(runs)s - 1 - n), 1),
      encode(sha256(('block ' || greatest(%(height)s - (%(runs)s - 1 - n), 1))::bytea), 'hex'),
      CASE WHEN n = %(runs)s - 1 AND %(breaks)s > 0 THEN 'break' ELSE 'balanced' END,
      jsonb_build_object('assets', jsonb_build_array(jsonb_build_object('asset', %(asset)s::text, 'vaults',
        (SELECT jsonb_agg(jsonb_build_object('vault', %(keyset)s || '/' || (%(first_branch)s + v),
            'asset', %(asset)s::text, 'kind', 'segregated', 'node', (%(deposit)s - less)::text,
            'coins', %(deposit)s::text, 'movements', %(deposit)s::text, 'ledger', %(deposit)s::text, 'suspense', '0',
            'in_flight', '[]'::jsonb, 'difference', (-less)::text) ORDER BY v)
         FROM generate_series(0, greatest(%(breaks)s, 1) - 1) AS v
         CROSS JOIN LATERAL (
           SELECT CASE WHEN n = %(runs)s - 1 AND %(breaks)s > 0 THEN 1 + v ELSE 0 END AS less
         ) AS lacks)
      ))),
      finished - interval '3 seconds', finished,
      jsonb_build_array(jsonb_build_object('asset', %(asset)s::text, 'vaults', (%(clients)s::int)::text,
        'node', (%(clients)s * %(deposit)s::numeric - lost)::text, 'books', (%(clients)s * %(deposit)s::numeric)::text,
        'in_flight', '0', 'difference', (-lost)::text))
    FROM generate_series(0, %(runs)s - 1) AS n
    CROSS JOIN LATERAL (
      SELECT %(now)s - interval '42 seconds' - (%(runs)s - 1 - n) * interval '1 hour' AS finished,
        CASE WHEN n = %(runs)s - 1 THEN %(breaks)s * (%(breaks)s + 1) / 2 ELSE 0 END AS lost
    ) AS ended
"""
BREAKS: Final = """
    INSERT INTO breaks (id, run_id, vault_id, asset, check_name, expected, found, detail, opened_at)
    SELECT 'brk_' || lpad(n::text, 26, '0'), 'rec_' || lpad((%(runs)s - 1)::text, 26, '0'),
      %(keyset)s || '/' || (%(first_branch)s + n), %(asset)s, 'ledger-is-the-chain', %(deposit)s, %(deposit)s - 1 - n,
      'the chain holds less than the books say', %(now)s - interval '42 seconds'
    FROM generate_series(0, %(breaks)s - 1) AS n WHERE %(runs)s > 0 AND n < %(clients)s
"""
STOPPED: Final = """
    UPDATE vaults SET frozen_reason = 'break', frozen_cause = 'break', frozen_at = %(now)s - interval '42 seconds'
    WHERE id IN (SELECT vault_id FROM breaks WHERE id < 'brk_' || lpad(%(breaks)s::text, 26, '0'))
"""
STOPS: Final = """
    INSERT INTO stops (scope, subject, cause, reason, since)
    SELECT 'vault', vault_id, 'break', 'break', opened_at FROM breaks
    WHERE id < 'brk_' || lpad(%(breaks)s::text, 26, '0')
"""
RUNS: Final = (LOOKED_BACK, BREAKS, STOPPED, STOPS)

BLOCKS: Final = """
    INSERT INTO blocks (chain, height, hash, parent, scanned_at)
    SELECT %(chain)s, n, encode(sha256(('block ' || n)::bytea), 'hex'),
      encode(sha256(('block ' || (n - 1))::bytea), 'hex'), %(now)s - (%(height)s - n) * interval '10 minutes'
    FROM generate_series(1, %(height)s) AS n ON CONFLICT DO NOTHING
"""
TIP: Final = """
    INSERT INTO scan_progress (chain, height, hash, updated_at)
    VALUES (%(chain)s, %(height)s, encode(sha256(('block ' || %(height)s)::bytea), 'hex'), %(now)s)
    ON CONFLICT (chain) DO UPDATE SET height = excluded.height, hash = excluded.hash, updated_at = excluded.updated_at
"""
TAKEN_UP: Final = """
    INSERT INTO deposit_progress (chain, change_id)
    SELECT %(chain)s, coalesce(max(change_id), 0) FROM movements
    ON CONFLICT (chain) DO UPDATE SET change_id = excluded.change_id
"""
AFTER: Final = (BLOCKS, TIP, TAKEN_UP)
