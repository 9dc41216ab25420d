"""``withdrawal watch``: every step of one withdrawal as it is taken, until it has ended."""

from __future__ import annotations

import json
import time
from typing import Annotated, Any, Final

import typer

from custody.cli import house
from custody.cli.exits import DONE, REFUSED, WAITING, resumable, say
from custody.cli.showing import Format, FormatOption, is_for_people

SECONDS: Final = 1.0
"""Between two looks."""


def add_to(app: typer.Typer) -> None:
    """Put the verb beside the others of withdrawals."""
    app.command("watch")(watch)


def watch(
    withdrawal: str,
    wait: Annotated[int, typer.Option("--wait", min=0, help="Give up after so many seconds; 0 waits for ever.")] = 0,
    chosen: FormatOption = Format.TABLE,
) -> None:
    """Follow one withdrawal to its end: exit 0 when it is completed, 1 when it ended otherwise, 8 when --wait ran out.

    custody withdrawal watch wdr_… --wait 3600
    """
    from custody.kernel.ids import expect_id
    from custody.withdrawals.model import PREFIXES

    with resumable("the withdrawal goes on by itself: run it again to go on looking"):
        _follow(expect_id(withdrawal, *PREFIXES, field="withdrawal"), wait, chosen)


def _follow(name: str, wait: int, chosen: Format) -> None:
    from custody.withdrawals.states import FINAL, State

    began, told = time.monotonic(), 0
    while True:
        state, why, steps = _look(name)
        for step in steps[told:]:
            _print(step, chosen)
        told = len(steps)
        if state in FINAL:
            raise typer.Exit(DONE if state == State.COMPLETED else REFUSED)
        if wait and time.monotonic() - began >= wait:
            say(f"{name} is {state}" + (f": {why}" if why else ""))
            raise typer.Exit(WAITING)
        time.sleep(min(SECONDS, max(0.0, began + wait - time.monotonic())) if wait else SECONDS)


def _look(name: str) -> tuple[str, str | None, list[dict[str, Any]]]:
    from custody.views.objects import step_view
    from custody.withdrawals import queries

    with house.reading() as (session, _):
        found = queries.get(session, withdrawal=name)
        steps = [step_view(step) for step in queries.steps(session, withdrawal=name)]
    return found.state.value, found.waiting_for, steps


def _print(step: dict[str, Any], chosen: Format) -> None:
    if is_for_people(chosen):
        print(f"{step['at']}  {step['to']}  {step['event']} by {step['actor']}", flush=True)
    else:
        # One object a line whatever was asked for: what has no end is no document.
        print(json.dumps(step, ensure_ascii=False), flush=True)
