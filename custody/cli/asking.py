"""Asking for something through the API: the request is read again as it will be, shown, signed here, and sent.

``intent create`` asks for any kind there is; other commands ask for one kind in fewer words, by the same function.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from custody.cli.exits import say
from custody.cli.inputs import file_json
from custody.cli.keys import KeyIdOption, KeyOption, YesOption, confirm, load_key
from custody.cli.service import ApiOption, Service, TokenOption
from custody.cli.showing import Format, FormatOption, show, show_fields, show_whole

if TYPE_CHECKING:
    from custody.evidence.requests import Request

PurposeOption = Annotated[str, typer.Option("--purpose", help="Why: it is signed, and the people asked read it.")]
RequesterOption = Annotated[str, typer.Option("--as", help="The requester's name in the trust root.")]
KeyedOption = Annotated[str, typer.Option("--idempotency-key", help="The same key asks only once.")]
HoursOption = Annotated[int, typer.Option("--hours", min=1, max=720, help="How long the request is good.")]
FileOption = Annotated[
    list[str] | None, typer.Option("--attach", help="NAME=FILE, a JSON document sent beside it; may be repeated.")
]

app = typer.Typer(help="Intents: what was asked for, and asking for more.", no_args_is_help=True)


@dataclass(frozen=True, slots=True)
class Closing:
    """How every request ends: who asks, until when it is good, and the key that asks only once."""

    requester: str
    not_after: datetime
    idempotency_key: str

    @classmethod
    def of(cls, requester: str, hours: int, idempotency_key: str) -> Closing:
        """From a command's options; a key of its own where none was named."""
        from datetime import UTC, timedelta

        from custody.kernel.ids import new_id

        now = datetime.now(UTC)
        return cls(requester, now + timedelta(hours=hours), idempotency_key or new_id("idm", now))

    @property
    def fields(self) -> dict[str, Any]:
        """As a request's constructor takes them."""
        return {
            "requester": self.requester,
            "not_after": self.not_after,
            "idempotency_key": self.idempotency_key,
        }


@dataclass(frozen=True, slots=True)
class Pen:
    """The key a request is signed with, and whether its keeper agreed beforehand."""

    key: str
    key_id: str
    is_agreed: bool


def ask(
    service: Service,
    request: Request,
    pen: Pen,
    *,
    question: str = "",
    path: str = "intents",
    attachments: Mapping[str, Any] | None = None,
    reference: str = "",
) -> dict[str, Any]:
    """Sign ``request`` after its keeper agreed to ``question`` (unasked where empty), and send it; the API's answer.

    ``attachments`` and ``reference`` are sent beside it, and signed by nobody.
    Raises ``InvalidInput`` for a request that does not read as it was written, and as ``Service.post`` does.
    """
    from custody.evidence.requests import parse_request, request_message
    from custody.evidence.signatures import sign_ed25519

    checked = parse_request(request.to_json())
    service.announce()
    if question:
        confirm(question, is_agreed=pen.is_agreed)
    signature = sign_ed25519(load_key(pen.key), pen.key_id or f"{checked.requester}-1", request_message(checked))
    say(f"idempotency key {checked.idempotency_key}")
    body: dict[str, Any] = {"request": checked.to_json(), "signature": signature.to_json()}
    if attachments:
        body["attachments"] = dict(attachments)
    if reference:
        body["reference"] = reference
    answer: dict[str, Any] = service.post(path, body=body)
    return answer


def show_asked(answer: Mapping[str, Any], chosen: Format) -> None:
    """Where an intent stands, in words: everything for programs."""
    names = ("digest", "code", "kind", "state")
    missing = answer["tally"]["missing"] if answer["state"] == "pending" else {}

    def in_words() -> None:
        print("\n".join(answer["words"]) + "\n")
        show_fields({**{name: answer[name] for name in names}, "missing": missing}, chosen)

    show_whole(answer, chosen, in_words)


@app.command("create")
def create(
    kind: str,
    fields: Annotated[list[str], typer.Argument(metavar="NAME=VALUE…", help="The kind's own fields.")],
    token_file: TokenOption,
    key: KeyOption,
    purpose: PurposeOption = "",
    requester: RequesterOption = "exchange",
    key_id: KeyIdOption = "",
    attach: FileOption = None,
    api: ApiOption = "",
    idempotency_key: KeyedOption = "",
    hours: HoursOption = 24,
    yes: YesOption = False,
    chosen: FormatOption = Format.TABLE,
) -> None:
    """Ask for an intent of any kind, signed with a key of one's own. Amounts are in base units.

    custody intent create break_resolution subject=brk_… resolution=explained --purpose "…" --as alice
    --token-file token --key alice.pem --yes
    """
    given = _pairs(fields, field="fields")
    if purpose:
        given["purpose"] = purpose
    request = _read(kind, given, Closing.of(requester, hours, idempotency_key))
    for name, value in given.items():
        say(f"{name}: {value}")
    answer = ask(
        Service(api, token_file),
        request,
        Pen(key, key_id, yes),
        question=f"Ask for this {kind} as {requester}?",
        attachments={name: _document(path) for name, path in _pairs(attach or [], field="attach").items()},
    )
    show_asked(answer, chosen)


@app.command("list")
def waiting(token_file: TokenOption, api: ApiOption = "", chosen: FormatOption = Format.TABLE) -> None:
    """List intents that wait for people, oldest first.

    custody intent list --token-file token
    """
    rows = Service(api, token_file).get("intents")["intents"]
    show(rows, ("code", "kind", "client", "missing=tally.missing", "not_after"), chosen, wide=("digest", "state"))


@app.command("show")
def one(digest: str, token_file: TokenOption, api: ApiOption = "", chosen: FormatOption = Format.TABLE) -> None:
    """Show one intent: its words, what the policy said, who is missing.

    custody intent show DIGEST --token-file token
    """
    show_asked(Service(api, token_file).get("intents", digest), chosen)


def _read(kind: str, given: Mapping[str, str], closing: Closing) -> Request:
    """The request these words make. Raises ``InvalidInput`` naming the field."""
    from custody.evidence.fields import one_of
    from custody.evidence.requests import FORMAT, KINDS, parse_request
    from custody.kernel.clock import rfc3339

    one_of(kind, KINDS, field="kind")
    spelled = {**closing.fields, "not_after": rfc3339(closing.not_after)}
    return parse_request({"format": FORMAT, "kind": kind, **_numbers(kind, given), **spelled}, field=kind)


def _numbers(kind: str, given: Mapping[str, str]) -> dict[str, Any]:
    """Words for what the kind spells as a number become one, where the field takes no text."""
    from custody.evidence.requests import spelling_of
    from custody.kernel.errors import InvalidInput

    def value(name: str, word: str) -> Any:
        if not (word.isascii() and word.isdigit() and name in spelling):
            return word
        return int(word) if _fails(spelling[name].read, word, InvalidInput) else word

    spelling = spelling_of(kind)
    return {name: value(name, word) for name, word in given.items()}


def _fails(read: Callable[..., Any], word: str, error: type[Exception]) -> bool:
    try:
        read(word, field="value")
    except error:
        return True
    return False


def _pairs(words: list[str], *, field: str) -> dict[str, str]:
    from custody.kernel.errors import InvalidInput

    found: dict[str, str] = {}
    for word in words:
        name, sign, value = word.partition("=")
        if not sign or not name or name in found:
            raise InvalidInput("accepted is NAME=VALUE, each name once", field=field)
        found[name] = value
    return found


def _document(path: str) -> Any:

    return file_json(path, field="attach", limit_bytes=1_000_000)
