"""Every adversarial case that is built is played by a test that ends in the whole check."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

import pytest

from tests.support import oracle

TESTS = Path(__file__).parents[1]
BUILT = frozenset(
    f"P-{number:03d}"
    for numbers in (
        range(1, 27),
        (28, 29),
        range(30, 36),
        range(37, 43),
        range(43, 60),
        range(60, 70),
        range(71, 75),
        range(76, 97),
        (102, 111, 112, 113, 114, 115, 116, 117, 119),
    )
    for number in numbers
)
"""Of the catalogue of adversarial cases: the numbers of what exists here."""


def played() -> dict[str, list[str]]:
    """Case to the tests that carry ``@plays`` for it; a test is what pytest would collect as one."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(TESTS.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                for case in _cases_of(node):
                    found[case].append(f"{path.relative_to(TESTS)}::{node.name}")
    return found


def _cases_of(function: ast.FunctionDef) -> list[str]:
    """Of the marks on the test and on its parameters."""
    calls = [node for mark in function.decorator_list for node in ast.walk(mark) if isinstance(node, ast.Call)]
    named = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == oracle.plays.__name__]
    return [str(case.value) for call in named for case in call.args if isinstance(case, ast.Constant)]


def test_every_case_that_is_built_is_played_to_the_whole_check() -> None:
    found = played()
    assert sorted(BUILT - found.keys()) == []
    assert sorted(found.keys() - BUILT) == [], "no such case is built"


def test_who_plays_a_case_and_asks_for_no_whole_check_fails() -> None:
    with pytest.raises(AssertionError, match="whole check"), oracle.must_end_whole():
        pass
