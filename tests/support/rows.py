"""Rows written as operations would write them, without what else stands behind them: for counting statements."""

from __future__ import annotations

from typing import Any

import psycopg

from tests.support.world import REGTEST, House


def write(house: House, statement: str, **values: Any) -> None:
    """Run ``statement`` as the superuser, past triggers and foreign keys. ``chain`` and ``asset`` are filled in."""
    with psycopg.connect(house.database.superuser_url.replace("+psycopg", "")) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(statement, {"chain": REGTEST.chain, "asset": REGTEST.asset.id, **values})
