"""``payer show`` and ``payer resume``: who pays to carry spends out, and going on after a person has looked."""

from __future__ import annotations

from typing import Annotated

import typer

from custody.cli import house
from custody.cli.chains import ChainOption
from custody.cli.showing import Format, FormatOption, show

app = typer.Typer(help="Who pays to carry spends out.", no_args_is_help=True)


@app.command("show")
def shown(chain: ChainOption = "", chosen: FormatOption = Format.TABLE) -> None:
    """Show every account that pays, what number is next, whether it runs low or stands still, and why.

    custody payer show --format json
    """
    from custody.relaying import queries

    with house.reading() as (session, runtime):
        rows = [
            {
                "chain": served.name,
                "account": found.account,
                "next_number": found.next_number,
                "low": found.is_low,
                "stopped": found.stopped_reason or "",
            }
            for served in house.chains(runtime, chain)
            for found in queries.payers(session, chain=served.chain)
        ]
    show(rows, ("chain", "account", "next_number", "low", "stopped"), chosen)


@app.command("resume")
def resume(
    account: Annotated[str, typer.Argument(help="The account as show writes it.")],
    next_number: Annotated[int, typer.Option("--next-number", min=0, help="The chain's own count of what it sent.")],
    chain: ChainOption = "",
) -> None:
    """Let a stopped payer go on, after a person has found out who sent what. Numbers never go back.

    custody payer resume 0x… --chain ethereum --next-number 42
    """
    from custody.kernel.errors import NotFound
    from custody.relaying import operations, queries

    runtime = house.runtime()
    served = runtime.chosen(chain or None)
    with runtime.database.unit() as unit:
        if queries.payer(unit.session, chain=served.chain, account=account) is None:
            raise NotFound(f"no payer of {served.name} has this account", field="account")
        operations.resume(
            unit.session, chain=served.chain, account=account, next_number=next_number, actor="cli", now=unit.now
        )
    print(f"{account} goes on with number {next_number}")
