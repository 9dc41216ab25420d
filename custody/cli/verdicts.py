"""``approve``, ``reject`` and ``queue``: verdicts signed with one's own key, and what waits for them.

What the API shows is not believed: the document is hashed here, and the words are made here from that document; it may
come out of a file as well, and then nothing but the verdict leaves this machine.
"""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from custody.cli import environment, subjects
from custody.cli.exits import say
from custody.cli.inputs import file_json, is_given
from custody.cli.keys import KeyIdOption, KeyOption, YesOption, confirm, load_key
from custody.cli.service import ApiOption, Service, TokenOption
from custody.cli.showing import Format, FormatOption, is_for_people, show

if TYPE_CHECKING:
    from custody.evidence.approvals import Approval
    from custody.evidence.intents import Intent

AsOption = Annotated[str, typer.Option("--as", help="Your name in the trust root.")]
SubjectArgument = Annotated[
    str, typer.Argument(metavar="DIGEST|WDR_ID|FILE", help="The intent's digest, a withdrawal, or a file with it.")
]
MinutesOption = Annotated[int, typer.Option("--minutes", min=1, max=1440, help="How long the verdict is good.")]
RootOption = Annotated[
    str, typer.Option("--root", help="The trust root you keep; what a change of the rules is compared with.")
]
PolicyOption = Annotated[str, typer.Option("--policy", help="The policy in force, where a change replaces it.")]
OutOption = Annotated[str, typer.Option("--out", help="Write the verdict to this file, and hand nothing in.")]

app = typer.Typer(help="Verdicts signed on another machine.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Verdicts signed on another machine."""


def add_to(top: typer.Typer) -> None:
    """Put the verbs on the top level."""
    top.command("approve")(approve)
    top.command("reject")(reject)
    top.command("queue")(queue)


def approve(
    subject: SubjectArgument,
    key: KeyOption,
    person: AsOption,
    token_file: TokenOption = "",
    api: ApiOption = "",
    key_id: KeyIdOption = "",
    minutes: MinutesOption = 60,
    root: RootOption = "",
    policy: PolicyOption = "",
    out: OutOption = "",
    yes: YesOption = False,
) -> None:
    """Approve what will happen, after reading it here in plain words.

    custody approve wdr_… --key alice.pem --as alice --token-file alice.token
    custody approve proposal.json --root root.json --key alice.pem --as alice --out alice.approval
    """
    about = _about(subject, api, token_file, root, policy)
    said = _sign("approve", about, key, person, key_id, minutes, yes)
    _hand_over(said, api, token_file, out)


def reject(
    subject: SubjectArgument,
    key: KeyOption,
    person: AsOption,
    token_file: TokenOption = "",
    api: ApiOption = "",
    key_id: KeyIdOption = "",
    minutes: MinutesOption = 60,
    root: RootOption = "",
    policy: PolicyOption = "",
    out: OutOption = "",
    yes: YesOption = False,
) -> None:
    """Reject it; the money that was set aside is free again.

    custody reject wdr_… --key bob.pem --as bob --token-file bob.token
    """
    about = _about(subject, api, token_file, root, policy)
    said = _sign("reject", about, key, person, key_id, minutes, yes)
    _hand_over(said, api, token_file, out)


def queue(
    token_file: TokenOption = "",
    place: Annotated[
        str, typer.Option("--place", help="needs_me, needs_others, needs_keys, on_chain or stuck; all without it.")
    ] = "",
    person: Annotated[str, typer.Option("--as", help="Whose queue: what needs him stands first.")] = "",
    client: Annotated[str, typer.Option("--client", help="Only this client's.")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, max=100, help="Rows of each place.")] = 50,
    api: ApiOption = "",
    chosen: FormatOption = Format.TABLE,
) -> None:
    """Show what waits: for me, for others, for keys, for the chain, and what is stuck, with code and words.

    Out of the database; with a token, the intents that wait for people, out of the API.

    custody queue --as alice
    custody queue --place needs_keys --format json
    custody queue --token-file alice.token
    """
    if token_file:
        rows = Service(api, token_file).get("intents")["intents"]
        shown = [row | _row(row) for row in rows] if is_for_people(chosen) else rows
        show(shown, ("code", "state", "missing", "delay_left_s", "what"), chosen, wide=("people",))
        return
    found = _waiting(place, person, client, limit)
    show(
        found,
        ("place", "code", "what=sentence"),
        chosen,
        wide=("status", "reason", "client_name", "left_seconds", "id"),
    )


def _waiting(place: str, person: str, client: str, limit: int) -> list[dict[str, Any]]:
    """The first rows of one place of the queue, or of each."""
    from custody.approvals.askings import askings_among
    from custody.cli import house
    from custody.trust import operations as trust
    from custody.views import queue as views

    with house.reading() as (session, runtime):
        with runtime.database.unit() as unit:
            now = unit.now
        asked = views.Asked(trust.in_force(session), person, runtime.deadlines, askings_among(session), now, client)
        places = (place,) if place else views.PLACES
        return [row for each in places for row in views.queue(session, asked, place=each, limit=limit).rows]


@app.command("hand-in")
def hand_in(
    approval: Annotated[str, typer.Argument(metavar="FILE", help="A verdict that --out wrote.")],
    token_file: TokenOption,
    api: ApiOption = "",
) -> None:
    """Hand in a verdict that was signed on another machine.

    custody verdict hand-in alice.approval --token-file alice.token
    """
    from custody.evidence.approvals import Approval

    said = Approval.parse(file_json(approval, field="file"), field="file")
    _hand_over(said, api, token_file, "")


def _about(subject: str, api: str, token_file: str, root: str, policy: str) -> subjects.Subject:
    from custody.kernel.errors import InvalidInput

    if is_given(subject):
        return subjects.read(subject, root=root, policy=policy)
    if not token_file:
        raise InvalidInput("missing, and there is no such file to read instead", field="token-file")
    service = Service(api, token_file)
    intent = _intent(service, _digest(service, subject))
    return subjects.Subject(intent, tuple(subjects.words_of(intent)))


def _sign(
    verdict: str, about: subjects.Subject, key: str, person: str, key_id: str, minutes: int, yes: bool
) -> Approval:
    from datetime import UTC, datetime, timedelta

    from custody.evidence.approvals import Approval, Statement
    from custody.evidence.signatures import sign_ed25519

    say(environment.here(""))
    for line in about.lines:
        say(line)
    private = load_key(key)
    confirm(f"{verdict} this as {person}?", is_agreed=yes)
    now = datetime.now(UTC)
    statement = Statement(
        digest=about.intent.digest,
        verdict=verdict,
        approver=person,
        nonce=secrets.token_hex(16),
        given_at=now,
        not_after=min(now + timedelta(minutes=minutes), about.intent.request.not_after),
    )
    return Approval(statement, sign_ed25519(private, key_id or f"{person}-1", statement.message))


def _hand_over(said: Approval, api: str, token_file: str, out: str) -> None:
    from custody.kernel.errors import InvalidInput

    digest = said.statement.digest
    if out:
        with Path(out).open("x") as file:
            file.write(json.dumps(said.to_json(), indent=2) + "\n")
        print(f"{digest}: {said.statement.verdict} written to {out}")
        return
    if not token_file:
        raise InvalidInput("missing; say --out FILE to keep the verdict instead", field="token-file")
    standing = Service(api, token_file).post("intents", digest, "approvals", body=said.to_json())
    print(_standing(digest, standing))


def _digest(service: Service, subject: str) -> str:
    from custody.withdrawals.model import PREFIXES

    if not subject.startswith(tuple(f"{prefix}_" for prefix in PREFIXES)):
        return subject
    return str(service.get("withdrawals", subject)["intent_digest"])


def _intent(service: Service, digest: str) -> Intent:
    from custody.evidence.intents import Intent
    from custody.evidence.requests import RuleChange
    from custody.kernel.errors import InvalidInput, Refused

    found = Intent.parse(service.get("intents", digest).get("document"))
    if found.digest != digest:
        raise Refused("the document shown is another one than its digest names", field="digest")
    if isinstance(found.request, RuleChange):
        raise InvalidInput("a change of the rules is read out of a file with what it changes", field="subject")
    return found


def _row(row: dict[str, Any]) -> dict[str, Any]:
    missing = row["tally"]["missing"] if row["state"] == "pending" else {}
    people = [f"{group}: {', '.join(names) or 'nobody left'}" for group, names in row["missing_people"].items()]
    return {
        "code": row["code"],
        "state": row["state"],
        "missing": missing,
        "people": people,
        "delay_left_s": row["delay_left_seconds"] or "",
        "what": row["words"][0],
    }


def _standing(digest: str, standing: dict[str, Any]) -> str:
    tally = standing.get("tally", {})
    missing = " ".join(f"{count} of {group}" for group, count in tally.get("missing", {}).items())
    state = standing.get("state")
    return f"{digest}: {state}" + (f", missing {missing}" if missing and state == "pending" else "")
