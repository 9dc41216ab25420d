"""``freeze SCOPE|list``, ``unfreeze`` and ``freezes``; ``break list|resolve``: what is stopped, and letting it go."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Final

import typer

from custody.cli import house
from custody.cli.asking import (
    Closing,
    HoursOption,
    KeyedOption,
    Pen,
    PurposeOption,
    ask,
    show_asked,
)
from custody.cli.keys import KeyIdOption, KeyOption, YesOption
from custody.cli.service import ApiOption, Service, TokenOption
from custody.cli.showing import Format, FormatOption, show

PersonOption = Annotated[str, typer.Option("--as", help="Your name in the trust root.")]
EveryOption = Annotated[bool, typer.Option("--all", help="Those that were lifted as well.")]
ScopeArgument = Annotated[str, typer.Argument(metavar="client|vault|asset|everything", help="What kind of thing.")]
SubjectArgument = Annotated[str, typer.Argument(help="Its id; nothing where it is everything.")]

EVERYTHING: Final = "everything"
SCOPES: Final = {
    "client": ("a client", "client cli_…"),
    "vault": ("a vault", "vault kst_…/7"),
    "asset": ("an asset", "asset ASSET"),
    EVERYTHING: ("everything", EVERYTHING),
}
"""What can be stopped: in words, and as it is typed."""
_NoSubject = Annotated[str, typer.Option(hidden=True)]

stopping = typer.Typer(help="Stop a client, a vault, an asset or everything; list what is.", no_args_is_help=True)
breaks = typer.Typer(help="Differences between the books and the chain.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Put the verbs on the top level."""
    for scope in SCOPES:
        stopping.command(scope)(_freezing(scope))
    app.add_typer(stopping, name="freeze")
    app.command("unfreeze")(unfreeze)
    app.command("freezes")(freezes)


def _freezing(scope: str) -> Callable[..., None]:
    """The command that stops things of this scope; everything has no name to be given."""

    def freeze(
        person: PersonOption,
        token_file: TokenOption,
        key: KeyOption,
        purpose: PurposeOption,
        subject: str = "",
        key_id: KeyIdOption = "",
        api: ApiOption = "",
        idempotency_key: KeyedOption = "",
        hours: HoursOption = 24,
        yes: YesOption = False,
        chosen: FormatOption = Format.TABLE,
    ) -> None:
        from custody.evidence.requests import FreezeRequest

        fields = Closing.of(person, hours, idempotency_key).fields
        request = FreezeRequest(scope=scope, subject=subject or scope, purpose=purpose, **fields)
        question = f"Stop {scope} {subject}?".replace(" ?", "?")
        show_asked(ask(Service(api, token_file), request, Pen(key, key_id, yes), question=question), chosen)

    what, example = SCOPES[scope]
    given = 'custody freeze {} --as alice --key alice.pem --token-file alice.token --purpose "stolen laptop" --yes'
    freeze.__doc__ = f"Stop {what}: nothing of it is paid until it is let go.\n\n{given.format(example)}"
    freeze.__annotations__["subject"] = SubjectArgument if scope != EVERYTHING else _NoSubject
    return freeze


def unfreeze(
    scope: ScopeArgument,
    person: PersonOption,
    token_file: TokenOption,
    key: KeyOption,
    purpose: PurposeOption,
    subject: SubjectArgument = "",
    key_id: KeyIdOption = "",
    api: ApiOption = "",
    idempotency_key: KeyedOption = "",
    hours: HoursOption = 24,
    yes: YesOption = False,
    chosen: FormatOption = Format.TABLE,
) -> None:
    """Ask to let it go again. What began after this was asked for stays stopped.

    custody unfreeze client cli_… --as alice --key alice.pem --token-file alice.token --purpose "key replaced" --yes
    """
    from custody.evidence.requests import UnfreezeRequest

    fields = Closing.of(person, hours, idempotency_key).fields
    request = UnfreezeRequest(scope=scope, subject=subject or scope, purpose=purpose, **fields)
    question = f"Ask to let {scope} {subject} go?"
    show_asked(ask(Service(api, token_file), request, Pen(key, key_id, yes), question=question), chosen)


@stopping.command("list")
def freeze_list(every: EveryOption = False, chosen: FormatOption = Format.TABLE) -> None:
    """List what is stopped, and why, oldest first.

    custody freeze list --all
    """
    freezes(every, chosen)


def freezes(every: EveryOption = False, chosen: FormatOption = Format.TABLE) -> None:
    """List what is stopped, and why, oldest first.

    custody freezes --format json
    """
    from custody.stops import queries

    with house.reading() as (session, _):
        found = queries.every(session) if every else queries.standing(session)
    columns = ("scope", "subject", "cause", "since", "reason")
    show([stop.to_json() for stop in found], columns, chosen, wide=("lifted_at",))


@breaks.command("list")
def break_list(
    every: Annotated[bool, typer.Option("--all", help="Those that were resolved as well.")] = False,
    chosen: FormatOption = Format.TABLE,
) -> None:
    """List breaks, oldest first.

    custody break list
    """
    from custody.reconciliation import queries

    with house.reading() as (session, _):
        found = queries.every_break(session) if every else queries.open_breaks(session)
    columns = ("id", "vault", "asset", "check", "expected", "found", "resolution")
    show([each.to_json() for each in found], columns, chosen)


@breaks.command("resolve")
def break_resolve(
    break_id: Annotated[str, typer.Argument(metavar="BREAK", help="As `custody break list` lists it.")],
    how: Annotated[str, typer.Argument(metavar="explained|corrected", help="What became of the difference.")],
    person: PersonOption,
    token_file: TokenOption,
    key: KeyOption,
    purpose: PurposeOption,
    key_id: KeyIdOption = "",
    api: ApiOption = "",
    idempotency_key: KeyedOption = "",
    hours: HoursOption = 24,
    yes: YesOption = False,
    chosen: FormatOption = Format.TABLE,
) -> None:
    """Ask to resolve a break: its vault goes on once people agreed and no other break of it is open.

    custody break resolve brk_… explained --as alice --key alice.pem --token-file alice.token --purpose "…" --yes
    """
    from custody.evidence.requests import BreakResolutionRequest

    fields = Closing.of(person, hours, idempotency_key).fields
    request = BreakResolutionRequest(subject=break_id, resolution=how, purpose=purpose, **fields)
    question = f"Ask to close {break_id} as {how}?"
    show_asked(ask(Service(api, token_file), request, Pen(key, key_id, yes), question=question), chosen)
