"""About the program itself: ``exit-codes`` and ``completion``."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from custody.cli.exits import COMPLETING, MEANINGS
from custody.cli.showing import Format, FormatOption, show

SHELLS: Final = ("bash", "zsh", "fish")


def add_to(app: typer.Typer) -> None:
    """Put these commands on the top level."""
    app.command("exit-codes")(exit_codes)
    app.command("completion")(completion)


def exit_codes(chosen: FormatOption = Format.TABLE) -> None:
    """List what each exit code means.

    custody exit-codes
    """
    show([{"code": code, "meaning": meaning} for code, meaning in MEANINGS.items()], ("code", "meaning"), chosen)


def completion(shell: Annotated[str, typer.Argument(metavar="bash|zsh|fish", help="Whose script to print.")]) -> None:
    """Print the script that completes commands, options and ids; a shell reads it at its start.

    custody completion bash
    """
    from typer._completion_shared import get_completion_script

    from custody.kernel.errors import InvalidInput

    if shell not in SHELLS:
        raise InvalidInput(f"accepted is {', '.join(SHELLS)}", field="shell")
    print(get_completion_script(prog_name="custody", complete_var=COMPLETING, shell=shell))
