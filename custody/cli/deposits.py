"""``deposit list | show``: what came in, and how far it is."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from custody.cli import house
from custody.cli.completing import client_ids, deposit_ids
from custody.cli.showing import Format, FormatOption, show, show_fields, show_whole, table
from custody.cli.tables import at

app = typer.Typer(help="What came in.", no_args_is_help=True)

FACTS: Final = {
    **{name: name for name in ("id", "client", "status", "reason")},
    "amount": "amount.decimal",
    "asset": "asset.code",
    **{name: name for name in ("vault", "address", "txid", "position", "height", "booked_at")},
}
"""What a person is told of one, in this order, and where the object has it."""


@app.callback()
def group() -> None:
    """What came in."""


@app.command("list")
def deposit_list(
    client: Annotated[str, typer.Option("--client", help="Only this client's.", autocompletion=client_ids)] = "",
    status: Annotated[str, typer.Option("--status", help="Only what stands there: confirming, credited …")] = "",
    after: Annotated[str, typer.Option("--after", metavar="DEPOSIT", help="Only what came after this one.")] = "",
    limit: Annotated[int, typer.Option("--limit", min=0, help="At most so many; 0 is all.")] = 0,
    chosen: FormatOption = Format.TABLE,
) -> None:
    """List deposits, oldest first.

    custody deposit list --client cli_… --status confirming
    """
    from custody.clients import queries as clients
    from custody.deposits import queries
    from custody.deposits.states import DepositState
    from custody.evidence import fields
    from custody.kernel.ids import expect_id
    from custody.trust.assets import known_assets
    from custody.views.objects import deposit_view

    states = (DepositState(fields.one_of(status, tuple(DepositState), field="status")),) if status else ()
    begin = expect_id(after, "dep", field="after") if after else ""
    with house.reading() as (session, _):
        if client:
            clients.get(session, client=client)
        found = queries.page(session, client=client, states=states, after=begin, limit=limit or _ALL)
        assets = known_assets(session)
        rows = [deposit_view(item, assets) for item in found]
    columns = ("id", "client", "amount=amount.decimal", "asset=asset.code", "status", "height")
    show(rows, columns, chosen, wide=("vault", "txid", "reason", "booked_at"))


_ALL: Final = 2**31 - 1


@app.command("show")
def deposit_show(
    deposit: Annotated[str, typer.Argument(help="Its id.", autocompletion=deposit_ids)],
    chosen: FormatOption = Format.TABLE,
) -> None:
    """Show one deposit, and every step it took.

    custody deposit show dep_…
    """
    from custody.deposits import queries
    from custody.kernel.ids import expect_id
    from custody.trust.assets import known_assets
    from custody.views.objects import deposit_view

    name = expect_id(deposit, "dep", field="deposit")
    with house.reading() as (session, _):
        found = deposit_view(queries.by_id(session, deposit=name), known_assets(session))
        steps = [
            {"step": each.step, "to": each.to_state, "event": each.event, "actor": each.actor}
            for each in queries.transitions(session, deposit=name)
        ]

    def in_words() -> None:
        show_fields({head: at(found, path) for head, path in FACTS.items()}, chosen)
        print("\n" + table(steps, ("step", "to", "event", "actor"), fit=True))

    show_whole(found, chosen, in_words)
