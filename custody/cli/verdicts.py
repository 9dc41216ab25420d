"""``approve`` and ``reject``: one person's verdict on one digest, signed with that person's own key.

What the API shows is not believed: the document is hashed here, and the words are made here from that document.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Annotated, Any

import typer

from custody.cli.exits import say
from custody.cli.keys import KeyIdOption, KeyOption, YesOption, confirm, load_key
from custody.cli.service import ApiOption, Service, TokenOption

if TYPE_CHECKING:
    from custody.evidence.intents import Intent

AsOption = Annotated[str, typer.Option("--as", help="Your name in the trust root.")]
SubjectArgument = Annotated[str, typer.Argument(metavar="DIGEST|WDR_ID", help="The intent's digest or a withdrawal.")]
MinutesOption = Annotated[int, typer.Option("--minutes", min=1, max=1440, help="How long the verdict is good.")]


def add_to(app: typer.Typer) -> None:
    """Put both verbs on the top level."""
    app.command("approve")(approve)
    app.command("reject")(reject)


def approve(
    subject: SubjectArgument,
    key: KeyOption,
    person: AsOption,
    token_file: TokenOption,
    api: ApiOption = "",
    key_id: KeyIdOption = "",
    minutes: MinutesOption = 60,
    yes: YesOption = False,
) -> None:
    """Approve what will happen, after reading it here in plain words.

    custody approve wdr_… --key alice.pem --as alice --token-file alice.token
    """
    _give("approve", subject, key, person, key_id, Service(api, token_file), minutes, yes)


def reject(
    subject: SubjectArgument,
    key: KeyOption,
    person: AsOption,
    token_file: TokenOption,
    api: ApiOption = "",
    key_id: KeyIdOption = "",
    minutes: MinutesOption = 60,
    yes: YesOption = False,
) -> None:
    """Reject it; the money that was set aside is free again.

    custody reject wdr_… --key bob.pem --as bob --token-file bob.token
    """
    _give("reject", subject, key, person, key_id, Service(api, token_file), minutes, yes)


def _give(
    verdict: str, subject: str, key: str, person: str, key_id: str, service: Service, minutes: int, yes: bool
) -> None:
    from datetime import UTC, datetime, timedelta

    from custody.evidence.approvals import Approval, Statement
    from custody.evidence.signatures import sign_ed25519

    intent = _intent(service, _digest(service, subject))
    for line in _words(intent):
        say(line)
    private = load_key(key)
    confirm(f"{verdict} this as {person}?", is_agreed=yes)
    now = datetime.now(UTC)
    statement = Statement(
        digest=intent.digest,
        verdict=verdict,
        approver=person,
        nonce=secrets.token_hex(16),
        given_at=now,
        not_after=min(now + timedelta(minutes=minutes), intent.request.not_after),
    )
    given = Approval(statement, sign_ed25519(private, key_id or f"{person}-1", statement.message))
    standing = service.post("intents", intent.digest, "approvals", body=given.to_json())
    print(_standing(intent.digest, standing))


def _digest(service: Service, subject: str) -> str:
    from custody.withdrawals.model import PREFIXES

    if not subject.startswith(tuple(f"{prefix}_" for prefix in PREFIXES)):
        return subject
    return str(service.get("withdrawals", subject)["intent_digest"])


def _intent(service: Service, digest: str) -> Intent:
    from custody.evidence.intents import Intent
    from custody.kernel.errors import Refused

    found = Intent.parse(service.get("intents", digest).get("document"))
    if found.digest != digest:
        raise Refused("the document shown is another one than its digest names", field="digest")
    return found


def _words(intent: Intent) -> list[str]:
    from custody.cli.chains import asset_of, native_of
    from custody.evidence.words import say as words

    named = getattr(intent.request, "asset", None)
    if named is None:
        return words(intent)
    return words(intent, asset=asset_of(named), fee_asset=native_of(intent.chain))


def _standing(digest: str, standing: dict[str, Any]) -> str:
    tally = standing.get("tally", {})
    missing = " ".join(f"{count} of {group}" for group, count in tally.get("missing", {}).items())
    state = standing.get("state")
    return f"{digest}: {state}" + (f", missing {missing}" if missing and state == "pending" else "")
