"""``db``: the schema, as its owner; and saying that the database was restored."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from custody.cli import environment
from custody.cli.exits import say
from custody.cli.showing import Format, FormatOption, is_for_people, show

if TYPE_CHECKING:
    from custody.db.migrations.foreseeing import Upgrade

app = typer.Typer(help="The database's schema.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """The database's schema."""


@app.command("upgrade")
def upgrade(
    check: Annotated[
        bool, typer.Option("--check", help="Say which tables it would lock and how long; do it not.")
    ] = False,
    chosen: FormatOption = Format.TABLE,
) -> None:
    """Create or upgrade the schema, as its owner: CUSTODY_OWNER_URL, or CUSTODY_OWNER_URL_FILE naming a file.

    CUSTODY_OWNER_URL_FILE=/run/secrets/owner_url custody db upgrade --check
    """
    from sqlalchemy.exc import OperationalError

    from custody.db.migrations.foreseeing import foresee
    from custody.db.migrations.run import upgrade as upgrade_schema
    from custody.db.unit import DatabaseUnavailable

    url = _owner_url()
    try:
        if check:
            _show_foreseen(foresee(url), chosen)
            return
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


def _show_foreseen(found: Upgrade, chosen: Format) -> None:
    """Each table that is there already as a row, and the whole in a sentence."""
    rows = [
        {
            "table": each.table,
            "lock": each.lock.words,
            "waits": each.lock.stops,
            "bytes": each.size,
            "seconds": each.seconds,
        }
        for each in found.tables
    ]
    if rows or not is_for_people(chosen):
        show(rows, ("table", "lock", "waits", "bytes", "seconds"), chosen)
    say(_in_a_sentence(found))


def _in_a_sentence(found: Upgrade) -> str:
    if not found.missing:
        return f"the schema is up to date: {found.now}"
    if not found.now:
        return f"the database is empty: {len(found.missing)} migrations make everything, and nothing waits for them"
    return (
        f"{len(found.missing)} migrations lead from {found.now} to {found.newest}, in one transaction: locks are held "
        f"to its end, about {found.seconds} s; nothing was changed now"
    )


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
