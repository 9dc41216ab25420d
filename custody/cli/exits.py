"""Exit codes, and every error as one line on standard error: ``error: field: message``."""

from __future__ import annotations

import os
import sys
from typing import Final

import typer
from typer.exceptions import TyperException

from config.chains import ConfigError
from custody.kernel.errors import CustodyError, InvalidInput, NotFound, Unavailable

DONE: Final = 0
REFUSED: Final = 1
INVALID: Final = 2
"""Usage, invalid input, a setting that cannot be used, or a break in ``reconcile``."""
NOT_FOUND: Final = 3
UNREACHABLE: Final = 5
INTERRUPTED: Final = 130


def run(app: typer.Typer, arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code; whatever is wrong is said in one line."""
    try:
        code = app(args=arguments, standalone_mode=False)
    except (TyperException, typer.Abort) as error:
        return _usage(error)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except (ConfigError, CustodyError, UnicodeDecodeError) as error:
        return _ours(error)
    except OSError as error:
        say(f"error: {error.filename or 'connection'}: {error.strerror or 'failed'}")
        return INVALID if error.filename else UNREACHABLE
    return code if isinstance(code, int) else DONE


def say(message: str) -> None:
    """One line on standard error."""
    print(" ".join(message.split()), file=sys.stderr)


def _usage(error: Exception) -> int:
    if isinstance(error, typer.Abort):
        say("error: interrupted")
        return INTERRUPTED
    name = getattr(getattr(error, "param", None), "opts", None)
    message = str(getattr(error, "message", "") or "").rstrip(".")
    if name and not message:
        message = "missing"
    say(f"error: {_option(name)}{message or error}")
    return INVALID


def _option(names: list[str] | None) -> str:
    return f"{names[0].lstrip('-')}: " if names else ""


_CODES: Final = ((InvalidInput, INVALID), (NotFound, NOT_FOUND), (Unavailable, UNREACHABLE), (CustodyError, REFUSED))


def _ours(error: Exception) -> int:
    """The line and the code; settings raise errors that read ``field: problem`` as ours do."""
    if isinstance(error, UnicodeDecodeError):
        say("error: file: not text in UTF-8")
        return INVALID
    say(f"error: {error}")
    return next((code for family, code in _CODES if isinstance(error, family)), INVALID)
