"""``assets list`` and ``assets check``: what can be kept here, and whether it is what it is registered as."""

from __future__ import annotations

from typing import Any

import typer

from custody.cli import house
from custody.cli.chains import ChainOption
from custody.cli.exits import DONE, INVALID
from custody.cli.showing import Format, FormatOption, is_for_people, show

app = typer.Typer(help="What can be kept here.", no_args_is_help=True)


@app.command("list")
def asset_list(chosen: FormatOption = Format.TABLE) -> None:
    """List each chain's own asset and what the trust root registers beside it.

    custody assets list
    """
    from custody.trust.assets import assets_of

    with house.reading() as (session, runtime):
        rows = [
            {"asset": asset.code, "decimals": asset.decimals, "chain": here.name, "id": asset.id}
            for here in runtime.chains.values()
            for asset in assets_of(session, chain=here.chain)
        ]
    show(rows, ("asset", "decimals", "chain", "id"), chosen)


@app.command("check")
def check(chain: ChainOption = "", chosen: FormatOption = Format.TABLE) -> None:
    """Ask the nodes whether registered assets are what they are registered as. Exit 2 where one is not.

    custody assets check --chain ethereum
    """
    from custody.trust.inspection import inspect_assets

    runtime = house.runtime()
    found = [
        item
        for here in house.chains(runtime, chain)
        for item in inspect_assets(runtime.database, here.inspect, chain=here.chain)
    ]
    rows: list[dict[str, Any]] = [item.to_json() for item in found]
    show(rows, ("asset", "registered", "decimals", "calls_itself", "sound"), chosen)
    if is_for_people(chosen):
        for row in rows:
            for kind in ("problems", "notes"):
                for said in row[kind]:
                    print(f"{row['asset']}: {said}")
    raise typer.Exit(DONE if all(item.is_sound for item in found) else INVALID)
