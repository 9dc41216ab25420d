"""The SQL of a reconciliation: what is stored, as of a height, each in one statement over all vaults of a chain."""

from __future__ import annotations

from typing import Final

from sqlalchemy import text

SCRIPTS: Final = text(
    """
    SELECT a.locator, a.vault_id FROM addresses a JOIN vaults v ON v.id = a.vault_id WHERE v.chain = :chain
    """
)
"""Every script ever derived: stock, issued, burned and change alike."""

RANGES: Final = text(
    """
    SELECT a.vault_id, a.kept_for, a.change, max(a.index) AS last
    FROM addresses a JOIN vaults v ON v.id = a.vault_id
    WHERE v.chain = :chain GROUP BY a.vault_id, a.kept_for, a.change
    """
)
"""The highest index of each series that has any."""

VAULTS: Final = text(
    """
    SELECT v.id, v.kind,
      ARRAY(SELECT m.client_id FROM vault_members m WHERE m.vault_id = v.id ORDER BY m.client_id) AS clients
    FROM vaults v WHERE v.chain = :chain ORDER BY v.id
    """
)

COINS: Final = text(
    """
    SELECT vault_id, txid, position, asset, units, locator FROM coins
    WHERE chain = :chain AND created_height <= :height AND spent_by IS NULL
    UNION ALL
    SELECT vault_id, txid, position, asset, units, locator FROM coins
    WHERE chain = :chain AND created_height <= :height AND spent_by IS NOT NULL AND spent_height > :height
    """
)

MOVEMENTS: Final = text(
    """
    SELECT vault_id, asset, sum(CASE direction WHEN 'in' THEN units ELSE -units END) AS units
    FROM movements WHERE chain = :chain AND height <= :height AND removed_at IS NULL GROUP BY vault_id, asset
    """
)

BALANCES: Final = text(
    """
    SELECT m.vault_id, m.asset, a.locator AS locator,
      sum(CASE m.direction WHEN 'in' THEN m.units ELSE -m.units END) AS units
    FROM movements m JOIN addresses a ON a.id = m.address_id
    WHERE m.chain = :chain AND m.height <= :height AND m.removed_at IS NULL
    GROUP BY m.vault_id, m.asset, a.locator
    HAVING sum(CASE m.direction WHEN 'in' THEN m.units ELSE -m.units END) <> 0
    """
)
"""What each address holds where the chain has no coins."""

ACCOUNTS: Final = text(
    "SELECT asset, kind, owner, balance FROM ledger_accounts WHERE asset = ANY(CAST(:assets AS text[]))"
)

DEPOSITS: Final = text(
    """
    SELECT vault_id, asset, id AS subject, units,
      CASE WHEN state = 'confirming' THEN 'deposit confirming'
           WHEN unbacked THEN 'deposit removed by a reorg, not reversed yet'
           ELSE 'deposit of a later block' END AS kind,
      CASE WHEN state = 'confirming' THEN 1 ELSE -1 END AS sign
    FROM deposits
    WHERE chain = :chain AND units > 0
      AND ((state = 'confirming' AND height <= :height)
        OR (state IN ('credited', 'quarantined', 'dust') AND (unbacked OR height > :height)))
    ORDER BY id
    """
)

# An arrival whose newest movement the deposits have not taken up: the chain is ahead of the deposit's own row.
UNTAKEN: Final = text(
    """
    WITH touched AS (
      SELECT m.vault_id, m.asset, m.txid, m.position, max(m.units) AS units
      FROM movements m JOIN vaults v ON v.id = m.vault_id
      WHERE m.chain = :chain AND m.direction = 'in' AND NOT (m.change AND m.own_spend) AND m.units > 0
        AND NOT (v.kind = 'house' AND m.asset = :native)
        AND m.change_id > coalesce((SELECT p.change_id FROM deposit_progress p WHERE p.chain = :chain), 0)
      GROUP BY m.vault_id, m.asset, m.txid, m.position
    ), told AS (
      SELECT t.*,
        EXISTS (SELECT FROM movements l WHERE l.chain = :chain AND l.direction = 'in' AND l.txid = t.txid
                  AND l.position = t.position AND l.removed_at IS NULL AND l.height <= :height) AS on_chain,
        EXISTS (SELECT FROM deposits d WHERE d.chain = :chain AND d.txid = t.txid AND d.position = t.position
                  AND d.state IN ('confirming', 'credited', 'quarantined', 'dust') AND NOT d.unbacked
                  AND d.height <= :height) AS counted
      FROM touched t
    )
    SELECT vault_id, asset, txid || ':' || position AS subject, units,
      CASE WHEN on_chain THEN 'arrival not taken up yet' ELSE 'removal not taken up yet' END AS kind,
      CASE WHEN on_chain THEN 1 ELSE -1 END AS sign
    FROM told WHERE on_chain <> counted ORDER BY txid, position
    """
)

# The house's own money where it pays fees: what the chain did and its books have not taken up, or the reverse. What
# left and is no carriage's fee is never taken up and in no list: it is a break.
CAPITAL: Final = text(
    """
    WITH live AS (
      SELECT m.vault_id, m.asset, m.direction, m.txid, m.position, m.units FROM movements m
      JOIN vaults v ON v.id = m.vault_id
      WHERE m.chain = :chain AND v.kind = 'house' AND m.asset = :native AND m.height <= :height
        AND m.removed_at IS NULL AND (m.direction = 'in'
          OR EXISTS (SELECT FROM carriage_variants c WHERE c.txid = m.txid AND m.position = 0))
    ), booked AS (
      SELECT b.vault_id, :native AS asset, b.direction, b.txid, b.position, b.units FROM payer_bookings b
      WHERE b.chain = :chain AND b.booked
    )
    SELECT coalesce(l.vault_id, b.vault_id) AS vault_id, coalesce(l.asset, b.asset) AS asset,
      txid AS subject, units,
      CASE WHEN b.vault_id IS NULL THEN 'payer''s movement not taken up yet'
           ELSE 'payer''s movement of a later block or removed' END AS kind,
      CASE WHEN (b.vault_id IS NULL) = (direction = 'in') THEN 1 ELSE -1 END AS sign
    FROM live l FULL JOIN booked b USING (direction, txid, position, units)
    WHERE l.vault_id IS NULL OR b.vault_id IS NULL ORDER BY subject
    """
)

# A payment on the chain that the books have not settled, or the reverse. A settled payment that the chain never
# had, and one paid after it was given up, are in no list: they are breaks.
PAYMENTS: Final = text(
    """
    WITH told AS (
      SELECT a.vault_id, w.asset, w.id AS subject,
        w.units + CASE WHEN :fees_from_vault THEN a.fee_units ELSE 0 END AS units,
        w.state = 'completed' AND w.txid = a.txid AS settled,
        EXISTS (SELECT FROM movements m WHERE m.chain = :chain AND m.spent_by = a.txid
                  AND m.removed_at IS NULL AND m.height <= :height) AS on_chain,
        EXISTS (SELECT FROM movements m WHERE m.chain = :chain AND m.spent_by = a.txid
                  AND m.removed_at IS NULL AND m.height > :height) AS later,
        EXISTS (SELECT FROM movements m WHERE m.chain = :chain AND m.spent_by = a.txid
                  AND m.removed_at IS NOT NULL) AS removed
      FROM attempts a JOIN withdrawals w ON w.id = a.withdrawal_id
      WHERE a.chain = :chain AND a.pays AND a.state <> 'abandoned'
        AND w.state NOT IN ('denied', 'rejected', 'expired', 'cancelled', 'failed')
        AND (w.state <> 'completed' OR a.confirmed_height > :height - 1000)
    )
    SELECT vault_id, asset, subject, units,
      CASE WHEN on_chain THEN 'payment confirmed, not settled'
           WHEN later THEN 'payment of a later block'
           ELSE 'payment removed by a reorg, not reversed yet' END AS kind,
      CASE WHEN on_chain THEN -1 ELSE 1 END AS sign
    FROM told WHERE on_chain <> settled AND (on_chain OR later OR removed) ORDER BY subject
    """
)
