"""``entry list | show`` and ``account show``: the books line by line, and one account with its running balance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from custody.cli import house
from custody.cli.paged import ORDINARY, AfterOption, LimitOption, rows_of
from custody.cli.showing import Format, FormatOption, is_for_people, minute, show, show_fields, show_whole, table

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

entries = typer.Typer(help="The books, entry by entry.", no_args_is_help=True)
accounts = typer.Typer(help="Accounts of the books.", no_args_is_help=True)

LINES: Final = ("account=kind", "owner=owner_name", "change=change.decimal", "after=after.decimal", "asset=asset.code")
FACTS: Final = ("id", "key", "reason", "subject", "actor", "posted_at", "reverses", "reversed_by")


@entries.command("list")
def entry_list(
    about: Annotated[str, typer.Option("--about", metavar="ID", help="Only about this deposit or withdrawal.")] = "",
    after: AfterOption = "",
    limit: LimitOption = ORDINARY,
    chosen: FormatOption = Format.TABLE,
) -> None:
    """List entries, the newest first.

    custody entry list --about dep_… --format json
    """
    from custody.views import books

    with house.reading() as (session, _):
        rows = rows_of(
            lambda cursor, most: books.entries(session, subject=about, after=cursor, limit=most),
            "entries",
            after=after,
            limit=limit,
        )
    told = [_in_one_line(row) for row in rows] if is_for_people(chosen) else rows
    show(told, ("id", "at", "reason", "moved", "subject"), chosen, wide=("actor", "key"))


@entries.command("show")
def entry_show(
    entry: Annotated[int, typer.Argument(min=1, help="Its number.")], chosen: FormatOption = Format.TABLE
) -> None:
    """Show one entry with all its sides, and on whose word it was booked.

    custody entry show 17
    """
    from custody.views import books

    with house.reading() as (session, _):
        found = books.entry(session, entry=entry)

    def in_words() -> None:
        show_fields({name: found[name] for name in FACTS} | {"authorised_by": found["authorised_by"]}, chosen)
        print("\n" + table(found["lines"], LINES, fit=True))

    show_whole(found, chosen, in_words)


@entries.callback()
def entry_group() -> None:
    """The books, entry by entry."""


@accounts.callback()
def account_group() -> None:
    """Accounts of the books."""


@accounts.command("show")
def account_show(
    kind: Annotated[str, typer.Argument(help="available, held, onchain … as entries name them.")],
    owner: Annotated[str, typer.Argument(help="A client, a vault, or house.")],
    asset: Annotated[str, typer.Argument(help="Short code or CAIP-19 id.")],
    pledge: Annotated[str, typer.Argument(help="Where the account is of one pledge.")] = "",
    after: AfterOption = "",
    limit: LimitOption = ORDINARY,
    chosen: FormatOption = Format.TABLE,
) -> None:
    """Show one account: its entries, the newest first, each with the balance after it.

    custody account show available cli_… BTC
    """
    from custody.views import books

    with house.reading() as (session, _):
        name = " ".join(part for part in (kind, owner, _asset_id(session, asset), pledge) if part)
        account = books.account(name)
        rows = rows_of(
            lambda cursor, most: books.entries(session, account=account, after=cursor, limit=most),
            "entries",
            after=after,
            limit=limit,
        )
    if is_for_people(chosen):
        rows = [row | {"at": minute(row["posted_at"])} for row in rows]
    columns = ("id", "at", "reason", "change=own.change.decimal", "balance=own.after.decimal", "subject")
    show(rows, columns, chosen, wide=("actor", "key"))


def _asset_id(session: Session, text: str) -> str:
    """The id of an asset named by its code. Raises ``InvalidInput`` where none or several go by it."""
    from custody.kernel.errors import InvalidInput
    from custody.trust.assets import registered_assets

    if "/" in text:
        return text
    known = registered_assets(session) or ()
    named = [each.id for each in known if each.code == text]
    if len(named) != 1:
        codes = ", ".join(sorted({each.code for each in known}))
        what = f"not the code of an asset; accepted are {codes}" if not named else "of several chains: give its id"
        raise InvalidInput(what, field="asset")
    return named[0]


def _in_one_line(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row with its minute, and what it moved in one cell, once for each asset."""
    moved: dict[str, str] = {}
    for line in row["lines"]:
        amount = line["change"]["decimal"]
        if not amount.startswith("-"):
            moved.setdefault(line["asset"]["code"], amount)
    return {**row, "at": minute(row["posted_at"]), "moved": [f"{amount} {code}" for code, amount in moved.items()]}
