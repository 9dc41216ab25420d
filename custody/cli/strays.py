"""``strays``: what arrived at addresses of ours on chains that are not theirs, and how it is sent on."""

from __future__ import annotations

from typing import Annotated

import typer

from custody.cli import house
from custody.cli.asking import Closing, HoursOption, KeyedOption, Pen, RequesterOption, ask
from custody.cli.keys import KeyIdOption, KeyOption, YesOption
from custody.cli.service import ApiOption, Service, TokenOption
from custody.cli.showing import Format, FormatOption, show, show_fields

app = typer.Typer(invoke_without_command=True)


@app.callback()
def strays(context: typer.Context, chosen: FormatOption = Format.TABLE) -> None:
    """List what came to our addresses on another chain than theirs. It is credited to nobody.

    custody strays --format json
    """
    if context.invoked_subcommand is not None:
        return
    from custody.movements import queries

    with house.reading() as (session, _):
        rows = [item.to_json() for item in queries.strays(session)]
    show(rows, ("chain", "client", "vault", "asset", "units", "txid", "position", "height"), chosen)


@app.command("returned")
def returned(chosen: FormatOption = Format.TABLE) -> None:
    """List what was asked to be sent on, and how far it is.

    custody strays returned
    """
    from custody.returns import queries

    with house.reading() as (session, _):
        rows = [item.to_json() for item in queries.every(session)]
    show(rows, ("id", "status", "chain", "client", "asset", "units", "txid", "position", "spend"), chosen)


@app.command("return")
def send_on(
    txid: Annotated[str, typer.Argument(help="Of the transaction it came with, as `custody strays` lists it.")],
    destination: str,
    token_file: TokenOption,
    key: KeyOption,
    purpose: Annotated[str, typer.Option("--purpose", help="Why, and to whom.")],
    position: Annotated[int, typer.Option("--position", help="Which of that transaction's.")] = 0,
    requester: RequesterOption = "exchange",
    key_id: KeyIdOption = "",
    api: ApiOption = "",
    idempotency_key: KeyedOption = "",
    hours: HoursOption = 24,
    yes: YesOption = False,
    chosen: FormatOption = Format.TABLE,
) -> None:
    """Ask to send what came astray on to somebody, on the chain where it lies. People have to agree.

    custody strays return 0x… 0x… --token-file token --key exchange.pem --purpose "back to the sender" --yes
    """
    from custody.evidence.requests import StrayReturnRequest
    from custody.kernel.errors import InvalidInput

    service = Service(api, token_file)
    named = [each for each in service.get("status")["strays"] if (each["txid"], each["position"]) == (txid, position)]
    if len(named) != 1:
        raise InvalidInput(f"names {len(named)} strays; accepted is one that `custody strays` lists", field="txid")
    found = named[0]
    request = StrayReturnRequest(
        client=found["client"],
        txid=txid,
        position=position,
        address=found["address"],
        asset=found["asset"],
        amount=int(found["units"]),
        destination=destination,
        purpose=purpose,
        **Closing.of(requester, hours, idempotency_key).fields,
    )
    question = f"Send {found['units']} base units of {found['asset']} on to {destination}?"
    show_fields(ask(service, request, Pen(key, key_id, yes), question=question, path="returns"), chosen)
