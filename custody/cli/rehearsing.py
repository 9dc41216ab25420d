"""``--dry-run`` of every command that changes something through the API: all is checked, nothing is sent."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Annotated, Any, Final

import typer

from custody.cli.lending import options_of

_IS_DRY: Final[ContextVar[bool]] = ContextVar("is_dry", default=False)
_WITHOUT_A_QUESTION: Final = frozenset({"hand-in"})
"""Commands that change something and ask for nothing first."""


class Rehearsed(Exception):
    """What would have been sent; carries no signature, so that nobody can send it after all."""

    def __init__(self, path: tuple[str, ...], body: Any) -> None:
        super().__init__("/".join(path))
        self.would_send = {"would_send": f"POST /v1/{'/'.join(path)}", "body": _unsigned(body)}


def is_dry() -> bool:
    """Whether this command was only to be tried."""
    return _IS_DRY.get()


def rehearsing(command: Any) -> None:
    """Give every command below ``command`` that changes something through the API the option ``--dry-run``."""
    for child in getattr(command, "commands", {}).values():
        rehearsing(child)
    names = {name for parameter in command.params for name in parameter.opts}
    changes = {"--key", "--yes"} & names or command.name in _WITHOUT_A_QUESTION
    if "--token-file" in names and changes:
        command.params.extend(options_of(_lend))


def _unsigned(body: Any) -> Any:
    return {name: part for name, part in body.items() if name != "signature"} if isinstance(body, dict) else body


def _keep(value: bool) -> bool:
    _IS_DRY.set(value)
    return value


def _lend(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", callback=_keep, help="Check everything, send nothing, print what would be.")
    ] = False,
) -> None:
    """Lend an option."""
