"""``client list``, ``client show`` and ``address list``: who there is, and what they were given."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from custody.cli import house
from custody.cli.showing import Format, FormatOption, show, show_fields, show_json, table

clients = typer.Typer(help="Whose assets are in custody.", no_args_is_help=True)
addresses = typer.Typer(help="Deposit addresses.", no_args_is_help=True)


@clients.command("list")
def client_list(chosen: FormatOption = Format.TABLE) -> None:
    """List every client, oldest first.

    custody client list
    """
    from custody.clients import queries

    with house.reading() as (session, _):
        rows = [_client(item) for item in queries.every(session)]
    show(rows, ("id", "name", "segregation", "status"), chosen)


@clients.command("show")
def client_show(client: str, chosen: FormatOption = Format.TABLE) -> None:
    """Show one client with its vault and balances.

    custody client show cli_…
    """
    from custody.clients import queries
    from custody.ledger import queries as ledger
    from custody.trust.assets import known_assets
    from custody.vaults import queries as vaults

    with house.reading() as (session, _):
        found = _client(queries.get(session, client=client))
        places = [_vault(vault) for vault in vaults.of_client(session, client=client)]
        assets = known_assets(session)
        balances = [_balance(item, assets.of(item.asset)) for item in ledger.balances(session, client=client)]
    if chosen is Format.JSON:
        show_json(found | {"vaults": places, "balances": balances})
        return
    show_fields(found, chosen)
    print("\n" + table(places, ("vault", "chain", "frozen", "reconciled")))
    print("\n" + table(balances, ("asset", "available", "held", "pledged", "receivable", "total")))


@addresses.command("list")
def address_list(
    client: Annotated[str, typer.Option("--client", help="Whose addresses.")], chosen: FormatOption = Format.TABLE
) -> None:
    """List every address a client was given; each is checked against its seal before it is shown.

    custody address list --client cli_…
    """
    from custody.addresses import queries
    from custody.clients import queries as client_queries
    from custody.kernel.clock import rfc3339

    with house.reading() as (session, runtime):
        client_queries.get(session, client=client)
        found = queries.of_client(session, client=client, seal_key=runtime.seal_key)
    rows = [
        {
            "address": item.address,
            "vault": item.vault,
            "index": item.index,
            "issued_at": rfc3339(item.issued_at) if item.issued_at else None,
        }
        for item in found
    ]
    show(rows, ("index", "address", "vault"), chosen)


@addresses.callback()
def address_group() -> None:
    """Deposit addresses."""


def _client(found: Any) -> dict[str, Any]:
    names = ("id", "name", "segregation", "status", "status_reason", "opening")
    return {name: getattr(found, name) for name in names}


def _vault(vault: Any) -> dict[str, Any]:
    return {
        "vault": vault.id,
        "chain": vault.chain,
        "frozen": vault.frozen_reason,
        "reconciled": vault.reconciled_height,
    }


def _balance(balance: Any, asset: Any) -> dict[str, Any]:
    from custody.kernel.money import format_decimal

    parts = ("available", "held", "pledged", "receivable", "total")
    return {"asset": asset.code, "asset_id": asset.id} | {
        part: format_decimal(getattr(balance, part), asset) for part in parts
    }
