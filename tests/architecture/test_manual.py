"""The manual page is the tree of commands as it is now, and goes where ``man`` looks."""

from __future__ import annotations

import tomllib

from custody.cli.main import app
from tests.architecture.manual import FILE, inline, manual
from tests.architecture.pages import REPOSITORY
from tests.unit.cli.test_command_line import named_commands


def test_is_written_from_the_tree() -> None:
    assert FILE.read_text() == manual(), "run python -m tests.architecture.manual"


def test_names_every_command_with_its_options() -> None:
    """Walked here by another way than the page was written."""
    parts = {part.splitlines()[0]: part for part in FILE.read_text().split("\n.SS ")[1:]}
    for name, command in named_commands(app, "custody"):
        if command.hidden:
            continue
        (part,) = [text for head, text in parts.items() if _is_of(head, inline(name))]
        shown = [
            each for parameter in command.params if not getattr(parameter, "hidden", False) for each in parameter.opts
        ]
        missing = [each for each in shown if each.startswith("--") and inline(each) not in part]
        assert missing == [], name
        assert " ".join((command.help or "").split("\n")[0].split()[:3]) in part.replace("\\-", "-"), name


def _is_of(head: str, name: str) -> bool:
    """Whether what follows the name in a heading are arguments alone, which are no commands."""
    rest = head.removeprefix(name)
    return head.startswith(name) and (not rest or rest.strip("[ ")[0].isupper() or "|" in rest or "…" in rest)


def test_is_shipped_where_man_looks() -> None:
    shipped = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["setuptools"]["data-files"]
    assert shipped == {"share/man/man1": [str(FILE.relative_to(REPOSITORY))]}
