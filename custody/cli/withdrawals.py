"""``withdrawal list | show`` from the database; ``create | cancel | bump`` through the API with keys of one's own."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from custody.cli import house
from custody.cli.asking import Closing, HoursOption, KeyedOption, Pen, RequesterOption, ask
from custody.cli.completing import withdrawal_ids
from custody.cli.exits import say
from custody.cli.keys import KeyIdOption, KeyOption, YesOption, confirm, load_key
from custody.cli.rehearsing import is_dry
from custody.cli.service import ApiOption, Service, TokenOption
from custody.cli.showing import Format, FormatOption, is_for_people, show, show_fields, show_whole

WithdrawalArgument = Annotated[str, typer.Argument(metavar="WITHDRAWAL", help="Its id.", autocompletion=withdrawal_ids)]

app = typer.Typer(help="Payments to the outside.", no_args_is_help=True)


@app.command("list")
def withdrawal_list(
    client: Annotated[str, typer.Option("--client", help="Only this client's.")] = "",
    reference: Annotated[str, typer.Option("--reference", help="Only what a client's books call so.")] = "",
    chosen: FormatOption = Format.TABLE,
) -> None:
    """List withdrawals, oldest first.

    custody withdrawal list --format json
    """
    from custody.trust.assets import known_assets
    from custody.views.objects import withdrawal_view
    from custody.withdrawals import queries

    with house.reading() as (session, _):
        assets = known_assets(session)
        found = queries.every(session, client=client or None, reference=reference)
        rows = [withdrawal_view(item, assets) for item in found]
    columns = ("id", "amount=amount.decimal", "asset=asset.code", "status", "next=next_actor")
    show(
        rows,
        columns,
        chosen,
        wide=("client", "reference", "kind", "destination", "waiting_for", "digest_code", "requested_at"),
    )


@app.command("show")
def withdrawal_show(
    withdrawal: WithdrawalArgument,
    chosen: FormatOption = Format.TABLE,
) -> None:
    """Show one withdrawal as the console does: where it stands, findings, words and code, money, people, every step.

    custody withdrawal show wdr_…
    """
    from custody.cli.withdrawal_words import print_withdrawal, shown_to_people
    from custody.kernel.ids import expect_id
    from custody.trust import operations as trust
    from custody.views.standing import whole_withdrawal
    from custody.withdrawals import queries
    from custody.withdrawals.model import PREFIXES

    name = expect_id(withdrawal, *PREFIXES, field="withdrawal")
    with house.reading() as (session, runtime):
        with runtime.database.unit() as unit:
            now = unit.now
        row = queries.get(session, withdrawal=name)
        found = whole_withdrawal(session, row, root=trust.in_force(session).root)
        shown = shown_to_people(session, runtime, row, now) if is_for_people(chosen) else {}
    show_whole(found, chosen, lambda: print_withdrawal(found, shown))


@app.command("create")
def create(
    token_file: TokenOption,
    key: KeyOption,
    client: Annotated[str, typer.Option("--client", help="Whose money.")],
    amount: Annotated[str, typer.Option("--amount", help="In whole units, such as 0.25.")],
    to: Annotated[str, typer.Option("--to", help="Destination address.")],
    max_fee: Annotated[str, typer.Option("--max-fee", help="Highest network fee, in whole units.")],
    purpose: Annotated[str, typer.Option("--purpose", help="Purpose or beneficiary reference.")],
    reference: Annotated[str, typer.Option("--reference", help="What the client's books call it; not signed.")] = "",
    asset: Annotated[str, typer.Option("--asset", help="Short code or CAIP-19 id; the chain's own without it.")] = "",
    network: Annotated[str, typer.Option("--network", help="Which chain; without it, those of the settings.")] = "",
    requester: RequesterOption = "exchange",
    key_id: KeyIdOption = "",
    api: ApiOption = "",
    idempotency_key: KeyedOption = "",
    hours: HoursOption = 24,
    yes: YesOption = False,
    chosen: FormatOption = Format.TABLE,
) -> None:
    """Ask for a withdrawal, signed with the requester's own key. The fee is in the chain's own asset.

    With --dry-run: what the policy would answer now; nothing is signed, held or counted.

    custody withdrawal create --token-file token --key exchange.pem --client cli_…
    --amount 0.25 --to bcrt1… --max-fee 0.0001 --purpose "order 17" --yes
    """
    from custody.cli.chains import asset_named, at_most
    from custody.evidence.requests import WithdrawalRequest
    from custody.kernel.money import parse_decimal

    where, paid = asset_named(asset, network)
    request = WithdrawalRequest(
        client=client,
        asset=paid.id,
        amount=at_most(parse_decimal(amount, paid, field="amount").units, where, paid, field="amount"),
        destination=where.read_destination(to, field="to").address,
        max_fee=at_most(
            parse_decimal(max_fee, where.native, field="max-fee").units, where, where.native, field="max-fee"
        ),
        purpose=purpose,
        **Closing.of(requester, hours, idempotency_key).fields,
    )
    load_key(key)  # a file that holds no key is said before anything else
    service = Service(api, token_file)
    say(f"{where.name} · {paid.id}")
    if is_dry():
        service.announce()
        prospect = service.ask("withdrawals", "evaluate", body={"request": request.to_json()})
        show_whole(prospect, chosen, lambda: show_fields(prospect, chosen))
        return
    question = f"Ask to pay {amount} {paid.code} of {client} to {request.destination}?"
    found = ask(service, request, Pen(key, key_id, yes), question=question, path="withdrawals", reference=reference)
    _show_answer(found, chosen)


@app.command("cancel")
def cancel(
    withdrawal: str,
    token_file: TokenOption,
    api: ApiOption = "",
    yes: YesOption = False,
    chosen: FormatOption = Format.TABLE,
) -> None:
    """Cancel a withdrawal that no cosigner has been given yet.

    custody withdrawal cancel wdr_… --token-file token --yes
    """
    service = Service(api, token_file)
    if not is_dry():
        service.announce()
        confirm(f"Cancel {withdrawal}?", is_agreed=yes)
    _show_answer(service.post("withdrawals", withdrawal, "cancel", body={}), chosen)


@app.command("bump")
def bump(
    withdrawal: str,
    token_file: TokenOption,
    fee_rate: Annotated[int, typer.Option("--fee-rate", min=1, help="In the chain's own words.")],
    api: ApiOption = "",
    yes: YesOption = False,
) -> None:
    """Ask for a replacement with a higher fee rate for a payment that is stuck.

    custody withdrawal bump wdr_… --fee-rate 20 --token-file token --yes
    """
    from custody.chains.registry import spending
    from custody.kernel.errors import InvalidInput

    service = Service(api, token_file)
    words = spending(str(service.get("withdrawals", withdrawal).get("chain"))).fee_rate
    if fee_rate > words.highest:
        raise InvalidInput(f"accepted are 1 to {words.highest} {words.words}", field="fee-rate")
    confirm(f"Replace {withdrawal} at {fee_rate} {words.words}?", is_agreed=yes)
    service.post("withdrawals", withdrawal, "replacements", body={words.field: fee_rate})
    print(f"{withdrawal}: a replacement at {fee_rate} {words.words} was asked for")


def _show_answer(found: dict[str, Any], chosen: Format) -> None:
    names = ("id", "status", "client", "amount", "destination", "max_fee", "intent_digest", "digest_code", "txid")
    show_whole(found, chosen, lambda: show_fields({name: found.get(name) for name in names}, chosen))
