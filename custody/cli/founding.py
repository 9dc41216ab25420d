"""``trust init``, ``trust person``, ``trust sign`` and ``trust gather``: the ceremony of version 1, with files.

It takes place before there is any vault, on the machines of those who take part; nothing here opens a database.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from custody.cli.exits import say
from custody.cli.inputs import file_json, file_text
from custody.cli.keys import KeyIdOption, KeyOption, YesOption, confirm, load_key

if TYPE_CHECKING:
    from custody.evidence.keysets import Keyset
    from custody.evidence.trust_root import Person, TrustRoot

DraftArgument = Annotated[str, typer.Argument(metavar="ROOT", help="The version that init wrote, JSON.")]
AsOption = Annotated[str, typer.Option("--as", help="Your name in the trust root.")]
Files = list[str]


def add_to(app: typer.Typer) -> None:
    """Put the verbs into the group ``trust``."""
    app.command("person")(person)
    app.command("init")(init)
    app.command("sign")(sign)
    app.command("gather")(gather)


def person(key: KeyOption, name: AsOption, key_id: KeyIdOption = "") -> None:
    """Print what others need to know of you: your name and your public key, JSON.

    custody trust person --key alice.pem --as alice > alice.json
    """
    from custody.evidence.signatures import public_half
    from custody.evidence.trust_root import Person

    public = public_half(load_key(key), key_id or f"{name}-1")
    print(json.dumps(Person(name, (public,)).to_json(), indent=1))


def init(
    name: Annotated[str, typer.Option("--name", help="What this house is called.")],
    policy: Annotated[str, typer.Option("--policy", help="The policy document; groups are read from it.")],
    operators: Annotated[Files, typer.Option("--operator", help="What trust person printed of an operator; repeated.")],
    requesters: Annotated[Files, typer.Option("--requester", help="The same of a back end; repeated.")],
    services: Annotated[Files, typer.Option("--service", help="What custody-status init printed; repeated.")],
    records: Annotated[Files, typer.Option("--record", help="What custody-cosigner record printed; repeated.")],
    out: Annotated[str, typer.Option("--out", help="File to write the document to, for all to sign.")],
    threshold: Annotated[int, typer.Option("--threshold", min=1, help="How many cosigners of a keyset sign.")] = 2,
    tokens: Annotated[Files | None, typer.Option("--asset", help="ID=CODE:DECIMALS of a token; repeated.")] = None,
    origin: Annotated[str, typer.Option("--origin", help="Where the console is, for passkeys.")] = "",
    cooling_hours: Annotated[int, typer.Option("--cooling-hours", min=0, help="Before a new key counts.")] = 24,
    days: Annotated[int, typer.Option("--days", min=1, max=3650, help="How long this version is good.")] = 365,
) -> None:
    """Write version 1 of the trust root, for every operator and every cosigner to read and sign.

    One keyset for each chain that the records are of; each chain's own asset is registered by itself.

    custody trust init --name acme --policy exchange.yaml --operator alice.json --operator bob.json
    --requester exchange.json --service keeper.json --record north.json --record south.json --record east.json
    --out root.json
    """
    from datetime import UTC, datetime, timedelta

    from custody.chains.registry import addressing
    from custody.evidence.passkeys import Console
    from custody.evidence.trust_root import Service, TrustRoot
    from custody.kernel.errors import InvalidInput
    from policies.document import load_document

    document, now = load_document(file_text(policy)), datetime.now(UTC)
    if Path(out).exists():
        raise InvalidInput("is there already: a ceremony is held once", field="out")
    keysets = _keysets([_read(file, "record") for file in records], threshold)
    root = TrustRoot(
        version=1,
        name=name,
        created_at=now,
        expires_at=now + timedelta(days=days),
        assets=(*(addressing(keyset.chain).native for keyset in keysets), *(_token(text) for text in tokens or ())),
        operators=tuple(_person(file, "operator") for file in operators),
        requesters=tuple(_person(file, "requester") for file in requesters),
        groups={group: tuple(sorted(members)) for group, members in sorted(document.groups.items())},
        keysets=tuple(keysets),
        policy_hash=document.hash,
        services=tuple(Service.parse(_read(file, "service"), field="service") for file in services),
        console=Console(origin, _host(origin)) if origin else None,
        cooling_seconds=cooling_hours * 3_600,
    )
    # Read again as everybody will read it: what cannot be, nobody should be asked to sign.
    root = TrustRoot.parse(root.to_json())
    Path(out).write_text(json.dumps({"document": root.to_json(), "signatures": []}, indent=1))
    _show(root)
    print(f"{out} is for every operator (trust sign) and every cosigner (custody-cosigner consent) to sign")


def sign(
    draft: DraftArgument, key: KeyOption, name: AsOption, out: Annotated[str, typer.Option("--out")],
    key_id: KeyIdOption = "", yes: YesOption = False,
) -> None:  # fmt: skip
    """Sign version 1, after reading it here. The code is what all compare by voice before anybody signs.

    custody trust sign root.json --key alice.pem --as alice --out alice.sig.json
    """
    from custody.evidence.signatures import sign_ed25519
    from custody.kernel.errors import InvalidInput

    root, private = _draft(draft), load_key(key)
    _show(root)
    mine = root.operator_key(name, key_id or f"{name}-1")
    if mine is None or mine.public_key != private.public_key().public_bytes_raw().hex():
        raise InvalidInput("is not this operator's key in the document", field="key")
    confirm("Does everybody who takes part read out this very code?", is_agreed=yes)
    Path(out).write_text(json.dumps(sign_ed25519(private, mine.id, bytes.fromhex(root.hash)).to_json(), indent=1))


def gather(
    draft: DraftArgument,
    policy: Annotated[str, typer.Option("--policy", help="The policy document whose hash it states.")],
    signatures: Annotated[Files, typer.Option("--signature", help="What an operator's trust sign wrote; repeated.")],
    answers: Annotated[Files, typer.Option("--answer", help="What custody-cosigner consent printed; repeated.")],
    out: Annotated[str, typer.Option("--out", help="File for the signed version; consents go beside it.")],
) -> None:
    """Put everybody's signatures to version 1, and say who is missing. The result is what everybody pins and installs.

    custody trust gather root.json --policy exchange.yaml --signature alice.sig.json --signature bob.sig.json
    --answer north.consent.json --answer south.consent.json --answer east.consent.json --out trust-root.json
    """
    from datetime import UTC, datetime

    from custody.evidence.signatures import Signature
    from custody.evidence.trust_root import SignedTrustRoot, TrustRootRefused, check_ceremony
    from custody.vaults.model import check_keyset
    from policies.document import document_hash

    root = _draft(draft)
    if document_hash(file_text(policy)) != root.policy_hash:
        raise TrustRootRefused("states another policy", field="policy")
    by_operators = [Signature.parse(_read(file, "signature"), field="signature") for file in signatures]
    rounds: list[Any] = [_read(file, "answer") for file in answers]
    by_cosigners = [Signature.parse(answer["root_signature"], field="answer.root_signature") for answer in rounds]
    signed = SignedTrustRoot(root, (*by_operators, *by_cosigners))
    check_ceremony(signed, now=datetime.now(UTC))
    consents = [Signature(answer["cosigner"], item["signature"]) for answer in rounds for item in answer["consents"]]
    for keyset in root.keysets:
        check_keyset(keyset, tuple(consents))
    Path(out).write_text(json.dumps(signed.to_json(), indent=1))
    beside = Path(out).with_name("consents.json")
    beside.write_text(json.dumps([consent.to_json() for consent in consents], indent=1))
    _show(root)
    print(f"each cosigner and the status service pins {out} by this code; then")
    print(f"custody trust install --root {out} --policy {policy} --consents {beside}")


def _show(root: TrustRoot) -> None:
    from custody.evidence.words import digest_code
    from custody.kernel.clock import rfc3339

    say(f"version 1 of the trust root of {root.name}, good until {rfc3339(root.expires_at)}")
    for group, members in root.groups.items():
        say(f"  group {group}: {', '.join(members)}")
    say(f"  operators {', '.join(each.id for each in root.operators)}")
    say(f"  back ends {', '.join(each.id for each in root.requesters)}")
    say(f"  services {', '.join(f'{each.id} ({chr(44).join(each.roles)})' for each in root.services)}")
    for keyset in root.keysets:
        names = ", ".join(each.id for each in keyset.cosigners)
        say(f"  {keyset.threshold} of {len(keyset.cosigners)} on {keyset.chain}: {names}")
    say(f"  assets {', '.join(asset.code for asset in root.assets)}; policy {root.policy_hash[:16]}")
    say(f"  code {digest_code(root.hash)}")


def _keysets(records: Sequence[Any], threshold: int) -> list[Keyset]:
    """One keyset for each chain, its cosigners in the order of their records."""
    from datetime import UTC, datetime

    from custody.chains.registry import addressing
    from custody.evidence import fields
    from custody.evidence.keysets import Keyset, KeysetCosigner
    from custody.kernel.errors import InvalidInput
    from custody.kernel.ids import new_id

    by_chain: dict[str, list[KeysetCosigner]] = {}
    for record in records:
        found = fields.exact_object(
            record, ("cosigner", "account_key", "chain", "public_key", "signature"), field="record"
        )
        member = {"id": found["cosigner"], "account_key": found["account_key"], "public_key": found["public_key"]}
        by_chain.setdefault(found["chain"], []).append(KeysetCosigner.parse(member, field="record"))
    keysets = []
    for chain, members in by_chain.items():
        if not len(members) < 2 * threshold <= 2 * len(members):
            raise InvalidInput(
                f"{threshold} of {len(members)} on {chain}: any two quorums must share a cosigner", field="threshold"
            )
        descriptor = addressing(chain).keyset_descriptor(members, threshold=threshold)
        keysets.append(Keyset(new_id("kst", datetime.now(UTC)), chain, threshold, tuple(members), descriptor))
    return keysets


def _token(text: str) -> Any:
    from custody.kernel.errors import InvalidInput
    from custody.kernel.money import Asset

    asset, _, rest = text.partition("=")
    code, _, decimals = rest.partition(":")
    if not (asset and code and decimals.isascii() and decimals.isdigit()):
        raise InvalidInput("not ID=CODE:DECIMALS", field="asset")
    return Asset(asset, code, int(decimals), asset.partition("/")[0])


def _host(origin: str) -> str:
    from urllib.parse import urlsplit

    from custody.kernel.errors import InvalidInput

    host = urlsplit(origin).hostname
    if not host:
        raise InvalidInput("not an origin; accepted is https://console.example.com", field="origin")
    return host


def _draft(file: str) -> TrustRoot:
    from custody.evidence.trust_root import SignedTrustRoot

    return SignedTrustRoot.parse(_read(file, "root"), field="root").root


def _person(file: str, field: str) -> Person:
    from custody.evidence.trust_root import parse_person

    return parse_person(_read(file, field), field)


def _read(file: str, field: str) -> Any:
    from custody.kernel.errors import InvalidInput

    try:
        return file_json(file, field=field)
    except OSError as error:
        raise InvalidInput(f"{file} cannot be read", field=field) from error
