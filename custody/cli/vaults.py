"""``vault list``, ``vault export`` and ``vault verify``: what a cold restore needs, without our database."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from custody.cli import house
from custody.cli.exits import say
from custody.cli.showing import Format, FormatOption, show, show_json

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
    from custody.kernel.canonical import parse_json

    value = fields.array(parse_json(Path(file).read_bytes(), field="export"), field="export", limit=100_000)
    for number, item in enumerate(value):
        VaultExport.parse(item, field=f"export.{number}")
    print(f"{len(value)} vaults are as they were exported")
