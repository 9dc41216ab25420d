"""No float touches money: where amounts are, there is none, no number with a point and no division that makes one."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[2]
MONEY = (
    *("custody/kernel", "custody/evidence", "custody/ledger", "custody/deposits", "custody/movements"),
    *("custody/spends", "custody/withdrawals", "custody/reconciliation", "custody/reports", "custody/trust"),
    *("custody/chains/bitcoin/offline", "custody/chains/ethereum/offline", "policies"),
    *("custody/chains/spending.py", "custody/chains/ethereum/planning.py", "custody/chains/ethereum/spending.py"),
    *("custody/chains/ethereum/terms.py", "custody/chains/ethereum/settling.py", "custody/chains/bitcoin/terms.py"),
)

REFUSES_THEM = HOUSE / "custody/kernel/canonical.py"
"""Names the type to keep it out of JSON."""


def floats_in(source: str) -> list[int]:
    """The lines on which a float may come to be."""
    return sorted(node.lineno for node in ast.walk(ast.parse(source)) if _may_be_float(node))


def _may_be_float(node: ast.AST) -> bool:
    if isinstance(node, ast.Constant):
        return isinstance(node.value, float)
    if isinstance(node, ast.Name):
        return node.id == "float"
    return isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div)


def sources() -> Iterator[Path]:
    for name in MONEY:
        place = HOUSE / name
        found = [place] if place.is_file() else sorted(place.rglob("*.py"))
        yield from (path for path in found if path != REFUSES_THEM)


@pytest.mark.parametrize("path", list(sources()), ids=lambda path: str(path.relative_to(HOUSE)))
def test_p013_no_float_where_money_is(path: Path) -> None:
    assert floats_in(path.read_text()) == []


@pytest.mark.parametrize("source", ["a = 0.5", "a = float(b)", "a = b / c", "a /= b", "def f(a: float) -> None: ..."])
def test_finds_every_way_a_float_comes_to_be(source: str) -> None:
    assert floats_in(source) == [1]


def test_whole_numbers_are_let_through() -> None:
    assert floats_in("a = b // c * 10**8 + 1") == []
