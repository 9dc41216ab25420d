"""``deposit list``: what came in, and how far it is."""

from __future__ import annotations

from typing import Annotated

import typer

from custody.cli import house
from custody.cli.showing import Format, FormatOption, show

app = typer.Typer(help="What came in.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """What came in."""


@app.command("list")
def deposit_list(
    client: Annotated[str, typer.Option("--client", help="Only this client's.")] = "",
    chosen: FormatOption = Format.TABLE,
) -> None:
    """List deposits, oldest first.

    custody deposit list --client cli_…
    """
    from custody.clients import queries as clients
    from custody.deposits import queries
    from custody.trust.assets import known_assets
    from custody.views.objects import deposit_view

    with house.reading() as (session, _):
        if client:
            clients.get(session, client=client)
        found = queries.of_client(session, client=client) if client else queries.every(session)
        assets = known_assets(session)
        rows = [deposit_view(item, assets) for item in found]
    columns = ("id", "client", "amount=amount.decimal", "asset=asset.code", "status", "height")
    show(rows, columns, chosen, wide=("vault", "txid", "reason", "booked_at"))
