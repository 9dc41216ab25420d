"""``verify FILE``: handed over whole to the keyholders' program, which shares no process with the daemon's parts.

Its process gets no setting of ours and loads nothing that could reach a database or a network, so the opinion is the
one a keyholder would come to on a machine of its own: the same checks, words and codes.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

import custody
from custody.cli.showing import Format, FormatOption

_PASSED_ON: Final = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "PYTHONDONTWRITEBYTECODE")


def add_to(app: typer.Typer) -> None:
    """Put the verb on the top level."""
    app.command("verify")(verify)


def verify(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Bundle, proposal, intent or approval; - reads input.")],
    root: Annotated[str, typer.Option("--root", help="The trust root you keep.")] = "",
    pin: Annotated[str, typer.Option("--pin", help="Its code or hash, as you compared it.")] = "",
    policy: Annotated[str, typer.Option("--policy", help="The policy in force, where a change replaces it.")] = "",
    at: Annotated[str, typer.Option("--at", help="Judge as of this moment, 2026-11-01T12:00:00Z.")] = "",
    long: Annotated[bool, typer.Option("--long", help="Codes of 26 characters, for reading aloud.")] = False,
    chosen: FormatOption = Format.TABLE,
) -> None:
    """Say what a file would do and whether it may: no network, no settings, no database. Exit 0 may, 1 may not.

    custody verify bundle.json --root root.json
    custody verify proposal.json --root root.json --policy demo.yaml
    """
    given = {"--root": root, "--pin": pin, "--policy": policy, "--at": at}
    arguments = [part for name, value in given.items() if value for part in (name, value)]
    arguments += ["--long"] if long else []
    arguments += ["--format", "table" if chosen is Format.TABLE else "json", "--", file]
    raise typer.Exit(_hand_over(arguments))


def _hand_over(arguments: list[str]) -> int:
    """Run the keyholders' program, found beside this one and nowhere else; its exit code."""
    import subprocess

    sys.stdout.flush()
    place = str(Path(custody.__file__).parents[1])
    kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    # -P: what lies in the working directory is no part of the program.
    program = [sys.executable, "-P", "-m", "custody.cosigner.main", "verify", *arguments]
    return subprocess.run(program, env={**kept, "PYTHONPATH": place}, check=False).returncode
