"""``invariants check``, ``state dump``, ``reconcile`` and ``table``: do the books agree."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from custody.cli import house
from custody.cli.chains import ChainOption
from custody.cli.exits import DONE, INVALID, REFUSED, resumable
from custody.cli.progress import watched
from custody.cli.showing import Format, FormatOption, is_for_people, print_sentence, show, show_whole, table

invariants = typer.Typer(help="What must always be true.", no_args_is_help=True)
state = typer.Typer(help="Everything there is, for tests and auditors.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Put these commands on the top level."""
    app.add_typer(invariants, name="invariants")
    app.add_typer(state, name="state")
    app.command("reconcile")(reconcile)
    app.command("table")(client_table)


@invariants.command("check")
def check(chosen: FormatOption = Format.TABLE) -> None:
    """Check every invariant that shows in a database. Exit 1 when one does not hold.

    custody invariants check --format json
    """
    from custody.reconciliation.invariants import check_invariants

    with house.reading() as (session, runtime):
        with runtime.database.unit() as unit:
            now = unit.now
        report = check_invariants(session, terms=runtime.terms, deadlines=runtime.deadlines, now=now)
    said = report.to_json()

    def in_words() -> None:
        rows = [
            {"id": name, "holds": holds, "why": "; ".join(report.found[name][:3])}
            for name, holds in report.results.items()
        ]
        print(table(rows, ("id", "holds", "why")) + "\n")
        print_sentence(f"only tests show {', '.join(said['only_tests'])}; {said['not_built']}")

    show_whole(said, chosen, in_words)
    raise typer.Exit(DONE if report.holds else REFUSED)


@state.command("dump")
def dump() -> None:
    """Print ledger, queue, vaults, deposits and audit head as canonical JSON (RFC 8785).

    custody state dump > state.json
    """
    from custody.reports.state_dump import state_dump

    with house.reading() as (session, _):
        found = state_dump(session)
    sys.stdout.buffer.write(found + b"\n")


def reconcile(
    ranged: Annotated[bool, typer.Option("--ranged", help="Let the node derive: do not believe our table.")] = False,
    chain: ChainOption = "",
    chosen: FormatOption = Format.TABLE,
) -> None:
    """Compare node, index and ledger at one block of each chain, or of one.

    Exit 0 balanced, 2 on a break, which stops its vault.

    custody reconcile --chain ethereum --format json
    """
    from custody.reconciliation import effect

    runtime = house.runtime()
    act = effect.reconcile_ranged if ranged else effect.reconcile
    places = house.chains(runtime, chain)
    with resumable("a chain that was compared is written down, no other is: run it again"):
        runs = [
            act(
                here.node,
                runtime.database,
                chain=here.chain,
                assets=here.assets,
                start_height=here.start_height,
                actor="cli",
            )
            for here in watched(places, len(places), doing="comparing chains", from_number=2)
        ]
    told = [run.to_json() for run in runs]
    names = {here.chain: here.name for here in runtime.chains.values()}
    if is_for_people(chosen):
        for one in told:
            _say_run(one, names)
    elif chosen is Format.JSON and len(told) == 1:
        show_whole(told[0], chosen, lambda: None)
    else:
        show(told, (), chosen)
    raise typer.Exit(DONE if all(run.is_balanced for run in runs) else INVALID)


def client_table(chosen: FormatOption = Format.TABLE) -> None:
    """Print the table per client: deposited, withdrawn, fees, available, held, on chain, difference.

    custody table
    """
    from custody.kernel.money import format_decimal
    from custody.reports import client_table as report

    with house.reading() as (session, _):
        found = report.client_table(session)

    def in_words() -> None:
        columns = ("deposited", "withdrawn", "fees", "available", "held", "on_chain", "difference")
        rows = [
            {"name": row.name, "asset": row.asset.code}
            | {column: format_decimal(getattr(row, column), row.asset) for column in columns}
            for row in found.clients
        ]
        print(table(rows, ("name", "asset", *columns), fit=True, is_whole=True))

    show_whole(found.to_json(), chosen, in_words)
    raise typer.Exit(DONE if found.is_balanced else REFUSED)


def _say_run(told: dict[str, Any], names: Mapping[str, str]) -> None:
    columns: tuple[str, ...] = ("vault", "node", "coins", "movements", "ledger", "in_flight", "suspense", "difference")
    if any(line["asset"] != told["asset"] for line in told["vaults"]):
        columns = ("asset", *columns)
    rows = [line | {"in_flight": sum(int(item["units"]) for item in line["in_flight"])} for line in told["vaults"]]
    print(table(rows, columns, fit=True, is_whole=True))
    for line in told["vaults"]:
        for item in line["in_flight"]:
            print(f"in flight: {item['kind']} {item['subject']}: {item['units']}")
    for found in told["breaks"]:
        print(f"break: {found['vault']}: {found['check']}: {found['detail']}")
    word = "balanced" if told["balanced"] else f"{len(told['breaks'])} breaks"
    where = f"{names[told['chain']]}: " if len(names) > 1 else ""
    print(f"{where}{word} at height {told['height']} {told['hash']}")
