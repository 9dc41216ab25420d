"""How another policy document stands to the one in force, asked of the program that operators ask on their machines.

The solver takes processor time for seconds: it runs in a process of its own, one at a time, that ends with its limit.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any, Final

from custody.kernel.errors import Unavailable

LIMIT_SECONDS: Final = 30
_ONE: Final = threading.Lock()


class NotCompared(Unavailable):
    """The documents were not compared in time, or somebody else's are being compared."""

    code = "not-compared"


def compared(before: str, after: str) -> list[dict[str, Any]]:
    """For each kind of request on which they differ: how ``after`` stands to ``before``, with a request that shows it.

    Both are documents that can be read. Raises ``NotCompared``.
    """
    if not _ONE.acquire(blocking=False):
        raise NotCompared("another comparison runs; ask again once it is done", field="document")
    try:
        with tempfile.TemporaryDirectory() as folder:
            return _asked(Path(folder), before, after)
    finally:
        _ONE.release()


def _asked(folder: Path, before: str, after: str) -> list[dict[str, Any]]:
    files = [folder / "before.yaml", folder / "after.yaml"]
    for file, words in zip(files, (before, after), strict=True):
        file.write_text(words)
    program = [sys.executable, "-m", "custody.cli.main", "policy", "diff"]
    command = [*program, *(str(file) for file in files), "--format", "json"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=LIMIT_SECONDS, check=False)
        found: list[dict[str, Any]] = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, ValueError) as error:
        said = f"not proved within {LIMIT_SECONDS} s; custody policy diff has no such limit"
        raise NotCompared(said, field="document") from error
    return [each for each in found if each["relation"] != "equivalent"]
