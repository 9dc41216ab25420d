"""What the documents say of the code is so: parts taken from it are fresh, and whatever they name is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.architecture.pages import MARKED, PARTS, REPOSITORY, pages, rendered

LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")
NAMED_TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
NAMED_FILE = re.compile(r"`((?:custody|policies|workers|config|demo|tests|benchmarks|docs)/[\w./-]+\.\w+)(?:::\w+)?`")
NAMED_TARGET = re.compile(r"`(?:\w+=\S+ )?make ([\w-]+)")
ADR = re.compile(r"(\d{4})-[a-z0-9-]+\.md")


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_parts_from_the_code_are_fresh(page: Path) -> None:
    assert page.read_text() == rendered(page.read_text()), "run: .venv/bin/python -m tests.architecture.pages"


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
