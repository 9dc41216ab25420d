"""``destination list | held``: a client's address book with who agreed to it, and what waits as a look-alike."""

from __future__ import annotations

from typing import Annotated

import typer

from custody.cli import house
from custody.cli.completing import client_ids
from custody.cli.showing import Format, FormatOption, plain, show

app = typer.Typer(help="Where clients may be paid.", no_args_is_help=True)


@app.command("list")
def destination_list(
    client: Annotated[str, typer.Option("--client", help="Whose.", autocompletion=client_ids)],
    chosen: FormatOption = Format.TABLE,
) -> None:
    """List a client's destinations, the newest first: how each stands, since when it counts, and who agreed.

    custody destination list --client cli_…
    """
    from custody.views.destinations import destinations_view

    with house.reading() as (session, runtime):
        with runtime.database.unit() as unit:
            now = unit.now
        rows = plain(destinations_view(session, client=client, now=now)["listings"])
    columns = ("destination", "label", "standing", "counts_from", "agreed")
    show(rows, columns, chosen, wide=("requester", "chain", "digest"))


@app.command("held")
def destination_held(chosen: FormatOption = Format.TABLE) -> None:
    """List what waits because it looks like a known destination; `custody listing confirm` lets one on.

    custody destination held
    """
    from custody.views.destinations import held_view

    with house.reading() as (session, _):
        rows = plain(held_view(session))
    show(rows, ("code", "client", "destination", "similar"), chosen, wide=("requester", "digest"))
