"""``db``: the schema, as its owner; and saying that the database was restored."""

from __future__ import annotations

import os
from pathlib import Path

import typer

from custody.cli import environment
from custody.cli.exits import say

app = typer.Typer(help="The database's schema.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """The database's schema."""


@app.command("upgrade")
def upgrade() -> None:
    """Create or upgrade the schema, as its owner: CUSTODY_OWNER_URL, or CUSTODY_OWNER_URL_FILE naming a file.

    CUSTODY_OWNER_URL_FILE=/run/secrets/owner_url custody db upgrade
    """
    from sqlalchemy.exc import OperationalError

    from custody.db.migrations.run import upgrade as upgrade_schema
    from custody.db.unit import DatabaseUnavailable

    url = _owner_url()
    try:
        upgrade_schema(url)
    except OperationalError as error:
        raise DatabaseUnavailable("Postgres does not answer, or refuses this owner") from error
    say("the schema is up to date")


@app.command("restored")
def restored(why: str = typer.Option("declared by an operator", help="what happened, for the audit log")) -> None:
    """Say that the database was restored: burn the stock, and stop spending until the chain has been read again.

    custody db restored --why "backup of 06:00 put back"
    """
    from custody.cli.house import bare
    from custody.restore import operations as restore

    runtime = bare()
    say(environment.line(runtime.settings.networks, "database"))
    with runtime.database.unit() as unit:
        found = restore.declare(unit.session, reason=why, actor="operator", now=unit.now)
    say(f"restoring since {found.noticed_at:%Y-%m-%d %H:%M:%S}Z: nothing is spent or handed out until the books agree")


def _owner_url() -> str:
    from custody.kernel.errors import InvalidInput

    url = os.environ.get("CUSTODY_OWNER_URL", "")
    if not url and "CUSTODY_OWNER_URL_FILE" in os.environ:
        url = Path(os.environ["CUSTODY_OWNER_URL_FILE"]).read_text().strip()
    if not url.startswith("postgresql+psycopg://"):
        raise InvalidInput(
            "missing or no address; accepted begins with postgresql+psycopg://", field="CUSTODY_OWNER_URL"
        )
    return url
