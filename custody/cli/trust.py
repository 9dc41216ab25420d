"""``trust``: the ceremony's documents into the house, every version since, and proposing the next."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from custody.cli import founding, house, proposing
from custody.cli.exits import say
from custody.cli.inputs import file_json, file_text
from custody.cli.showing import Format, FormatOption, show, show_fields

app = typer.Typer(help="Whose keys count.", no_args_is_help=True)
founding.add_to(app)
proposing.add_to(app)


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
    from custody.trust import operations
    from custody.vaults import operations as vaults

    signed = SignedTrustRoot.parse(file_json(root, field="root"), field="root")
    given = fields.array(file_json(consents, field="consents"), field="consents")
    signatures = tuple(Signature.parse(item, field="consents") for item in given)
    text = file_text(policy)
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
    row: dict[str, Any] = {
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


@app.command("log")
def log(chosen: FormatOption = Format.TABLE) -> None:
    """List every version that came into force: who asked for it and who agreed.

    custody trust log
    """
    from custody.evidence.words import digest_code
    from custody.kernel.clock import rfc3339
    from custody.trust import operations

    with house.reading() as (session, _):
        trust = operations.in_force(session)
        moments = {version: moment for version, _, moment in operations.versions(session)}
    rows = [_first(trust.signed.root.hash, len(trust.signed.signatures))]
    for link in trust.links:
        request = link.proven.intent.request
        agreed = sorted({each.statement.approver for each in link.proven.approvals})
        rows.append(
            {
                "version": link.root.version,
                "code": digest_code(link.root.hash),
                "kind": request.kind,
                "asked_by": request.requester,
                "agreed": agreed,
            }
        )
    shown_rows = [{**row, "in_force_at": rfc3339(moments[row["version"]])} for row in rows]
    show(shown_rows, ("version", "code", "kind", "asked_by", "agreed", "in_force_at"), chosen)


def _first(root_hash: str, signatures: int) -> dict[str, Any]:
    from custody.evidence.words import digest_code

    said = [f"{signatures} signatures"]
    return {"version": 1, "code": digest_code(root_hash), "kind": "ceremony", "asked_by": "", "agreed": said}
