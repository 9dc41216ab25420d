"""Third-party test vectors: found beside the repository, or where CUSTODY_VECTORS points.

They are not part of the repository. Without them a module that asks for a file is left out with one line; where
CI=true it fails instead, so nobody loses them unawares.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

_BESIDE = Path(__file__).resolve().parents[2].parent / "shared" / "vectors"


def directory() -> Path:
    """Where the vectors are, or would be."""
    return Path(os.environ.get("CUSTODY_VECTORS") or _BESIDE)


def rows(name: str, *kinds: str) -> list[Any]:
    """The rows of one file, of these kinds (all without any), as parameters named by their ids."""
    path = directory() / f"{name}.json"
    if not path.exists():
        _leave_out(name)
    found = json.loads(path.read_text())
    chosen = [row for row in found if not kinds or row["kind"] in kinds]
    assert chosen, f"{name} has no rows of {kinds}"
    return [pytest.param(row, id=row["id"]) for row in chosen]


def _leave_out(name: str) -> None:
    message = f"vectors left out: {name}.json is not there (set CUSTODY_VECTORS)"
    if os.environ.get("CI") == "true":
        pytest.fail(message, pytrace=False)
    pytest.skip(message, allow_module_level=True)
