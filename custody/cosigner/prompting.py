"""Asking a person, and reading a passphrase: from a file, standard input or the terminal, never from arguments."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path

from custody.cosigner.home import read_text
from custody.kernel.errors import InvalidInput


def read_passphrase(source: str, *, twice: bool = False, what: str = "passphrase") -> str:
    """The first line of a file, of standard input (``-``), or what is typed (``prompt``). Raises ``InvalidInput``.

    ``what`` is wanted, ``passphrase`` or ``pin``.
    """
    if source == "prompt":
        return _typed(what, twice=twice)
    text = sys.stdin.readline() if source == "-" else read_text(Path(source), field=what, limit_bytes=10_000)
    line = text.split("\n", 1)[0].rstrip("\r")
    if not line:
        raise InvalidInput("is empty", field=what)
    return line


def is_person_there() -> bool:
    """Whether a person can be asked."""
    return sys.stdin.isatty()


def ask_yes(question: str) -> bool:
    """Ask until the answer is yes or no. The end of input is a no."""
    while True:
        print(question, end="", file=sys.stderr, flush=True)
        answer = sys.stdin.readline()
        if answer.strip().lower() in ("yes", "no", "") and (answer == "" or answer.strip()):
            return answer.strip().lower() == "yes"


def _typed(what: str, *, twice: bool) -> str:
    if not is_person_there():
        raise InvalidInput(f"nobody is there to type it; give --{what}-file", field=what)
    typed = getpass.getpass({"pin": "PIN: "}.get(what, "Passphrase: "))
    if twice and getpass.getpass("Again: ") != typed:
        raise InvalidInput("the two differ", field=what)
    return typed
