"""Exit codes, and every error as one line on standard error: ``error: field: message``."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import typer
from typer.exceptions import TyperException

from config.chains import ConfigError
from custody.cli.rehearsing import Rehearsed, rehearsing
from custody.cli.showing import reading, show_json
from custody.cli.tables import printable
from custody.kernel.errors import CustodyError, InvalidInput, NotFound, Refused, Unavailable

DONE: Final = 0
REFUSED: Final = 1
INVALID: Final = 2
NOT_FOUND: Final = 3
LOCKED: Final = 4
UNREACHABLE: Final = 5
WAITING: Final = 8
INTERRUPTED: Final = 130

MEANINGS: Final[Mapping[int, str]] = {
    DONE: "done, or balanced",
    REFUSED: "refused or failed, or a claim does not hold",
    INVALID: "usage, invalid input, a setting that cannot be used, or a break in reconcile",
    NOT_FOUND: "no such thing",
    LOCKED: "nobody's credential, or one that may not do this",
    UNREACHABLE: "the API, the database or a node does not answer",
    WAITING: "still waiting when the time to wait ran out",
    INTERRUPTED: "interrupted",
}
"""What each code means; help and the documents are made from it."""


COMPLETING: Final = "_CUSTODY_COMPLETE"
"""Set by a shell that wants a word completed."""


class Locked(Refused):
    """The API does not know the credential, or the credential may not do this."""

    code = "locked"


class Interrupted(Exception):
    """Somebody ended long work with Ctrl-C; the message says what is done of it and how it goes on."""


@contextmanager
def resumable(how: str) -> Iterator[None]:
    """Work that may be ended with Ctrl-C: ``how`` it goes on is said then."""
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(how) from None


def run(app: typer.Typer, arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code; whatever is wrong is said in one line."""
    try:
        code = program(app).main(args=arguments, prog_name="custody", standalone_mode=False)
    except (TyperException, typer.Abort) as error:
        return _usage(error)
    except Rehearsed as stopped:
        show_json(stopped.would_send)
        return DONE
    except Interrupted as stopped:
        say(f"error: interrupted; {stopped}")
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except (ConfigError, CustodyError, UnicodeDecodeError) as error:
        return _ours(error)
    except KeyboardInterrupt:
        say("error: interrupted")
        return INTERRUPTED
    except OSError as error:
        say(f"error: {error.filename or 'connection'}: {error.strerror or 'failed'}")
        return INVALID if error.filename else UNREACHABLE
    if code == INTERRUPTED:  # Ctrl-C, which the parser makes this code of
        say("error: interrupted")
    return code if isinstance(code, int) else DONE


def program(app: typer.Typer) -> Any:
    """The tree of commands as it runs, with the options that every read has."""
    if COMPLETING in os.environ:
        from typer._completion_classes import completion_init

        completion_init()
    top = typer.main.get_command(app)
    reading(top)
    rehearsing(top)
    return top


def say(message: str) -> None:
    """One line on standard error, with nothing in it that a terminal obeys; nothing where there is nothing to say."""
    if message:
        print(printable(" ".join(message.split())), file=sys.stderr)


def _usage(error: Exception) -> int:
    if isinstance(error, typer.Abort):
        say("error: interrupted")
        return INTERRUPTED
    name = getattr(getattr(error, "param", None), "opts", None)
    message = str(getattr(error, "message", "") or "").rstrip(".")
    if name and not message:
        message = "missing"
    say(f"error: {_option(name)}{message or error}{_meant(error, message)}")
    return INVALID


def _option(names: list[str] | None) -> str:
    return f"{names[0].lstrip('-')}: " if names else ""


def _meant(error: Exception, message: str) -> str:
    """What the word may have been, where that is not said yet."""
    near = getattr(error, "possibilities", None)
    return f". Did you mean {' or '.join(sorted(near))}?" if near and "Did you mean" not in message else ""


_CODES: Final = (
    (InvalidInput, INVALID),
    (NotFound, NOT_FOUND),
    (Unavailable, UNREACHABLE),
    (Locked, LOCKED),
    (CustodyError, REFUSED),
)


def _ours(error: Exception) -> int:
    """The line and the code; settings raise errors that read ``field: problem`` as ours do."""
    if isinstance(error, UnicodeDecodeError):
        say("error: file: not text in UTF-8")
        return INVALID
    say(f"error: {error}")
    return next((code for family, code in _CODES if isinstance(error, family)), INVALID)
