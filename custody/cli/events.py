"""``event list | show | listen | resend | trigger`` and ``job show``: what changed, in order, and work as a whole."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Annotated, Any, Final

import typer

from custody.cli import house
from custody.cli.exits import Interrupted
from custody.cli.keys import YesOption, confirm
from custody.cli.service import ApiOption, Service, TokenOption
from custody.cli.showing import Format, FormatOption, show, show_fields

SECONDS: Final = 1.0
"""Between two looks while nothing happens."""
PAGE: Final = 200

app = typer.Typer(help="What changed, in order.", no_args_is_help=True)
jobs = typer.Typer(help="Work that was asked for as a whole.", no_args_is_help=True)

KindOption = Annotated[
    list[str] | None, typer.Option("--kind", help="Only these: withdrawal, or withdrawal.approved; may be repeated.")
]
ClientOption = Annotated[str, typer.Option("--client", help="Only what concerns this client.")]
AfterOption = Annotated[int, typer.Option("--after", min=0, help="The cursor to read on from; 0 is the beginning.")]


@app.command("list")
def event_list(
    after: AfterOption = 0,
    kind: KindOption = None,
    client: ClientOption = "",
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="At most so many.")] = 50,
    chosen: FormatOption = Format.TABLE,
) -> None:
    """List events after a cursor, oldest first; each carries its object as it was then.

    custody event list --after 120 --kind withdrawal
    """
    rows = _page(after, kind, client, limit)[0]
    show(rows, ("cursor", "type", "object=object.id", "at=timestamp"), chosen, wide=("actor", "client", "id"))


@app.command("show")
def event_show(event: str, chosen: FormatOption = Format.TABLE) -> None:
    """Show one event whole.

    custody event show evt_…
    """
    from custody.events import queries

    with house.reading() as (session, _):
        found = queries.by_id(session, event=event).to_json()
    show_fields(found, chosen)


@app.command("listen")
def listen(
    after: Annotated[int, typer.Option("--after", min=-1, help="Cursor to read on from; -1 is now.")] = -1,
    kind: KindOption = None,
    client: ClientOption = "",
    count: Annotated[int, typer.Option("--count", min=0, help="Stop after so many; 0 goes on until Ctrl-C.")] = 0,
    forward_to: Annotated[
        str, typer.Option("--forward-to", help="Post each to this address on this machine too, signed as a webhook.")
    ] = "",
) -> None:
    """Print every event as it happens, one JSON object a line.

    custody event listen --kind withdrawal.completed

    custody event listen --forward-to http://localhost:3000/hooks
    """
    from custody.cli.forwarding import Forwarder
    from custody.events import queries

    forwarder = Forwarder(forward_to) if forward_to else None
    if after < 0:
        with house.reading() as (session, _):
            after = queries.head(session)
    try:
        for told, row in enumerate(_as_they_happen(after, kind, client), 1):
            print(json.dumps(row, ensure_ascii=False), flush=True)
            if forwarder is not None:
                forwarder.forward(row)
            after = int(row["cursor"])
            if count and told >= count:
                return
    except KeyboardInterrupt:
        raise Interrupted(f"say --after {after} to go on from here") from None


@app.command("resend")
def resend(
    event: str,
    endpoint: Annotated[str, typer.Option("--to", metavar="ENDPOINT", help="The webhook endpoint to send it to.")],
    token_file: TokenOption,
    api: ApiOption = "",
    yes: YesOption = False,
    chosen: FormatOption = Format.TABLE,
) -> None:
    """Push one event once more, or now where it waits, under the same id.

    custody event resend evt_… --to whe_… --token-file token --yes
    """
    confirm(f"Send {event} to {endpoint} again?", is_agreed=yes)
    found = Service(api, token_file).post("webhook-endpoints", endpoint, "deliveries", event, "resend", body={})
    show_fields(found, chosen)


@app.command("trigger")
def trigger(
    endpoint: Annotated[str, typer.Option("--to", metavar="ENDPOINT", help="The webhook endpoint to try.")],
    token_file: TokenOption,
    api: ApiOption = "",
    yes: YesOption = False,
    chosen: FormatOption = Format.TABLE,
) -> None:
    """Push a test event, webhook_endpoint.test, to one endpoint, once. What came of it: custody webhook attempts.

    custody event trigger --to whe_… --token-file token --yes
    """
    confirm(f"Send a test to {endpoint}?", is_agreed=yes)
    show_fields(Service(api, token_file).post("webhook-endpoints", endpoint, "test", body={}), chosen)


@jobs.callback()
def job_group() -> None:
    """Work that was asked for as a whole."""


@jobs.command("show")
def job_show(job: str, token_file: TokenOption, api: ApiOption = "", chosen: FormatOption = Format.TABLE) -> None:
    """Show how far a job is, and what it made.

    custody job show job_… --token-file token
    """
    show_fields(Service(api, token_file).get("jobs", job), chosen)


def _as_they_happen(after: int, kinds: list[str] | None, client: str) -> Iterator[dict[str, Any]]:
    while True:
        rows, after = _page(after, kinds, client, PAGE)
        yield from rows
        if len(rows) < PAGE:
            time.sleep(SECONDS)


def _page(after: int, kinds: list[str] | None, client: str, limit: int) -> tuple[list[dict[str, Any]], int]:
    from custody.events import queries

    with house.reading() as (session, _):
        found = queries.after(session, cursor=after, limit=limit, client=client or None, kinds=kinds or None)
    return [each.to_json() for each in found.events], found.cursor
