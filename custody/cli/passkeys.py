"""``passkey propose``: ask for a passkey that was registered at the console to be put into the trust root."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from custody.cli import subjects
from custody.cli.exits import say
from custody.cli.inputs import file_json, file_text
from custody.cli.keys import KeyIdOption, KeyOption, YesOption, confirm, load_key
from custody.cli.service import ApiOption, Service, TokenOption

app = typer.Typer(help="Passkeys of operators.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Passkeys of operators."""


@app.command("propose")
def propose(
    passkey: Annotated[str, typer.Argument(metavar="FILE", help="The passkey, as the console shows it.")],
    owner: Annotated[str, typer.Option("--for", help="The operator whose passkey it is.")],
    root: Annotated[str, typer.Option("--root", help="The trust root in force, as you keep it.")],
    policy: Annotated[str, typer.Option("--policy", help="The policy in force; it stays as it is.")],
    key: KeyOption,
    requester: Annotated[str, typer.Option("--as", help="Your name in the trust root: you ask for it.")],
    out: Annotated[str, typer.Option("--out", help="File for the proposal, for those who are to agree.")],
    newcomer: Annotated[bool, typer.Option("--new", help="They are no operator yet: the version enrols them.")] = False,
    purpose: Annotated[str, typer.Option("--purpose", help="Why.")] = "a passkey registered at the console",
    hours: Annotated[int, typer.Option("--hours", min=1, max=720, help="How long people may agree to it.")] = 72,
    key_id: KeyIdOption = "",
    token_file: TokenOption = "",
    api: ApiOption = "",
    yes: YesOption = False,
) -> None:
    """Ask for it with a key you have already; others agree with ``custody approve FILE``. Its cooling begins then.

    custody passkey propose passkey.json --for bob --root root.json --policy demo.yaml --as bob --key bob.pem
    --out proposal.json --token-file bob.token
    """
    from datetime import UTC, datetime, timedelta

    from custody.evidence import changes
    from custody.evidence.codes import digest_code
    from custody.evidence.passkeys import Credential
    from custody.evidence.requests import OperatorChangeRequest, request_message
    from custody.evidence.signatures import sign_ed25519
    from custody.kernel.errors import InvalidInput
    from custody.kernel.ids import new_id
    from policies.document import document_hash

    credential = Credential.parse(file_json(passkey, field="passkey"), field="passkey")
    old, text, now = subjects.read_root(root, field="root"), file_text(policy), datetime.now(UTC)
    if document_hash(text) != old.policy_hash:
        raise InvalidInput("not the policy that this trust root states", field="policy")
    not_after = now + timedelta(hours=hours)
    new = changes.with_passkey(
        old, operator=owner, credential=credential, not_after=not_after, now=now, is_new=newcomer
    )
    for line in changes.differences_in_words(old, new):
        say(line)
    confirm(f"Ask for this as {requester}? The code {digest_code(credential.fingerprint)} was compared", is_agreed=yes)
    request = OperatorChangeRequest(
        requester=requester,
        version=new.version,
        root=new.hash,
        subject=owner,
        purpose=purpose,
        not_after=not_after,
        idempotency_key=new_id("idm", now),
    )
    checked = OperatorChangeRequest.parse(request.to_json())
    signature = sign_ed25519(load_key(key), key_id or f"{requester}-1", request_message(checked))
    attachments = {"root": new.to_json(), "policy": text}
    body = {"request": checked.to_json(), "signature": signature.to_json(), "attachments": attachments}
    with Path(out).open("x") as file:
        file.write(json.dumps(body, indent=2) + "\n")
    print(f"version {new.version} proposed in {out}, code {digest_code(new.hash)}")
    if token_file:
        print(f"asked for: {Service(api, token_file).post('intents', body=body)['digest']}")
