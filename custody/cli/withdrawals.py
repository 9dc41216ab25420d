"""``withdrawal list | show`` from the database; ``create | cancel | bump`` through the API with keys of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from custody.cli import house
from custody.cli.asking import Closing, HoursOption, KeyedOption, Pen, RequesterOption, ask
from custody.cli.exits import say
from custody.cli.keys import KeyIdOption, KeyOption, YesOption, confirm, load_key
from custody.cli.service import ApiOption, Service, TokenOption
from custody.cli.showing import Format, FormatOption, show, show_fields, show_json, table

if TYPE_CHECKING:
    from custody.trust.assets import KnownAssets

app = typer.Typer(help="Payments to the outside.", no_args_is_help=True)


@app.command("list")
def withdrawal_list(
    client: Annotated[str, typer.Option("--client", help="Only this client's.")] = "",
    chosen: FormatOption = Format.TABLE,
) -> None:
    """List withdrawals, oldest first.

    custody withdrawal list --format json
    """
    from custody.trust.assets import known_assets
    from custody.withdrawals import queries

    with house.reading() as (session, _):
        assets = known_assets(session)
        rows = [_row(item, assets) for item in queries.every(session, client=client or None)]
    show(rows, ("id", "kind", "client", "amount", "asset", "state", "waiting_for"), chosen)


@app.command("show")
def withdrawal_show(withdrawal: str, chosen: FormatOption = Format.TABLE) -> None:
    """Show one withdrawal: what, whose, where it stands, its attempts and every step.

    custody withdrawal show wdr_…
    """
    from custody.kernel.clock import rfc3339
    from custody.kernel.ids import expect_id
    from custody.relaying import queries as relaying
    from custody.spends import queries as spends
    from custody.trust.assets import known_assets
    from custody.withdrawals import queries
    from custody.withdrawals.model import PREFIXES

    name = expect_id(withdrawal, *PREFIXES, field="withdrawal")
    with house.reading() as (session, _):
        row = _row(queries.get(session, withdrawal=name), known_assets(session))
        attempts = [
            _attempt(item, relaying.cost_of(session, spend=item.spend))
            for item in spends.attempts(session, withdrawal=name)
        ]
        steps = [
            {"step": item.step, "to": item.to_state, "event": item.event, "actor": item.actor, "at": rfc3339(item.at)}
            for item in queries.steps(session, withdrawal=name)
        ]
    if chosen is Format.JSON:
        show_json(row | {"attempts": attempts, "steps": steps})
        return
    show_fields(row, chosen)
    print("\n" + table(attempts, ("attempt", "state", "fee", "gas", "gas_billed", "vsize", "txid")))
    print("\n" + table(steps, ("step", "to", "event", "actor", "at")))


@app.command("create")
def create(
    token_file: TokenOption,
    key: KeyOption,
    client: Annotated[str, typer.Option("--client", help="Whose money.")],
    amount: Annotated[str, typer.Option("--amount", help="In whole units, such as 0.25.")],
    to: Annotated[str, typer.Option("--to", help="Destination address.")],
    max_fee: Annotated[str, typer.Option("--max-fee", help="Highest network fee, in whole units.")],
    purpose: Annotated[str, typer.Option("--purpose", help="Purpose or beneficiary reference.")],
    asset: Annotated[str, typer.Option("--asset", help="Short code or CAIP-19 id; the chain's own without it.")] = "",
    network: Annotated[str, typer.Option("--network", help="Which chain; without it, those of the settings.")] = "",
    requester: RequesterOption = "exchange",
    key_id: KeyIdOption = "",
    api: ApiOption = "",
    idempotency_key: KeyedOption = "",
    hours: HoursOption = 24,
    chosen: FormatOption = Format.TABLE,
) -> None:
    """Ask for a withdrawal, signed with the requester's own key. The fee is in the chain's own asset.

    custody withdrawal create --token-file token --key exchange.pem --client cli_…
    --amount 0.25 --to bcrt1… --max-fee 0.0001 --purpose "order 17"
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
    say(f"{where.name} · {paid.id}")
    found = ask(Service(api, token_file), request, Pen(key, key_id, is_agreed=True), path="withdrawals")
    _show_answer(found, chosen)


@app.command("cancel")
def cancel(withdrawal: str, token_file: TokenOption, api: ApiOption = "", chosen: FormatOption = Format.TABLE) -> None:
    """Cancel a withdrawal that no cosigner has been given yet.

    custody withdrawal cancel wdr_… --token-file token
    """
    _show_answer(Service(api, token_file).post("withdrawals", withdrawal, "cancel", body={}), chosen)


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
    show_fields(found if chosen is Format.JSON else {name: found.get(name) for name in names}, chosen)


def _attempt(found: Any, carried: Any) -> dict[str, Any]:
    # The fee left the vault; gas was paid for it by the house, which may have billed the client some of it.
    return {
        "attempt": found.id,
        "state": found.state,
        "fee": str(found.fee_units),
        "gas": None if carried is None else str(carried.units),
        "gas_billed": None if carried is None else str(carried.billed_units),
        "vsize": found.weight,
        "txid": found.spend,
    }


def _row(found: Any, assets: KnownAssets) -> dict[str, Any]:
    from custody.kernel.money import format_decimal

    asset = assets.of(found.asset)
    return {
        "id": found.id,
        "kind": found.kind,
        "client": found.client,
        "vault": found.vault,
        "chain": found.chain,
        "amount": format_decimal(found.units, asset),
        "asset": asset.code,
        "units": str(found.units),
        "max_fee_units": str(found.max_fee_units),
        "fee_units": None if found.fee_units is None else str(found.fee_units),
        "destination": found.destination,
        "state": found.state.value,
        "waiting_for": found.waiting_for,
        "digest": found.digest,
        "txid": found.txid,
    }
