"""``balance`` and ``pledge``: what clients have, with every hold."""

from __future__ import annotations

from typing import Annotated

import typer

from custody.cli import house
from custody.cli.showing import Format, FormatOption, show, table

balance = typer.Typer(help="What clients have.", no_args_is_help=True)
pledge = typer.Typer(help="What is locked as collateral.", no_args_is_help=True)

AMOUNTS = ("available", "held", "pledged", "total")


@balance.callback()
def balance_group() -> None:
    """What clients have."""


@balance.command("list")
def balance_list(
    client: Annotated[str, typer.Option("--client", help="Whose.")], chosen: FormatOption = Format.TABLE
) -> None:
    """List each asset of a client with every hold by purpose, out of one moment.

    custody balance list --client cli_…
    """
    from custody.views.holdings import balances

    with house.reading() as (session, _):
        found = balances(session, client=client)
    columns = ("asset=asset.code", *(f"{name}={name}.decimal" for name in AMOUNTS))
    show(found, columns, chosen, wide=("receivable=receivable.decimal",))
    if chosen is Format.TABLE:
        holds = [{"asset": each["asset"]["code"], **hold} for each in found for hold in each["holds"]]
        if holds:
            print("\n" + table(holds, ("asset", "held=amount.decimal", "for=purpose", "by=withdrawal"), fit=True))


@pledge.callback()
def pledge_group() -> None:
    """What is locked as collateral."""


@pledge.command("list")
def pledge_list(
    client: Annotated[str, typer.Option("--client", help="Only this client's.")] = "",
    chosen: FormatOption = Format.TABLE,
) -> None:
    """List what is pledged, by client, pledge and asset.

    custody pledge list
    """
    from custody.views.holdings import pledges

    with house.reading() as (session, _):
        rows = pledges(session, client=client or None)
    show(rows, ("id", "client", "amount=amount.decimal", "asset=asset.code"), chosen)
