"""The manual page of the command line, from the tree of commands: ``python -m tests.architecture.manual`` writes it.

It is committed and shipped, so that ``man custody`` needs nothing to be run; a test holds it to the tree.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

from custody.cli.exits import MEANINGS, program
from custody.cli.main import app

FILE = Path(__file__).parents[2] / "custody" / "cli" / "custody.1"
SEE_ALSO = "The pages under docs/, docs/operate/command\\-line.md first of all."


def manual() -> str:
    """The page: synopsis, options of all commands, every command with its own, exit codes."""
    tree = program(app)
    lines = [
        '.TH CUSTODY 1 "" "custody" "User Commands"',
        *section("NAME", "custody \\- " + inline(tree.help.splitlines()[0].rstrip("."))),
        *section("SYNOPSIS", ".B custody", "[\\fIOPTIONS\\fR] \\fINOUN\\fR \\fIVERB\\fR [\\fIARGUMENTS\\fR]"),
        *section("OPTIONS", *options(tree)),
        *section("COMMANDS"),
        *(line for name, command in commands(tree, "custody") for line in described(name, command)),
        *section("EXIT STATUS", *(line for code, meaning in MEANINGS.items() for line in item(str(code), meaning))),
        *section("SEE ALSO", SEE_ALSO),
    ]
    return "\n".join(lines) + "\n"


def commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Every command that is shown, by its whole name, in the order of the alphabet."""
    below = getattr(command, "commands", None)
    if below is None or getattr(command, "invoke_without_command", False):
        yield name, command
    for word, child in sorted((below or {}).items()):
        if not child.hidden:
            yield from commands(child, f"{name} {word}")


def described(name: str, command: Any) -> list[str]:
    """One command: its arguments, what it does, its example as it is typed, its options."""
    arguments = [each for each in command.params if each.param_type_name == "argument" and not _is_hidden(each)]
    words = [_word(each) if each.required else f"[{_word(each)}]" for each in arguments]
    return [
        f".SS {inline(' '.join((name, *words)))}",
        *paragraphs(command.help or ""),
        *(line for each in arguments if each.help for line in item(_word(each), each.help)),
        *options(command),
    ]


def paragraphs(text: str) -> list[str]:
    """Help as paragraphs; what begins with the program's name is set as it is typed."""
    lines: list[str] = []
    for block in re.split(r"\n\s*\n", text.strip()):
        typed = block.startswith(("custody ", "CUSTODY_"))
        lines += [".PP", ".nf", ".RS 2"] if typed else [".PP"]
        lines += [inline(line.strip()) for line in block.splitlines()]
        lines += [".RE", ".fi"] if typed else []
    return lines


def options(command: Any) -> list[str]:
    """Each option with what it means and what is taken without it."""
    lines: list[str] = []
    for each in command.params:
        if each.param_type_name == "option" and not _is_hidden(each):
            word = "" if each.is_flag else f" {_word(each)}"
            taken = each.default if isinstance(each.default, (str, int)) and not isinstance(each.default, bool) else ""
            facts = [f"default {taken}" if taken not in ("", None) else "", "required" if each.required else ""]
            said = "; ".join(fact for fact in facts if fact)
            lines += item(f"{', '.join(each.opts)}{word}", f"{each.help or ''}{f' ({said})' if said else ''}".strip())
    return lines


def section(title: str, *lines: str) -> list[str]:
    """A heading and its lines."""
    return [f".SH {title}", *lines]


def item(term: str, text: str) -> list[str]:
    """A term, and what it means below it."""
    return [".TP", f"\\fB{inline(term)}\\fR", inline(text)]


def inline(text: str) -> str:
    """Text that roff sets as it stands."""
    set_as_is = text.replace("\\", "\\e").replace("-", "\\-").replace("``", "")
    return f"\\&{set_as_is}" if set_as_is.startswith((".", "'")) else set_as_is


def _word(parameter: Any) -> str:
    """What stands for its value; the values themselves where they are few."""
    annotation = parameter.type_descriptor.annotation
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return "|".join(each.value for each in annotation)
    return str(parameter.metavar or parameter.name.upper())


def _is_hidden(parameter: Any) -> bool:
    return bool(getattr(parameter, "hidden", False))


if __name__ == "__main__":
    FILE.write_text(manual())
