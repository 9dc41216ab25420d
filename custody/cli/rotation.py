"""``rotation plan | start | status``: leaving older keysets by the normal queue, with a key of one's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from custody.cli.asking import Closing, HoursOption, Pen, PurposeOption, ask
from custody.cli.exits import resumable, say
from custody.cli.keys import KeyIdOption, KeyOption, YesOption, confirm
from custody.cli.service import ApiOption, Service, TokenOption
from custody.cli.showing import Format, FormatOption, show_whole, table

if TYPE_CHECKING:
    from custody.evidence.requests import Request

ChainOption = Annotated[str, typer.Option("--chain", help="Only this chain: short name or CAIP-2 id.")]
InputsOption = Annotated[int, typer.Option("--inputs", min=1, max=200, help="Most coins in one sweep.")]
RateOption = Annotated[
    int, typer.Option("--fee-rate", min=0, help="In the chain's own words, with --chain; 0: the node's estimate.")
]
AsOption = Annotated[str, typer.Option("--as", help="The operator's name in the trust root.")]

app = typer.Typer(help="Leaving a keyset: what older ones still hold, and moving it.", no_args_is_help=True)


@app.command("plan")
def plan(
    token_file: TokenOption,
    chain: ChainOption = "",
    inputs: InputsOption = 50,
    fee_rate: RateOption = 0,
    api: ApiOption = "",
    chosen: FormatOption = Format.TABLE,
) -> None:
    """Show which openings and sweeps are to be asked for next, their fees, and what none of them moves.

    custody rotation plan --token-file token
    """
    found = _look(Service(api, token_file), chain, inputs, fee_rate)
    told = {name: found[name] for name in ("keysets", "openings", "sweeps", "left")}
    show_whole(told, chosen, lambda: _show_plan(found))


@app.command("status")
def status(
    token_file: TokenOption, chain: ChainOption = "", api: ApiOption = "", chosen: FormatOption = Format.TABLE
) -> None:
    """Show what older keysets still hold, and every sweep that is on its way.

    custody rotation status --token-file token
    """
    found = _look(Service(api, token_file), chain)
    told = {name: found[name] for name in ("keysets", "remaining", "under_way", "states")}
    show_whole(told, chosen, lambda: _show_status(found))


def _show_status(found: Mapping[str, Any]) -> None:
    print(table([{**row, "amount": row["amount"]["decimal"]} for row in found["remaining"]], REMAINING))
    under_way = [
        {**row, "amount": row["amount"]["decimal"], "asset": row["asset"]["code"]} for row in found["under_way"]
    ]
    print("\n" + table(under_way, ("id", "client", "amount", "asset", "status", "next_actor", "waiting_for")))
    print("\nsweeps so far: " + (", ".join(f"{count} {state}" for state, count in found["states"].items()) or "none"))


@app.command("start")
def start(
    token_file: TokenOption,
    key: KeyOption,
    requester: AsOption,
    purpose: PurposeOption = "leaving an older keyset",
    chain: ChainOption = "",
    inputs: InputsOption = 50,
    fee_rate: RateOption = 0,
    key_id: KeyIdOption = "",
    api: ApiOption = "",
    hours: HoursOption = 72,
    yes: YesOption = False,
) -> None:
    """Sign and file everything the plan shows: openings first, then sweeps. Run it again until nothing remains.

    custody rotation start --as alice --key alice.pem --token-file token --yes
    """
    service = Service(api, token_file)
    found = _look(service, chain, inputs, fee_rate)
    openings = [opening for opening in found["openings"] if not opening["is_asked"]]
    _show_plan(found)
    if not openings and not found["sweeps"]:
        say("nothing to ask for")
        return
    confirm(f"Ask for {len(openings)} openings and {len(found['sweeps'])} sweeps as {requester}?", is_agreed=yes)
    pen = Pen(key, key_id, is_agreed=True)
    with resumable("what was asked for stands: run it again for the rest"):
        for opening in openings:
            _tell(ask(service, _opening(opening, Closing.of(requester, hours, "")), pen))
        places: dict[tuple[str, str], Mapping[str, Any]] = {}
        for step in found["sweeps"]:
            whose = (step["client"], step["to"])
            if whose not in places:
                # One address for each client, vault and run: all that comes together there is the same client's.
                query = {"chain": step["chain"]}
                places[whose] = service.post("clients", step["client"], "addresses", body={}, query=query)
            closing = Closing.of(requester, hours, "")
            _tell(ask(service, _sweep(step, places[whose], purpose, closing), pen))


REMAINING = ("keyset", "asset", "amount", "vaults")
OPENINGS = ("client", "segregation", "keyset", "branch", "is_asked")
SWEEPS = ("client", "out_of", "to", "amount", "asset", "max_fee", "fee_asset", "inputs")
LEFT = ("client", "vault", "amount", "asset", "why")


def _look(service: Service, chain: str, inputs: int = 50, fee_rate: int = 0) -> dict[str, Any]:
    query = {"inputs": str(inputs)}
    query |= {"chain": chain} if chain else {}
    query |= {"fee_rate": str(fee_rate)} if fee_rate else {}
    found: dict[str, Any] = service.get("rotation", query=query)
    return found


def _show_plan(found: Mapping[str, Any]) -> None:
    for each in found["keysets"]:
        say(f"{each['chain']}: {', '.join(each['older'])} left for {each['newest']}")
    sweeps = [
        {**row, "amount": row["amount"]["decimal"], "max_fee": row["max_fee"]["decimal"]} for row in found["sweeps"]
    ]
    left = [{**row, "amount": row["amount"]["decimal"]} for row in found["left"]]
    for title, rows, columns in (
        ("openings to ask for", found["openings"], OPENINGS),
        ("sweeps to ask for", sweeps, SWEEPS),
        ("stays for now", left, LEFT),
    ):
        print(f"{title}: {len(rows)}")
        if rows:
            print(table(rows, columns) + "\n")


def _opening(opening: Mapping[str, Any], closing: Closing) -> Request:
    from custody.evidence.requests import ClientOpeningRequest

    names = ("client", "name", "segregation", "keyset", "branch")
    return ClientOpeningRequest(**{name: opening[name] for name in names}, **closing.fields)


def _sweep(step: Mapping[str, Any], to: Mapping[str, Any], purpose: str, closing: Closing) -> Request:
    from custody.evidence.places import VaultName
    from custody.evidence.requests import SweepRequest
    from custody.kernel.errors import Refused

    if to["vault"] != step["to"]:
        raise Refused(f"an address of vault {to['vault']} was handed out, not of {step['to']}", field="address")
    return SweepRequest(
        client=step["client"],
        asset=step["asset"],
        amount=int(step["amount"]["base_units"]),
        out_of=VaultName.parse(step["out_of"], field="out_of"),
        to=VaultName.parse(step["to"], field="to"),
        index=to["index"],
        destination=to["address"],
        max_fee=int(step["max_fee"]["base_units"]),
        purpose=purpose,
        **closing.fields,
    )


def _tell(answer: Mapping[str, Any]) -> None:
    print(f"{answer['digest']}: {answer['kind']} {answer['state']}")
