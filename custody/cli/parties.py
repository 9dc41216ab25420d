"""``client list | show`` and ``address list | show``: who there is, and what they were given."""

from __future__ import annotations

from typing import Annotated

import typer

from custody.cli import house
from custody.cli.completing import client_ids
from custody.cli.exits import DONE, REFUSED
from custody.cli.showing import Format, FormatOption, show, show_fields, show_whole, table

clients = typer.Typer(help="Whose assets are in custody.", no_args_is_help=True)
addresses = typer.Typer(help="Deposit addresses.", no_args_is_help=True)


ClientArgument = Annotated[str, typer.Argument(help="Its id.", autocompletion=client_ids)]


@clients.command("list")
def client_list(chosen: FormatOption = Format.TABLE) -> None:
    """List every client, oldest first.

    custody client list
    """
    from custody.clients import queries
    from custody.views.objects import client_view

    with house.reading() as (session, _):
        rows = [client_view(item) for item in queries.every(session)]
    show(rows, ("id", "name", "segregation", "status"), chosen, wide=("status_reason", "opening", "opened_at"))


@clients.command("show")
def client_show(client: ClientArgument, chosen: FormatOption = Format.TABLE) -> None:
    """Show one client with its vaults and balances.

    custody client show cli_…
    """
    from custody.clients import queries
    from custody.ledger import queries as ledger
    from custody.trust.assets import known_assets
    from custody.vaults import queries as vaults
    from custody.views.objects import balance_view, client_view, vault_view

    with house.reading() as (session, _):
        found = client_view(queries.get(session, client=client))
        places = [vault_view(vault) for vault in vaults.of_client(session, client=client)]
        assets = known_assets(session)
        balances = [balance_view(item, assets) for item in ledger.balances(session, client=client)]

    def in_words() -> None:
        show_fields(found, chosen)
        print("\n" + table(places, VAULTS, fit=True))
        print("\n" + table(balances, BALANCES, fit=True))

    show_whole(found | {"vaults": places, "balances": balances}, chosen, in_words)


VAULTS = ("vault=id", "frozen=frozen_reason", "reconciled=reconciled_height", "chain")
BALANCES = (
    "asset=asset.code",
    *(f"{part}={part}.decimal" for part in ("available", "held", "pledged", "receivable", "total")),
)


@addresses.command("list")
def address_list(
    client: Annotated[str, typer.Option("--client", help="Whose addresses.", autocompletion=client_ids)],
    chosen: FormatOption = Format.TABLE,
) -> None:
    """List every address a client was given; each is checked against its seal before it is shown.

    custody address list --client cli_…
    """
    from custody.addresses import queries
    from custody.clients import queries as client_queries
    from custody.vaults import queries as vaults
    from custody.views.objects import address_view

    with house.reading() as (session, runtime):
        client_queries.get(session, client=client)
        found = queries.of_client(session, client=client, seal_key=runtime.seal_key)
        chains = {vault.id: vault.chain for vault in vaults.of_client(session, client=client)}
    rows = [address_view(item, chains[item.vault]) for item in found]
    show(rows, ("index", "address", "vault"), chosen, wide=("issued_at",))


@addresses.command("show")
def address_show(
    address: Annotated[str, typer.Argument(help="Whole, as the chain writes it, or its number.")],
    chosen: FormatOption = Format.TABLE,
) -> None:
    """Show one address, derived twice as you look: whose it is, and when it was used. Exit 1 where it does not agree.

    custody address show bcrt1…
    """
    from custody.views.addresses import numbered, whole_address

    with house.reading() as (session, runtime):
        number = numbered(session, address=address)
        found = whole_address(session, address=number, seal_key=runtime.seal_key)
    show_fields(found, chosen)
    raise typer.Exit(DONE if found["derived"] == "equal" else REFUSED)


@addresses.callback()
def address_group() -> None:
    """Deposit addresses."""
