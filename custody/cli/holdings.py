"""``balance``, ``pledge`` and ``reconciliation``: what clients have, with every hold, and how books and chain stand."""

from __future__ import annotations

from typing import Annotated

import typer

from custody.cli import house
from custody.cli.showing import Format, FormatOption, show, show_whole, table

balance = typer.Typer(help="What clients have.", no_args_is_help=True)
pledge = typer.Typer(help="What is locked as collateral.", no_args_is_help=True)
reconciliation = typer.Typer(help="The newest comparison of chain, index and books.", no_args_is_help=True)

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


@reconciliation.callback()
def reconciliation_group() -> None:
    """The newest comparison of chain, index and books."""


@reconciliation.command("show")
def reconciliation_show(chosen: FormatOption = Format.TABLE) -> None:
    """Show of each chain whether the newest comparison balanced, and the breaks that are open.

    custody reconciliation show
    """
    from custody.views.reconciled import reconciliation as view

    with house.reading() as (session, runtime):
        with runtime.database.unit() as unit:
            now = unit.now
        found = view(session, chains=list(runtime.chains), now=now)

    def in_words() -> None:
        print(table(found["chains"], ("chain", "status", "height", "age_s=age_seconds", "run"), fit=True))
        print(f"\n{len(found['breaks'])} breaks are open")

    show_whole(found, chosen, in_words)
