"""``withdrawal respend``: ask through the API, with a key of one's own, to give up a payment that may be signed."""

from __future__ import annotations

from typing import Annotated

import typer

from custody.cli.exits import say
from custody.cli.keys import KeyIdOption, KeyOption, YesOption, confirm, load_key
from custody.cli.service import ApiOption, Service, TokenOption
from custody.cli.showing import Format, FormatOption, show_fields


def add_to(group: typer.Typer) -> None:
    """Put the verb beside the others of withdrawals."""
    group.command("respend")(respend)


def respend(
    withdrawal: str,
    token_file: TokenOption,
    key: KeyOption,
    purpose: Annotated[str, typer.Option("--purpose", help="Why it is given up.")],
    requester: Annotated[str, typer.Option("--as", help="The requester's name in the trust root.")] = "exchange",
    key_id: KeyIdOption = "",
    api: ApiOption = "",
    idempotency_key: Annotated[str, typer.Option("--idempotency-key", help="The same key asks only once.")] = "",
    hours: Annotated[int, typer.Option("--hours", min=1, max=720, help="How long the request is good.")] = 24,
    yes: YesOption = False,
    chosen: FormatOption = Format.TABLE,
) -> None:
    """Give up a withdrawal a cosigner may have signed: what it would have spent is used up for nothing.

    custody withdrawal respend wdr_… --token-file token --key exchange.pem --purpose "token is paused" --yes
    """
    from datetime import UTC, datetime, timedelta

    from custody.evidence.requests import RespendRequest, request_message
    from custody.evidence.signatures import sign_ed25519
    from custody.kernel.ids import expect_id, new_id

    service = Service(api, token_file)
    found = service.get("withdrawals", expect_id(withdrawal, "wdr", field="withdrawal"))
    now = datetime.now(UTC)
    request = RespendRequest(
        requester=requester,
        client=found["client"],
        of=found["intent_digest"],
        asset=found["asset"]["id"],
        amount=int(found["amount"]["base_units"]),
        max_fee=int(found["max_fee"]["base_units"]),
        purpose=purpose,
        not_after=now + timedelta(hours=hours),
        idempotency_key=idempotency_key or new_id("idm", now),
    )
    checked = RespendRequest.parse(request.to_json())
    confirm(f"Give {withdrawal} up?", is_agreed=yes)
    signature = sign_ed25519(load_key(key), key_id or f"{requester}-1", request_message(checked))
    say(f"idempotency key {checked.idempotency_key}")
    answer = service.post("respends", body={"request": checked.to_json(), "signature": signature.to_json()})
    show_fields(answer, chosen)
