"""``notice``: by which ways operators are told that something waits for them, and what was sent."""

from __future__ import annotations

from typing import Annotated

import typer

from custody.cli import house
from custody.cli.showing import Format, FormatOption, show, show_fields

app = typer.Typer(help="Notices to operators, by mail and signed webhook.", no_args_is_help=True)

_Operator = Annotated[str, typer.Argument(metavar="NAME", help="An operator of the trust root.")]
_Channel = Annotated[str, typer.Argument(metavar="CHANNEL", help="mail or webhook.")]


@app.command("list")
def channels(
    sent: Annotated[bool, typer.Option("--sent", help="The newest messages instead of the channels.")] = False,
    chosen: FormatOption = Format.TABLE,
) -> None:
    """List who is told where, or what was sent.

    custody notice list --sent
    """
    from custody.notices import queries

    with house.reading() as (session, _):
        told = [each.to_json() for each in queries.channels(session)]
        messages = [each.to_json() for each in queries.messages(session, limit=100)] if sent else []
    if sent:
        show(messages, ("id", "created_at", "operator", "channel", "intents", "status", "attempts", "problem"), chosen)
    else:
        show(told, ("operator", "channel", "address", "on", "confirmed_at", "changed_by"), chosen)


@app.command("set")
def choose(
    operator: _Operator,
    channel: _Channel,
    address: Annotated[str, typer.Argument(help="name@example.com, or https://… for a webhook.")],
    chosen: FormatOption = Format.TABLE,
) -> None:
    """Tell an operator there from now on. The secret of a webhook is shown this once; a mail address is sent a code.

    custody notice set bob mail bob@example.com
    """
    from custody.notices import choosing
    from custody.notices.model import WEBHOOK
    from custody.trust.operations import in_force
    from custody.webhooks.places import Places, read_networks
    from custody.webhooks.signing import Sealer

    runtime = house.bare()
    choosing.expect_address(channel, address)
    if channel == WEBHOOK:
        Places(read_networks(runtime.settings.webhook_inside)).read(address, field="address")
    with runtime.database.unit() as unit:
        found = choosing.choose(
            unit.session,
            operator=operator,
            kind=channel,
            address=address,
            root=in_force(unit.session).root,
            sealer=Sealer(runtime.seal_key),
            actor="cli",
            now=unit.now,
        )
    show_fields(found.channel.to_json() | ({"secret": found.secret.text} if found.secret else {}), chosen)


@app.command("confirm")
def confirm(
    operator: _Operator,
    channel: _Channel,
    code: Annotated[str, typer.Argument(metavar="CODE", help="The eight digits that were sent to the address.")],
    chosen: FormatOption = Format.TABLE,
) -> None:
    """Say that what is sent to an address arrives: a mail address is told nothing else before.

    custody notice confirm bob mail 12345678
    """
    from custody.notices import choosing
    from custody.webhooks.signing import Sealer

    runtime = house.bare()
    with runtime.database.unit() as unit:
        found = choosing.confirm(
            unit.session,
            operator=operator,
            kind=channel,
            code=code,
            sealer=Sealer(runtime.seal_key),
            actor="cli",
            now=unit.now,
        )
    show_fields(found.to_json(), chosen)


@app.command("switch")
def switch(
    operator: _Operator,
    channel: _Channel,
    turn: Annotated[str, typer.Argument(metavar="on|off", help="Whether they are told there.")],
    chosen: FormatOption = Format.TABLE,
) -> None:
    """Tell an operator there no more, or again.

    custody notice switch bob mail off
    """
    from custody.evidence import fields
    from custody.notices import choosing

    is_on = fields.one_of(turn, ("on", "off"), field="on|off") == "on"
    with house.bare().database.unit() as unit:
        found = choosing.switch(unit.session, operator=operator, kind=channel, is_on=is_on, actor="cli", now=unit.now)
    show_fields(found.to_json(), chosen)
