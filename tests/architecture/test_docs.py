"""What the documents say of the code is so: parts taken from it are fresh, and whatever they name is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from custody.cli.exits import program
from custody.cli.main import app
from tests.architecture import reference
from tests.architecture.pages import MARKED, PARTS, REPOSITORY, pages, rendered

LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")
NAMED_TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
NAMED_FILE = re.compile(r"`((?:custody|policies|workers|config|demo|tests|benchmarks|docs)/[\w./-]+\.\w+)(?:::\w+)?`")
NAMED_TARGET = re.compile(r"`(?:\w+=\S+ )?make ([\w-]+)")
NAMED_COMMAND = re.compile(r"`custody ([a-z-]+)(?: ([a-z-]+))?")
BLOCK = re.compile(r"^ *```(?:sh|text)?\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^ *(?:\$ )?(?:\w+=\S+ )*(?:\.venv/bin/)?(custody [a-z].*)$")
MOST_BYTES = 150_000
ADR = re.compile(r"(\d{4})-[a-z0-9-]+\.md")


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_parts_from_the_code_are_fresh(page: Path) -> None:
    assert page.read_text() == rendered(page.read_text()), "run: .venv/bin/python -m tests.architecture.pages"


def test_the_reference_of_the_api_is_as_the_contract_makes_it() -> None:
    files = reference.made()
    assert set(files) - {reference.INDEX} == set(reference.FOLDER.glob("*.md"))
    stale = [path.name for path, text in files.items() if path.read_text() != text]
    assert stale == [], "run: .venv/bin/python -m tests.architecture.pages"
    links = LINK.findall(files[reference.INDEX])
    assert [link for link in links if not (REPOSITORY / link).exists()] == []


def test_every_part_stands_in_some_page() -> None:
    assert {found[1] for page in pages() for found in MARKED.findall(page.read_text())} == set(PARTS)


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_links_lead_somewhere(page: Path) -> None:
    assert [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_files_it_names_are_there(page: Path) -> None:
    assert [name for name in NAMED_FILE.findall(page.read_text()) if not (REPOSITORY / name).exists()] == []


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_tests_it_names_are_there(page: Path) -> None:
    missing = [name for path, name in NAMED_TEST.findall(page.read_text()) if name not in functions(REPOSITORY / path)]
    assert missing == []


def test_make_targets_it_names_are_there() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    assert {name for page in pages() for name in NAMED_TARGET.findall(page.read_text())} <= targets


TASKS = (
    "docs/operate/README.md",
    "docs/integrate.md",
    "docs/hold-a-key.md",
    "docs/audit.md",
    "docs/change-the-policy.md",
    "docs/runbooks/README.md",
)


@pytest.mark.parametrize("name", TASKS)
def test_a_page_for_a_task_begins_with_it_and_ends_with_how_one_knows(name: str) -> None:
    text = (REPOSITORY / name).read_text().strip()
    assert text.split("\n\n")[1].startswith("You want ")
    assert text.split("\n\n")[-1].startswith("**How you know it worked.** ")
    assert f"]({name})" in (REPOSITORY / "README.md").read_text()


def test_commands_they_show_are_there_with_their_options() -> None:
    """Every ``custody …`` in a block of the documents; what it does with them is for the tests of the commands."""
    top = program(app)
    wrong, seen = [], 0
    for page in pages():
        for line in commands(page.read_text()):
            command, words = top, line.split()[1:]
            while words and words[0] in getattr(command, "commands", {}):
                command, words = command.commands[words[0]], words[1:]
            known = {option for each in (top, command) for parameter in each.params for option in parameter.opts}
            options = {word.partition("=")[0] for word in words if word.startswith("--")}
            seen += 1
            if getattr(command, "commands", None) or not options <= known | {"--help"}:
                wrong.append(f"{page.name}: {line}")
    assert wrong == []
    assert seen > 30


def test_commands_they_name_are_there() -> None:
    """Every `custody …` in a line of the documents, as far as it is made of groups and a command."""
    top, wrong = program(app).commands, []
    for page in pages():
        for group, name in NAMED_COMMAND.findall(page.read_text()):
            below = getattr(top.get(group), "commands", {})
            if group not in top or (below and name and name not in below):
                wrong.append(f"{page.name}: custody {group} {name}")
    assert wrong == []


def commands(text: str) -> list[str]:
    """Lines of blocks that run ``custody``, each with what is carried over, without its remark."""
    joined = [line for block in BLOCK.findall(text) for line in block.replace("\\\n", " ").splitlines()]
    found = [COMMAND.search(line) for line in joined]
    return [match[1].split(" #")[0].split(" | ")[0] for match in found if match]


def test_pictures_are_small_whole_and_shown() -> None:
    text = (REPOSITORY / "README.md").read_text()
    pictures = sorted((REPOSITORY / "docs/pictures").iterdir())
    assert [picture.name for picture in pictures] == ["cosigner.png", "queue.png"]
    for picture in pictures:
        content = picture.read_bytes()
        assert content.startswith(b"\x89PNG\r\n") and content.endswith(b"IEND\xaeB`\x82")
        assert len(content) <= MOST_BYTES
        assert re.search(rf"!\[[^]]{{40,}}\]\(docs/pictures/{picture.name}\)", text), "with words for who cannot see it"
        assert "readme-$name.png docs/pictures/$name.png" in (REPOSITORY / "CONTRIBUTING.md").read_text()


def test_decisions_are_numbered_without_gaps() -> None:
    numbers = sorted(int(found[1]) for page in pages() if (found := ADR.fullmatch(page.name)))
    assert numbers == list(range(1, len(numbers) + 1))


def test_sees_a_stale_part() -> None:
    stale = "<!-- from the code: import-order -->\nworkers\n<!-- end -->"
    assert rendered(stale) != stale
    assert rendered(rendered(stale)) == rendered(stale)


def functions(path: Path) -> set[str]:
    if not path.exists():
        return set()
    return {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)}
