"""A database as it stood before a migration, with rows in it, brought up to date."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text

from custody.db.migrations.run import config_for, upgrade
from tests.support.servers import FreshDatabase

EMPTY: Final = """
DROP SCHEMA public CASCADE;
CREATE SCHEMA public;
GRANT ALL ON SCHEMA public TO PUBLIC;
"""


@contextmanager
def upgraded(database: FreshDatabase, *, over: str, rows: str) -> Iterator[Connection]:
    """The newest schema, in a database where ``rows`` were written just before the migration ``over``."""
    config = config_for(database.owner_url)
    before = ScriptDirectory.from_config(config).get_revision(over).down_revision
    engine = create_engine(database.superuser_url)
    with engine.begin() as connection:
        connection.execute(text(EMPTY))
    command.upgrade(config, str(before))
    with engine.begin() as connection:
        connection.exec_driver_sql(rows)
    upgrade(database.owner_url)
    with engine.begin() as connection:
        yield connection
    engine.dispose()
