"""Rows written as operations would write them, without what else stands behind them: for counting statements."""

from __future__ import annotations

from typing import Any, Final

import psycopg

from tests.support.servers import FreshDatabase
from tests.support.world import REGTEST, House


def write(house: House, statement: str, **values: Any) -> None:
    """Run ``statement`` as the superuser, past triggers and foreign keys. ``chain`` and ``asset`` are filled in."""
    write_past(house.database, statement, chain=REGTEST.chain, asset=REGTEST.asset.id, **values)


def write_past(database: FreshDatabase, statement: str, **values: Any) -> None:
    """The same in a database that is no house's."""
    with psycopg.connect(database.superuser_url.replace("+psycopg", "")) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(statement, values)


_PAYMENTS: Final = """
INSERT INTO withdrawals (id, digest, client_id, vault_id, chain, asset, units, max_fee_units, destination, locator,
  state, facts, requested_at, state_since)
SELECT 'wdr_' || md5(%(to)s || n), md5('digest' || %(to)s || n), %(client)s, 'kst_demo/1', %(chain)s, %(asset)s, n, 1,
  %(to)s, '', 'completed', '{}', now(), now() FROM generate_series(1, %(number)s) AS n
"""


def pay(house: House, client: str, destination: str, *, number: int = 1) -> None:
    """So many payments of the client to one place, which were completed."""
    write(house, _PAYMENTS, client=client, to=destination, number=number)
