"""``price list``: what each asset is worth, by the marks of pinned sources, and how far that can be trusted."""

from __future__ import annotations

import typer

from custody.cli import house
from custody.cli.showing import Format, FormatOption, show

app = typer.Typer(help="What assets are worth.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """What assets are worth."""


@app.command("list")
def price_list(chosen: FormatOption = Format.TABLE) -> None:
    """List each asset's price in millionths of a US dollar, its age, its sources, and those that stand apart.

    custody price list
    """
    from custody.prices import queries as prices
    from custody.trust.operations import in_force

    with house.reading() as (session, runtime):
        root = in_force(session).root
        with runtime.database.unit() as unit:
            now = unit.now
        found = [(asset, prices.quote(session, asset=asset.id, root=root, now=now).to_json()) for asset in root.assets]
    rows = [{"asset": asset.code, "chain": asset.chain, **price} for asset, price in found]
    show(rows, ("asset", "chain", "state", "usd_micros", "age_seconds", "sources", "apart"), chosen)
