"""What a statement did: the plan it was carried out by, node by node, and the rows it read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import text


def plan_of(session: Any, statement: Any, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    """Every node of the plan that was carried out."""
    (answer,) = session.execute(text(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}"), parameters).scalar_one()
    return list(_nodes(answer["Plan"]))


def rows_read(plan: Sequence[dict[str, Any]], table: str) -> int:
    """How many rows of one table were looked at, whether they were of use or not."""
    read = ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Index Recheck")
    found = [node for node in plan if node.get("Relation Name") == table and node["Node Type"] != "ModifyTable"]
    return sum(round(sum(node.get(name, 0) for name in read) * node["Actual Loops"]) for node in found)


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for each in node.get("Plans", ()):
        yield from _nodes(each)
