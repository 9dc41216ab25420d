"""``payer list | resume | retry``: who pays for carrying spends, and what a person says when that stopped."""

from __future__ import annotations

from typing import Annotated

import typer

from custody.cli import environment, house
from custody.cli.exits import say
from custody.cli.showing import Format, FormatOption, show

app = typer.Typer(help="Who pays for carrying spends.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Who pays for carrying spends."""


@app.command("list")
def listed(chosen: FormatOption = Format.TABLE) -> None:
    """List the payers, the next number of each, and why one is stopped.

    custody payer list
    """
    from custody.relaying import queries

    with house.reading() as (session, runtime):
        found = [item for chain in runtime.chains for item in queries.payers(session, chain=chain)]
    rows = [
        {
            "chain": item.chain,
            "account": item.account,
            "next_number": item.next_number,
            "low": item.is_low,
            "stopped": item.stopped_reason or "",
        }
        for item in found
    ]
    # What matters comes first: where there is no room, the last columns are left out.
    show(rows, ("account", "low", "stopped", "next_number", "chain"), chosen)


@app.command("resume")
def resume(
    account: Annotated[str, typer.Argument(help="The payer's address.")],
    chain: Annotated[str, typer.Option("--chain", help="Its chain, by its name.")],
    next_number: Annotated[int, typer.Option("--next-number", help="The chain's own count of what it has sent.")],
) -> None:
    """Let a stopped payer go on: what was sent below the number is known. Find out who sent it before.

    custody payer resume 0x… --chain ethereum --next-number 12
    """
    from custody.kernel.errors import NotFound
    from custody.relaying import operations, queries

    runtime = house.runtime()
    here = runtime.chosen(chain)
    say(environment.line((here.name,), "payer"))
    with runtime.database.unit() as unit:
        if queries.payer(unit.session, chain=here.chain, account=account) is None:
            raise NotFound(f"no payer of {here.name} has this account", field="account")
        operations.resume(
            unit.session, chain=here.chain, account=account, next_number=next_number, actor="operator", now=unit.now
        )
    say(f"{account} goes on with number {next_number}")


@app.command("retry")
def retry(withdrawal: Annotated[str, typer.Argument(help="The withdrawal's id.")]) -> None:
    """Carry once more what several carriages have not carried out, when what hindered it is gone.

    custody payer retry wdr_…
    """
    from custody.kernel.errors import InvalidInput
    from custody.relaying import operations, queries
    from custody.relaying.states import LoadState
    from custody.spends import queries as spends
    from custody.withdrawals import queries as withdrawals

    runtime = house.runtime()
    say(environment.line(runtime.settings.networks, "payer"))
    with runtime.database.unit() as unit:
        chain = withdrawals.get(unit.session, withdrawal=withdrawal).chain
        loads = [
            queries.load(unit.session, chain=chain, spend=item.spend)
            for item in spends.attempts(unit.session, withdrawal=withdrawal)
        ]
        stuck = [load for load in loads if load is not None and load.state is LoadState.STUCK]
        if not stuck:
            raise InvalidInput("nothing of it waits for a person", field="withdrawal")
        for load in stuck:
            operations.reopen(unit.session, chain=chain, spend=load.spend, actor="operator", now=unit.now)
    say(f"{withdrawal} is carried once more")
