"""``listing list | add | remove | confirm``: destinations that a client's people agreed to."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from custody.cli import house
from custody.cli.asking import (
    Closing,
    HoursOption,
    KeyedOption,
    Pen,
    PurposeOption,
    RequesterOption,
    ask,
    show_asked,
)
from custody.cli.exits import say
from custody.cli.keys import KeyIdOption, KeyOption, YesOption, load_key
from custody.cli.service import ApiOption, Service, TokenOption
from custody.cli.showing import Format, FormatOption, show, show_fields

app = typer.Typer(help="Destinations that were agreed to.", no_args_is_help=True)

ClientOption = Annotated[str, typer.Option("--client", help="Whose list.")]
NetworkOption = Annotated[str, typer.Option("--network", help="Which chain; without it, the only one of the settings.")]


@app.command("list")
def listing_list(
    client: Annotated[str, typer.Option("--client", help="Only this client's.")] = "",
    chosen: FormatOption = Format.TABLE,
) -> None:
    """List destinations, oldest first, with how they stand.

    custody listing list --client cli_…
    """
    from datetime import UTC, datetime

    from custody.listings import queries

    now = datetime.now(UTC)
    with house.reading() as (session, _):
        rows = [each.to_json(now) for each in queries.every(session, client=client or None)]
    show(rows, ("client", "destination", "label", "standing", "counts_from"), chosen)


@app.command("add")
def add(
    destination: str,
    client: ClientOption,
    label: Annotated[str, typer.Option("--label", help="What people call it.")],
    purpose: PurposeOption,
    token_file: TokenOption,
    key: KeyOption,
    network: NetworkOption = "",
    requester: RequesterOption = "exchange",
    key_id: KeyIdOption = "",
    api: ApiOption = "",
    idempotency_key: KeyedOption = "",
    hours: HoursOption = 24,
    yes: YesOption = False,
    chosen: FormatOption = Format.TABLE,
) -> None:
    """Ask to put a destination on a client's list.

    custody listing add bcrt1… --client cli_… --label "cold wallet" --purpose "monthly" --token-file token
    --key exchange.pem --yes
    """
    closing, pen = Closing.of(requester, hours, idempotency_key), Pen(key, key_id, yes)
    _change("list", destination, client, label, network, purpose, closing, pen, Service(api, token_file), chosen)


@app.command("remove")
def remove(
    destination: str,
    client: ClientOption,
    purpose: PurposeOption,
    token_file: TokenOption,
    key: KeyOption,
    label: Annotated[str, typer.Option("--label", help="What people call it.")] = "removed",
    network: NetworkOption = "",
    requester: RequesterOption = "exchange",
    key_id: KeyIdOption = "",
    api: ApiOption = "",
    idempotency_key: KeyedOption = "",
    hours: HoursOption = 24,
    yes: YesOption = False,
    chosen: FormatOption = Format.TABLE,
) -> None:
    """Ask to take a destination off a client's list.

    custody listing remove bcrt1… --client cli_… --purpose "closed" --token-file token --key exchange.pem --yes
    """
    closing, pen = Closing.of(requester, hours, idempotency_key), Pen(key, key_id, yes)
    _change("delist", destination, client, label, network, purpose, closing, pen, Service(api, token_file), chosen)


@app.command("confirm")
def confirm(
    digest: Annotated[str, typer.Argument(help="Of the listing that is held.")],
    destination: Annotated[str, typer.Option("--destination", help="In full, as it was read out to you elsewhere.")],
    person: Annotated[str, typer.Option("--as", help="Your name in the trust root.")],
    token_file: TokenOption,
    key: KeyOption,
    key_id: KeyIdOption = "",
    api: ApiOption = "",
    chosen: FormatOption = Format.TABLE,
) -> None:
    """Say that a destination which looks like a known one is right: you heard all of it over another way.

    What you give is compared with what was asked for, to the last character, and signed.

    custody listing confirm DIGEST --destination bcrt1… --as carol --key carol.pem --token-file carol.token
    """
    from custody.evidence.intents import Intent
    from custody.evidence.lookalikes import Confirmation
    from custody.evidence.requests import DestinationListingRequest
    from custody.evidence.signatures import sign_ed25519
    from custody.kernel.errors import InvalidInput, NotFound, Refused

    service = Service(api, token_file)
    intent = Intent.parse(service.get("intents", digest).get("document"))
    held = {each["digest"]: each["similar"] for each in service.get("listings")["held"]}
    request = intent.request
    if intent.digest != digest or not isinstance(request, DestinationListingRequest):
        raise Refused("the document shown is another one than its digest names", field="digest")
    if digest not in held:
        raise NotFound("no listing of that intent is held", field="digest")
    if destination != request.destination:
        raise InvalidInput("is not the destination that was asked for: do not confirm it", field="destination")
    say(f"{request.destination} is not {held[digest]}")
    word = Confirmation(digest, request.destination, held[digest], person)
    signature = sign_ed25519(load_key(key), key_id or f"{person}-1", word.message)
    body: dict[str, Any] = {"confirmation": word.to_json(), "signature": signature.to_json()}
    show_fields(service.post("listings", digest, "confirmation", body=body), chosen)


def _change(
    action: str,
    destination: str,
    client: str,
    label: str,
    network: str,
    purpose: str,
    closing: Closing,
    pen: Pen,
    service: Service,
    chosen: Format,
) -> None:
    from custody.cli.chains import network_named
    from custody.evidence.requests import DestinationListingRequest

    where = network_named(network)
    request = DestinationListingRequest(
        client=client,
        chain=where.chain,
        destination=where.read_destination(destination, field="destination").address,
        label=label,
        action=action,
        purpose=purpose,
        **closing.fields,
    )
    verb = "Put {} on" if action == "list" else "Take {} off"
    question = f"{verb.format(request.destination)} the list of {client}?"
    show_asked(ask(service, request, pen, question=question), chosen)
