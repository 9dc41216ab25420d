"""``trust install`` and ``trust show``: the ceremony's documents into the house."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from custody.cli import house
from custody.cli.exits import say
from custody.cli.showing import Format, FormatOption, show_fields

app = typer.Typer(help="Whose keys count.", no_args_is_help=True)


@app.command("install")
def install(
    root: Annotated[str, typer.Option("--root", help="The trust root with the ceremony's signatures, JSON.")],
    policy: Annotated[str, typer.Option("--policy", help="The policy document whose hash it states.")],
    consents: Annotated[str, typer.Option("--consents", help="The cosigners' consents to their keysets, JSON.")],
) -> None:
    """Put version 1 in force and register its keysets, all or nothing. Doing it again changes nothing.

    custody trust install --root root.json --policy demo.yaml --consents consents.json
    """
    from custody.evidence import fields
    from custody.evidence.signatures import Signature
    from custody.evidence.trust_root import SignedTrustRoot
    from custody.evidence.words import digest_code
    from custody.kernel.canonical import parse_json
    from custody.trust import operations
    from custody.vaults import operations as vaults

    signed = SignedTrustRoot.parse(parse_json(Path(root).read_bytes(), field="root"), field="root")
    given = fields.array(parse_json(Path(consents).read_bytes(), field="consents"), field="consents")
    signatures = tuple(Signature.parse(item, field="consents") for item in given)
    text = Path(policy).read_text()
    runtime = house.bare()
    say(f"{', '.join(runtime.settings.networks)} · {signed.root.name}")
    with runtime.database.unit() as unit:
        operations.install(unit.session, signed=signed, policy_text=text, actor="cli", now=unit.now)
        for keyset in signed.root.keysets:
            vaults.register_keyset(unit.session, keyset=keyset, consents=signatures, actor="cli", now=unit.now)
    print(f"version {signed.root.version} is in force: {signed.root.hash} ({digest_code(signed.root.hash)})")


@app.command("show")
def shown(chosen: FormatOption = Format.TABLE) -> None:
    """Show the trust root in force, with the code each cosigner compared.

    custody trust show
    """
    from custody.evidence.words import digest_code
    from custody.kernel.clock import rfc3339
    from custody.trust import operations

    with house.reading() as (session, _):
        root = operations.in_force(session).root
    row = {
        "name": root.name,
        "version": root.version,
        "hash": root.hash,
        "code": digest_code(root.hash),
        "expires_at": rfc3339(root.expires_at),
        "operators": [person.id for person in root.operators],
        "requesters": [person.id for person in root.requesters],
        "keysets": [keyset.id for keyset in root.keysets],
        "policy_hash": root.policy_hash,
    }
    show_fields(row, chosen)
