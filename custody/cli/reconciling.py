"""``reconciliation show | list | coverage`` and ``break show``: how chain, index and books stand, and differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import typer

from custody.cli import house
from custody.cli.paged import ORDINARY, AfterOption, LimitOption, rows_of
from custody.cli.showing import Format, FormatOption, is_for_people, minute, show, show_fields, show_whole, table

app = typer.Typer(help="Comparisons of chain, index and books.", no_args_is_help=True)

_MILLIONTHS: Final = 1_000_000


def add_to(breaks: typer.Typer) -> None:
    """Put ``show`` beside the other verbs of breaks."""
    breaks.command("show")(break_show)


@app.command("show")
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


@app.command("list")
def reconciliation_list(
    after: AfterOption = "", limit: LimitOption = ORDINARY, chosen: FormatOption = Format.TABLE
) -> None:
    """List comparisons, the newest first: at which block, and whether everything was there.

    custody reconciliation list --limit 10
    """
    from custody.views import reconciling as view

    with house.reading() as (session, runtime):
        with runtime.database.unit() as unit:
            now = unit.now
        rows = rows_of(
            lambda cursor, most: view.reconciliation(
                session, chains=list(runtime.chains), now=now, after=cursor, limit=most
            ),
            "runs",
            after=after,
            limit=limit,
        )
        names = {here.chain: here.name for here in runtime.chains.values()}
    if is_for_people(chosen):
        rows = [
            row | {"chain": names[row["chain"]], "coverage": _covered(row["sums"]), "at": minute(row["finished_at"])}
            for row in rows
        ]
    show(rows, ("at", "result", "height", "coverage", "chain", "id"), chosen, wide=("kind", "hash"))


@app.command("coverage")
def coverage(chosen: FormatOption = Format.TABLE) -> None:
    """List of each asset, for each day of the last 30, what the chain held of what the books say it must hold.

    custody reconciliation coverage --format csv
    """
    from custody.trust.assets import known_assets
    from custody.views import reconciling as view

    with house.reading() as (session, runtime):
        with runtime.database.unit() as unit:
            now = unit.now
        found = view.coverage(session, chains=list(runtime.chains), now=now, assets=known_assets(session))
    rows = [{"asset": each["asset"], **point} for each in found for point in each["points"]]
    if is_for_people(chosen):
        rows = [row | {"coverage": _percent(row["coverage"])} for row in rows]
    columns = ("day", "asset=asset.code", "coverage", "difference=difference.decimal", "result")
    show(rows, columns, chosen, wide=("height",))


def break_show(break_id: str, chosen: FormatOption = Format.TABLE) -> None:
    """Show one break: chain, index and books side by side as they were compared, and what is stopped for it.

    custody break show brk_…
    """
    from custody.views.breaks import whole_break

    with house.reading() as (session, _):
        found = whole_break(session, break_id=break_id)

    def in_words() -> None:
        facts = ("id", "vault", "check", "detail", "opened_at", "resolution")
        amounts = {name: f"{found[name]['decimal']} {found['asset']['code']}" for name in _AMOUNTS}
        show_fields({name: found[name] for name in facts} | amounts, chosen)
        sides = _sides(found["columns"])
        if sides:
            print("\n" + table(sides, ("side", "what", "amount"), fit=True))
        for stop in found["stops"]:
            print(f"\nstopped since {stop['since']}: {stop['reason']}")

    show_whole(found, chosen, in_words)


_AMOUNTS: Final = ("expected", "found", "difference")


def _sides(columns: Mapping[str, Any] | None) -> list[dict[str, str]]:
    """A row for each amount that was compared; none where the run did not tell this vault."""
    rows = []
    for side in ("chain", "index", "books"):
        for what, amount in ((columns or {}).get(side) or {}).items():
            flying = amount if isinstance(amount, list) else []
            rows += [{"side": side, "what": each["subject"], "amount": each["amount"]["decimal"]} for each in flying]
            if not isinstance(amount, list):
                rows.append({"side": side, "what": what, "amount": amount["decimal"]})
    return rows


def _covered(sums: list[dict[str, Any]]) -> list[str]:
    return [f"{each['asset']['code']} {_percent(each['coverage'])}" for each in sums]


def _percent(millionths: int) -> str:
    """Cut off and never rounded up, so that nothing short of whole reads as 100 %."""
    whole, rest = divmod(millionths * 100, _MILLIONTHS)
    return f"{whole}.{rest * 100 // _MILLIONTHS:02d}%"
