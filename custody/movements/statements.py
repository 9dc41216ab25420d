"""The set-based statements of a block: their number does not depend on how much of the block is ours."""

from __future__ import annotations

from typing import Final

from sqlalchemy import TextClause, text

_ROWS: Final = """
    jsonb_to_recordset(CAST(:rows AS jsonb)) AS r (
      txid text, position integer, vault_id text, address_id bigint, change boolean, locator text, asset text,
      units numeric, coinbase boolean, own_spend boolean, spent_by text, since text)
"""


def _over_rows(statement: str) -> TextClause:
    return text(statement.replace("<rows>", _ROWS))


CREATE_COINS: Final = _over_rows(
    """
    INSERT INTO coins (chain, txid, position, vault_id, address_id, change, locator, asset, units, coinbase,
      created_height, created_hash)
    SELECT :chain, r.txid, r.position, r.vault_id, r.address_id, r.change, decode(r.locator, 'hex'), r.asset, r.units,
      r.coinbase, :height, :hash
    FROM <rows>
    ON CONFLICT (chain, txid, position) DO UPDATE
      SET created_height = excluded.created_height, created_hash = excluded.created_hash,
          coinbase = excluded.coinbase
      WHERE coins.created_height IS NULL
    """
)
"""A coin known only from its spending learns here where it came from."""

SPEND_COINS: Final = _over_rows(
    """
    INSERT INTO coins (chain, txid, position, vault_id, address_id, change, locator, asset, units, coinbase,
      spent_by, spent_height, spent_hash)
    SELECT :chain, r.txid, r.position, r.vault_id, r.address_id, r.change, decode(r.locator, 'hex'), r.asset, r.units,
      false, r.spent_by, :height, :hash
    FROM <rows>
    ON CONFLICT (chain, txid, position) DO UPDATE
      SET spent_by = excluded.spent_by, spent_height = excluded.spent_height, spent_hash = excluded.spent_hash
    RETURNING txid, position, vault_id, created_height
    """
)
"""A coin we never saw arrive is written as spent: the caller raises the alarm."""

ADD_MOVEMENTS: Final = _over_rows(
    """
    INSERT INTO movements (chain, direction, vault_id, address_id, change, own_spend, coinbase, txid, position,
      spent_by, asset, units, height, block_hash, seen_at, since)
    SELECT :chain, CASE WHEN r.spent_by IS NULL THEN 'in' ELSE 'out' END, r.vault_id, r.address_id, r.change,
      r.own_spend, r.coinbase, r.txid, r.position, r.spent_by, r.asset, r.units, :height, :hash, :now, r.since
    FROM <rows>
    WHERE r.since IS NOT NULL OR NOT EXISTS (
      SELECT FROM movements c
      WHERE c.chain = :chain AND c.address_id = r.address_id AND c.since IS NOT NULL AND c.removed_at IS NULL
        AND c.asset = r.asset AND c.height >= :height)
    ON CONFLICT (chain, direction, txid, position) WHERE removed_at IS NULL DO NOTHING
    """
)
"""What a later comparison of the same place and asset has counted already is not recorded a second time."""

RECORDED: Final = text(
    """
    SELECT address_id, asset, sum(CASE direction WHEN 'in' THEN units ELSE -units END) AS units
    FROM movements
    WHERE chain = :chain AND height <= :height AND removed_at IS NULL AND asset = ANY(CAST(:assets AS text[]))
    GROUP BY address_id, asset
    """
)
"""What each address holds of each asset as far as it was recorded."""

ADD_STRAYS: Final = text(
    """
    INSERT INTO strays (chain, txid, position, address_id, vault_id, client_id, locator, asset, units, height,
      block_hash, seen_at)
    SELECT :chain, r.txid, r.position, r.address_id, r.vault_id, r.client_id, decode(r.locator, 'hex'), r.asset,
      r.units, :height, :hash, :now
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r (
      txid text, position integer, vault_id text, client_id text, address_id bigint, locator text, asset text,
      units numeric)
    ON CONFLICT (chain, txid, position) WHERE removed_at IS NULL DO NOTHING
    RETURNING vault_id, txid, position, asset, units
    """
)

FIRST_IN_PART: Final = text(
    """
    SELECT min(height) FROM blocks
    WHERE chain = :chain AND NOT complete
      AND height > coalesce((SELECT max(c.height) FROM comparisons c WHERE c.chain = :chain), -1)
    """
)
"""The first block shown in part that no comparison has counted since."""

REMOVE_STRAYS: Final = text(
    "UPDATE strays SET removed_at = :now WHERE chain = :chain AND height > :height AND removed_at IS NULL"
)

REMOVE_MOVEMENTS: Final = text(
    """
    UPDATE movements SET removed_at = :now, change_id = nextval('movement_changes')
    WHERE chain = :chain AND height > :height AND removed_at IS NULL
    """
)

SPENT_VAULTS: Final = text(
    """
    SELECT r.txid, r.spender, spent.vault_id
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r (txid text, position integer, spender text)
    CROSS JOIN LATERAL (
      SELECT vault_id FROM coins
      WHERE coins.chain = :chain AND coins.txid = r.txid AND coins.position = r.position LIMIT 1
    ) AS spent
    """
)
"""One index probe per outpoint: joined freely, the planner would rather read every coin there ever was."""

ADD_OUTCOMES: Final = text(
    """
    INSERT INTO outcomes (chain, spend, txid, locator, succeeded, height, block_hash, seen_at)
    SELECT :chain, r.spend, r.txid, decode(r.locator, 'hex'), r.succeeded, :height, :hash, :now
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r (spend text, txid text, locator text, succeeded boolean)
    ON CONFLICT (chain, locator, spend) WHERE removed_at IS NULL DO NOTHING
    """
)

REMOVE_OUTCOMES: Final = text(
    "UPDATE outcomes SET removed_at = :now WHERE chain = :chain AND height > :height AND removed_at IS NULL"
)
