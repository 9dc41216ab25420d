"""``trust propose``: the next version of the trust root, drafted and signed on the operator's own machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from custody.cli.asking import Closing
from custody.cli.exits import say
from custody.cli.inputs import file_json, file_text
from custody.cli.keys import KeyIdOption, YesOption, confirm, load_key

if TYPE_CHECKING:
    from datetime import datetime

    from custody.evidence.signatures import Signature
    from custody.evidence.trust_root import TrustRoot

RootOption = Annotated[str, typer.Option("--root", help="The version in force, with or without its signatures, JSON.")]
PolicyOption = Annotated[str, typer.Option("--policy", help="The policy in force.")]
NewPolicyOption = Annotated[str, typer.Option("--new-policy", help="The policy from then on; groups are read from it.")]


def add_to(app: typer.Typer) -> None:
    """Put the verb into the group ``trust``."""
    app.command("propose")(propose)


def propose(
    kind: Annotated[
        str, typer.Argument(help="policy_change, group_change, operator_change, keyset_change, root_change")
    ],
    root: RootOption,
    policy: PolicyOption,
    out: Annotated[str, typer.Option("--out", help="File for the request and the version it names.")],
    purpose: Annotated[str, typer.Option("--purpose", help="Why: it is signed, and the people asked read it.")],
    requester: Annotated[str, typer.Option("--as", help="Your name in the trust root: an operator's.")],
    subject: Annotated[str, typer.Option("--subject", help="Whom or what it is about.")] = "",
    new_policy: NewPolicyOption = "",
    set_file: Annotated[str, typer.Option("--set", help="JSON object of parts of the root to replace.")] = "",
    add_key: Annotated[str, typer.Option("--add-key", help="OPERATOR=FILE with a public key, JSON.")] = "",
    remove_key: Annotated[str, typer.Option("--remove-key", help="Id of an operator's key or passkey.")] = "",
    remove_operator: Annotated[str, typer.Option("--remove-operator", help="Name of an operator.")] = "",
    add_keyset: Annotated[str, typer.Option("--add-keyset", help="A keyset, JSON.")] = "",
    answers: Annotated[
        list[str] | None, typer.Option("--answer", help="A new cosigner's consent to the draft, JSON; repeated.")
    ] = None,
    again: Annotated[
        str, typer.Option("--again", help="File of the draft that the answers are to: the same version once more.")
    ] = "",
    key: Annotated[str, typer.Option("--key", help="Ed25519 private key, PEM; without it nothing is signed.")] = "",
    key_id: KeyIdOption = "",
    hours: Annotated[int, typer.Option("--hours", min=1, max=720, help="How long it can be agreed to.")] = 72,
    yes: YesOption = False,
) -> None:
    """Draft the next version, show what it changes, and sign the request for it. The file is what /v1/intents takes.

    custody trust propose policy_change --root root.json --policy old.yaml --new-policy new.yaml --purpose "…"
    --as alice --key alice.pem --out proposal.json
    """
    from datetime import UTC, datetime

    from custody.evidence.codes import digest_code
    from custody.evidence.drafting import draft
    from custody.evidence.requests import request_message
    from custody.evidence.signatures import sign_ed25519
    from custody.evidence.succession import differing

    old, now = _root(root), datetime.now(UTC)
    before = file_text(policy)
    signatures, consents = _answers(answers or [])
    request, proposal = draft(
        old,
        kind=kind,
        policy_before=before,
        policy_after=file_text(new_policy) if new_policy else before,
        parts=_parts(old, set_file, add_key, remove_key, remove_operator, add_keyset),
        closing={
            **Closing.of(requester, hours, "").fields,
            "subject": subject or add_key.partition("=")[0] or remove_operator or remove_key or kind,
            "purpose": purpose,
        },
        now=now,
        created_at=_drafted_at(again) if again else None,
        signatures=signatures,
        consents=consents,
    )
    say(f"version {proposal.root.version} changes {', '.join(sorted(differing(old, proposal.root))) or 'its time'}")
    body: dict[str, Any] = {"request": request.to_json(), "attachments": proposal.to_json()}
    if key:
        confirm(f"Ask for this as {requester}?", is_agreed=yes)
        signed = sign_ed25519(load_key(key), key_id or f"{requester}-1", request_message(request))
        body["signature"] = signed.to_json()
    with Path(out).open("x") as file:
        file.write(json.dumps(body, indent=2) + "\n")
    print(f"version {proposal.root.version} in {out}, code {digest_code(proposal.root.hash)}")


def _parts(
    old: TrustRoot, set_file: str, add_key: str, remove_key: str, remove_operator: str, add_keyset: str
) -> dict[str, Any]:
    from custody.evidence import drafting
    from custody.evidence.signatures import PublicKey
    from custody.kernel.errors import InvalidInput

    parts: dict[str, Any] = dict(_json(set_file, "set")) if set_file else {}
    if sum(map(bool, (add_key, remove_key, remove_operator))) > 1:
        raise InvalidInput("one change of operators at a time", field="add-key")
    if add_key:
        name, _, path = add_key.partition("=")
        key = PublicKey.parse(_json(path, "add-key"), field="add-key")
        parts["operators"] = drafting.with_operator(old, name, key)
    if remove_key:
        parts["operators"] = drafting.without_key(old, remove_key)
    if remove_operator:
        parts["operators"] = drafting.without_operator(old, remove_operator)
    if add_keyset:
        parts["keysets"] = [*(keyset.to_json() for keyset in old.keysets), _json(add_keyset, "add-keyset")]
    return parts


def _drafted_at(path: str) -> datetime:
    from custody.evidence.trust_root import TrustRoot
    from custody.kernel.errors import InvalidInput

    found = _json(path, "again")
    attached = found.get("attachments") if isinstance(found, dict) else None
    if not isinstance(attached, dict):
        raise InvalidInput("no draft; accepted is a file that this command wrote", field="again")
    return TrustRoot.parse(attached.get("root"), field="again").created_at


def _answers(paths: list[str]) -> tuple[tuple[Signature, ...], tuple[Signature, ...]]:
    from custody.evidence import fields
    from custody.evidence.signatures import Signature

    signatures: list[Signature] = []
    consents: list[Signature] = []
    for path in paths:
        keys = ("cosigner", "trust_root", "consents", "root_signature")
        found = fields.exact_object(_json(path, "answer"), keys, field="answer")
        signatures.append(Signature.parse(found["root_signature"], field="answer.root_signature"))
        consents += [
            Signature.parse({"key": found["cosigner"], "signature": item["signature"]}, field="answer.consents")
            for item in fields.array(found["consents"], field="answer.consents")
        ]
    return tuple(signatures), tuple(consents)


def _root(path: str) -> TrustRoot:
    from custody.evidence.trust_root import SignedTrustRoot, TrustRoot

    found = _json(path, "root")
    if isinstance(found, dict) and "document" in found:
        return SignedTrustRoot.parse(found, field="root").root
    return TrustRoot.parse(found, field="root")


def _json(path: str, field: str) -> Any:
    return file_json(path, field=field, limit_bytes=16_000_000)
