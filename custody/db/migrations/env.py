"""Alembic environment. The URL of the schema's owner comes from ``-x url=`` or the caller's config."""

from __future__ import annotations

from alembic import context
from sqlalchemy import create_engine, pool, text

from custody.db.base import Base
from custody.db.migrations.grants import APPLICATION_ROLE


def run() -> None:
    """Run the migrations on the owner's connection."""
    url = context.get_x_argument(as_dictionary=True).get("url") or context.config.get_main_option("sqlalchemy.url")
    if not url:
        raise SystemExit("error: url: no database given; accepted is -x url=postgresql+psycopg://…")
    engine = create_engine(url, poolclass=pool.NullPool)
    with engine.connect() as connection:
        context.configure(connection=connection, target_metadata=Base.metadata, compare_type=True)
        with context.begin_transaction():
            context.run_migrations()
            # Every process asks whether the schema is the one it was written for (custody.db.schema).
            connection.execute(text(f"GRANT SELECT ON alembic_version TO {APPLICATION_ROLE}"))


run()
