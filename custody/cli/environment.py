"""Where settings come from: the process, then a file of NAME=VALUE lines."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

NEARBY: Final = Path(".custody/env")
"""What a demo leaves where it ran."""
_PREFIX: Final = "CUSTODY_"


def prepare(named: str) -> None:
    """Read the file that ``--env`` names over the environment; ``CUSTODY_ENV_FILE``, or else the nearby one where no
    database is set, below it. Raises ``InvalidInput`` for a line that is no setting.
    """
    if named:
        os.environ.update(_read(Path(named)))
        return
    other = os.environ.get("CUSTODY_ENV_FILE", "")
    path = Path(other) if other else _nearby()
    if path is not None:
        for name, value in _read(path).items():
            os.environ.setdefault(name, value)


def _nearby() -> Path | None:
    is_set = {"CUSTODY_DATABASE_URL", "CUSTODY_DATABASE_URL_FILE"} & os.environ.keys()
    return NEARBY if not is_set and NEARBY.is_file() else None


def _read(path: Path) -> dict[str, str]:
    from custody.kernel.errors import InvalidInput

    found = {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, sign, value = line.partition("=")
        if not sign or not name.strip().isidentifier():
            raise InvalidInput(f"line {number} is no setting; accepted is NAME=VALUE", field="env")
        if name.strip().startswith(_PREFIX):
            found[name.strip()] = value.strip()
    return found
