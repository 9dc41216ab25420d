"""``withdrawal respend``: ask through the API, with a key of one's own, to give up a payment that may be signed."""

from __future__ import annotations

from typing import Annotated

import typer

from custody.cli.asking import Closing, HoursOption, KeyedOption, Pen, RequesterOption, ask
from custody.cli.keys import KeyIdOption, KeyOption, YesOption
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
    requester: RequesterOption = "exchange",
    key_id: KeyIdOption = "",
    api: ApiOption = "",
    idempotency_key: KeyedOption = "",
    hours: HoursOption = 24,
    yes: YesOption = False,
    chosen: FormatOption = Format.TABLE,
) -> None:
    """Give up a withdrawal a cosigner may have signed: what it would have spent is used up for nothing.

    custody withdrawal respend wdr_… --token-file token --key exchange.pem --purpose "token is paused" --yes
    """
    from custody.evidence.requests import RespendRequest
    from custody.kernel.ids import expect_id
    from custody.withdrawals.model import PREFIXES

    service = Service(api, token_file)
    found = service.get("withdrawals", expect_id(withdrawal, *PREFIXES, field="withdrawal"))
    request = RespendRequest(
        client=found["client"],
        of=found["intent_digest"],
        asset=found["asset"]["id"],
        amount=int(found["amount"]["base_units"]),
        max_fee=int(found["max_fee"]["base_units"]),
        purpose=purpose,
        **Closing.of(requester, hours, idempotency_key).fields,
    )
    answer = ask(service, request, Pen(key, key_id, yes), question=f"Give {withdrawal} up?", path="respends")
    show_fields(answer, chosen)
