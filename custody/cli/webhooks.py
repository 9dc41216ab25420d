"""``webhook list | show | deliveries | attempts`` from the database; what changes endpoints goes through the API."""

from __future__ import annotations

from typing import Annotated, Any, Final

import typer

from custody.cli import house
from custody.cli.exits import say
from custody.cli.keys import YesOption, confirm
from custody.cli.paged import ORDINARY, AfterOption, LimitOption, rows_of
from custody.cli.service import ApiOption, Service, TokenOption
from custody.cli.showing import Format, FormatOption, show, show_fields

ROUTE: Final = "webhook-endpoints"

app = typer.Typer(help="Where events are pushed.", no_args_is_help=True)

EndpointArgument = Annotated[
    str, typer.Argument(metavar="ENDPOINT", help="Its id, as `custody webhook list` lists it.")
]


@app.command("list")
def webhook_list(chosen: FormatOption = Format.TABLE) -> None:
    """List endpoints with what waits for each, oldest first.

    custody webhook list --format json
    """
    from custody.views import webhooks as views

    with house.reading() as (session, _):
        rows = views.endpoints(session)
    columns = ("id", "status", "waiting", "failing", "last_success_at", "url")
    show(rows, columns, chosen, wide=("client", "types", "payload", "label", "reason", "oldest_waiting_at"))


@app.command("show")
def webhook_show(endpoint: EndpointArgument, chosen: FormatOption = Format.TABLE) -> None:
    """Show one endpoint: where, what it hears, how it stands and why.

    custody webhook show whe_…
    """
    from custody.views import webhooks as views

    with house.reading() as (session, _):
        found = views.endpoint(session, endpoint=endpoint)
    show_fields(found, chosen)


@app.command("deliveries")
def webhook_deliveries(
    endpoint: EndpointArgument,
    state: Annotated[str, typer.Option("--state", help="Only these: waiting, delivered or failed.")] = "",
    after: AfterOption = "",
    limit: LimitOption = ORDINARY,
    chosen: FormatOption = Format.TABLE,
) -> None:
    """List what was sent there and what waits, the newest first.

    custody webhook deliveries whe_… --state waiting
    """
    from custody.evidence import fields
    from custody.views import webhooks as views
    from custody.webhooks.model import STATES

    only = fields.one_of(state, STATES, field="state") if state else None
    with house.reading() as (session, _):
        views.endpoint(session, endpoint=endpoint)
        rows = rows_of(
            lambda cursor, most: views.deliveries(session, endpoint=endpoint, limit=most, state=only, after=cursor),
            views.DELIVERIES,
            after=after,
            limit=limit,
        )
    columns = ("event", "type", "status", "attempts", "next_attempt_at")
    show(rows, columns, chosen, wide=("subject", "failing_since", "delivered_at"))


@app.command("attempts")
def webhook_attempts(endpoint: EndpointArgument, event: str, chosen: FormatOption = Format.TABLE) -> None:
    """List every attempt to deliver one event there, with the beginning of each answer.

    custody webhook attempts whe_… evt_…
    """
    from custody.views import webhooks as views

    with house.reading() as (session, _):
        views.endpoint(session, endpoint=endpoint)
        rows = views.attempts(session, endpoint=endpoint, event=event)
    show(rows, ("number", "at", "status", "latency_ms", "problem"), chosen, wide=("answer",))


@app.command("create")
def webhook_create(
    url: Annotated[str, typer.Argument(help="Where to push: https, on the internet.")],
    label: Annotated[str, typer.Option("--label", help="What people call it.")],
    token_file: TokenOption,
    types: Annotated[
        list[str] | None,
        typer.Option("--type", help="Only these: withdrawal, or withdrawal.approved; may be repeated."),
    ] = None,
    client: Annotated[str, typer.Option("--client", help="Only what concerns this client.")] = "",
    payload: Annotated[str, typer.Option("--payload", help="full, or thin: without the object.")] = "full",
    api: ApiOption = "",
    yes: YesOption = False,
    chosen: FormatOption = Format.TABLE,
) -> None:
    """Push events to an address from now on. Prints the secret, this once.

    custody webhook create https://exchange.example/hooks --label books --type withdrawal --token-file token --yes
    """
    confirm(f"Push events to {url}?", is_agreed=yes)
    body = {"url": url, "client": client or None, "types": types or [], "payload": payload, "label": label}
    _show_made(Service(api, token_file).post(ROUTE, body=body), chosen)


@app.command("rotate")
def webhook_rotate(
    endpoint: EndpointArgument,
    token_file: TokenOption,
    api: ApiOption = "",
    yes: YesOption = False,
    chosen: FormatOption = Format.TABLE,
) -> None:
    """Replace the secret. Prints the new one, this once; for a day the old one signs as well.

    custody webhook rotate whe_… --token-file token --yes
    """
    confirm(f"Replace the secret of {endpoint}?", is_agreed=yes)
    _show_made(Service(api, token_file).post(ROUTE, endpoint, "secret", body={}), chosen)


@app.command("disable")
def webhook_disable(
    endpoint: EndpointArgument,
    reason: Annotated[str, typer.Option("--reason", help="Why, for whoever finds it so.")],
    token_file: TokenOption,
    api: ApiOption = "",
    yes: YesOption = False,
    chosen: FormatOption = Format.TABLE,
) -> None:
    """Send nothing there for now; events wait.

    custody webhook disable whe_… --reason "receiver moves" --token-file token --yes
    """
    confirm(f"Send nothing to {endpoint} for now?", is_agreed=yes)
    show_fields(Service(api, token_file).post(ROUTE, endpoint, "disable", body={"reason": reason}), chosen)


@app.command("enable")
def webhook_enable(
    endpoint: EndpointArgument,
    token_file: TokenOption,
    api: ApiOption = "",
    yes: YesOption = False,
    chosen: FormatOption = Format.TABLE,
) -> None:
    """Send there again, from where it stopped: nothing told meanwhile is left out.

    custody webhook enable whe_… --token-file token --yes
    """
    confirm(f"Send to {endpoint} again?", is_agreed=yes)
    show_fields(Service(api, token_file).post(ROUTE, endpoint, "enable", body={}), chosen)


@app.command("resend")
def webhook_resend(
    endpoint: EndpointArgument,
    token_file: TokenOption,
    since: Annotated[str, typer.Option("--since", help="Only what was told since then: 2026-11-23T04:00:00Z.")] = "",
    api: ApiOption = "",
    yes: YesOption = False,
    chosen: FormatOption = Format.TABLE,
) -> None:
    """Try everything that was not taken there again, as a job: custody job show. One event: custody event resend.

    custody webhook resend whe_… --since 2026-11-23T04:00:00Z --token-file token --yes
    """
    confirm(f"Send everything that failed at {endpoint} again?", is_agreed=yes)
    service = Service(api, token_file)
    show_fields(service.post(ROUTE, endpoint, "resend-failed", body={"since": since or None}), chosen)


def _show_made(found: Any, chosen: Format) -> None:
    """An endpoint with its secret; the words about it go to standard error."""
    say("keep the secret: it is not shown again")
    show_fields(found, chosen)
