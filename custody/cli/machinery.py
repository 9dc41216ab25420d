"""``health`` and ``stuck``: what the house leans on, and what is past its deadline."""

from __future__ import annotations

import typer

from custody.cli import house
from custody.cli.exits import DONE, REFUSED
from custody.cli.showing import Format, FormatOption, show


def add_to(app: typer.Typer) -> None:
    """Put these commands on the top level."""
    app.command("health")(health)
    app.command("stuck")(stuck)


def health(chosen: FormatOption = Format.TABLE) -> None:
    """List what the house leans on, whether it is well, and what that means for the money. Exit 1 where it is not.

    custody health
    """
    from custody.views import health as view

    with house.reading() as (session, runtime):
        with runtime.database.unit() as unit:
            now = unit.now
        names = {here.chain: here.name for here in runtime.chains.values()}
        found = view.health(session, names=names, deadlines=runtime.deadlines, now=now)
    columns = ("name", "state", "value", "money")
    show(found["lines"], columns, chosen, wide=("threshold", "since", "runbook"))
    raise typer.Exit(DONE if found["all_ok"] else REFUSED)


def stuck(chosen: FormatOption = Format.TABLE) -> None:
    """List whatever is past its deadline: what, where it stands, since when and why.

    custody stuck
    """
    from custody.views import stuck as view

    with house.reading() as (session, runtime):
        with runtime.database.unit() as unit:
            now = unit.now
        found = view.stuck(session, deadlines=runtime.deadlines, now=now)
    columns = ("kind", "id", "state", "age_s=age_seconds", "why")
    show(found["rows"], columns, chosen, wide=("reference", "since", "money", "who", "runbook"))
