"""``vault list | show | keysets``: who signs and what lies where; ``export | verify``: what a cold restore needs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from custody.cli import house
from custody.cli.completing import vault_ids
from custody.cli.exits import say
from custody.cli.inputs import file_json
from custody.cli.showing import Format, FormatOption, is_for_people, show, show_fields, show_json, show_whole, table

app = typer.Typer(help="Vaults and their descriptors.", no_args_is_help=True)


@app.command("list")
def vault_list(chosen: FormatOption = Format.TABLE) -> None:
    """List every vault: whose, whether it is stopped, and when it was last reconciled.

    custody vault list
    """
    from custody.vaults import queries
    from custody.views.objects import vault_view

    with house.reading() as (session, _):
        rows = [
            vault_view(vault) | {"clients": [member.client for member in queries.members(session, vault=vault.id)]}
            for vault in queries.every(session)
        ]
    columns = ("id", "kind", "frozen=frozen_reason", "reconciled=reconciled_height", "clients")
    show(rows, columns, chosen, wide=("chain", "reconciled_at"))


@app.command("show")
def vault_show(
    vault: Annotated[str, typer.Argument(help="Its id.", autocompletion=vault_ids)], chosen: FormatOption = Format.TABLE
) -> None:
    """Show one vault: who signs and when each was last seen, what lies in it, whose it is, and what stops it.

    custody vault show kst_demo/7
    """
    from custody.views.vaults import whole_vault

    with house.reading() as (session, _):
        found = whole_vault(session, vault=vault)

    def in_words() -> None:
        keyset = found["keyset"] or {}
        show_fields({name: found.get(name) for name in FACTS} | {"signs": signs(keyset)}, chosen)
        print("\n" + table(keyset.get("cosigners", []), COSIGNERS, fit=True))
        print("\n" + table(found["funds"], ("asset=asset.code", "held=held.decimal", "suspense=suspense.decimal")))
        print("\n" + table(found["clients"], ("client=id", "name", "since"), fit=True))
        for stop in found["stops"]:
            print(f"\nstopped since {stop['since']}: {stop['reason']}")

    show_whole(found, chosen, in_words)


FACTS = (
    *("id", "chain", "kind", "branch", "opened_at", "frozen_reason", "frozen_cause", "frozen_at"),
    *("reconciled_height", "reconciled_at"),
)
COSIGNERS = ("cosigner=name", "last_seen=last_seen_at", "quarantined")


@app.command("keysets")
def vault_keysets(chosen: FormatOption = Format.TABLE) -> None:
    """List keysets: how many of whom sign, and when each cosigner last fetched what is to be signed.

    custody vault keysets
    """
    from custody.views.vaults import keysets

    with house.reading() as (session, _):
        rows = keysets(session)
    if is_for_people(chosen):
        rows = [
            row
            | {"signs": signs(row)}
            | {"last_seen": [f"{each['name']}: {each['last_seen_at'] or 'never'}" for each in row["cosigners"]]}
            for row in rows
        ]
    show(rows, ("id", "signs", "vaults", "last_seen"), chosen, wide=("chain", "registered_at", "descriptor_hash"))


def signs(keyset: Mapping[str, Any]) -> str:
    """How many of how many sign; empty where the keyset is not known."""
    return f"{keyset['threshold']} of {keyset['members']}" if keyset else ""


@app.command("export")
def vault_export(
    vault: Annotated[str, typer.Argument(help="One vault, for a wallet or device; every vault without.")] = "",
    kind: Annotated[
        str, typer.Option("--format", help="With a vault: descriptor, bsms, coldcard, caravan, specter or bip388.")
    ] = "descriptor",
    label: Annotated[str, typer.Option("--label", help="What the wallet will call it.")] = "",
    since: Annotated[int, typer.Option("--since", min=0, help="Block from which the wallet looks for coins.")] = 0,
    out: Annotated[str, typer.Option("--out", help="Write to this file.")] = "",
) -> None:
    """Export every vault's descriptors with checksum and highest issued indexes, or one vault as wallets read it.

    custody vault export --out vaults.json

    custody vault export kst_demo/7 --format coldcard --out acme.txt
    """
    from custody.addresses.export import export, wallet_file

    if vault:
        with house.reading() as (session, _):
            text = wallet_file(session, vault=vault, kind=kind, label=label, since_height=since)
        if not out:
            print(text, end="")
            return
        Path(out).write_text(text)
        say(f"{vault} written to {out}")
        return
    with house.reading() as (session, _):
        found = [item.to_json() for item in export(session)]
    if not out:
        show_json(found)
        return
    Path(out).write_text(json.dumps(found, indent=2) + "\n")
    say(f"{len(found)} vaults written to {out}")


@app.command("verify")
def vault_verify(file: str) -> None:
    """Check an exported file: checksums right, both chains of one vault, no private key. Asks nobody.

    custody vault verify vaults.json
    """
    from custody.addresses.export import VaultExport
    from custody.evidence import fields

    value = fields.array(file_json(file, field="export"), field="export", limit=100_000)
    for number, item in enumerate(value):
        VaultExport.parse(item, field=f"export.{number}")
    print(f"{len(value)} vaults are as they were exported")
