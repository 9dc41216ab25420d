"""What the application's role may do, table by table: the owner grants, and nothing is granted by default."""

from __future__ import annotations

from alembic import op

APPLICATION_ROLE = "custody_app"


def grant(table: str, rights: str) -> None:
    """Grant ``rights`` (``SELECT, INSERT``) on ``table`` to the application's role."""
    op.execute(f"GRANT {rights} ON {table} TO {APPLICATION_ROLE}")


def append_only(table: str) -> None:
    """SELECT and INSERT only, and a trigger that refuses UPDATE, DELETE and TRUNCATE from anybody."""
    grant(table, "SELECT, INSERT")
    op.execute(
        f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )
    op.execute(
        f"CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
