"""``audit verify``: is every event still there, in its order, as it was written."""

from __future__ import annotations

from functools import partial

import typer

from custody.cli import house
from custody.cli.exits import REFUSED, say
from custody.cli.progress import watched
from custody.cli.showing import Format, FormatOption, show_fields

app = typer.Typer(help="The hash-chained log of every change.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """The hash-chained log of every change."""


@app.command("verify")
def verify(chosen: FormatOption = Format.TABLE) -> None:
    """Walk the whole chain and print its head, to be compared with one kept elsewhere. Exit 1 when it is broken.

    custody audit verify
    """
    from custody.audit import queries

    with house.reading() as (session, _):
        head = queries.head(session)
        bad = queries.first_bad_record(session, watched=partial(watched, number=head.sequence, doing="reading"))
    show_fields({"sequence": head.sequence, "hash": head.hash, "intact": bad is None}, chosen)
    if bad is not None:
        say(f"error: audit: event {bad} is altered, missing or out of order")
        raise typer.Exit(REFUSED)
