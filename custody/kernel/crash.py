"""Named crash points: ``CRASH_AT=name`` ends the process there with SIGKILL, as a power cut would.

The environment is read once, at import; without it a point costs one comparison. A process forked from one that
has imported everything arms itself with ``arm``. The list of points is taken from the source by ``points_in``, so
a test cannot forget one.
"""

from __future__ import annotations

import ast
import os
import signal
from pathlib import Path

_armed = os.environ.get("CRASH_AT", "")


def crash_point(name: str) -> None:
    """Die here, uncleanly, if this point was named in ``CRASH_AT``."""
    if _armed and name == _armed:
        os.kill(os.getpid(), signal.SIGKILL)


def arm(name: str) -> None:
    """From now on this process dies at the point ``name``; with an empty name, at none."""
    global _armed
    _armed = name


def points_in(*roots: Path) -> list[str]:
    """Every name passed to ``crash_point`` under ``roots``, sorted."""
    found: set[str] = set()
    for path in (path for root in roots for path in root.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "crash_point":
                argument = node.args[0]
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    found.add(argument.value)
    return sorted(found)
