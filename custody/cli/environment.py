"""Where settings come from: the process, then a file of NAME=VALUE lines."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

NEARBY: Final = Path(".custody/env")
"""What a demo leaves where it ran."""
_PREFIX: Final = "CUSTODY_"
_ORIGINS: dict[str, str] = {}
"""Settings that a file gave, and which; with ``--env`` in front where it was named on the command line."""


def prepare(named: str) -> None:
    """Read the file that ``--env`` names over the environment; ``CUSTODY_ENV_FILE``, or else the nearby one where no
    database is set, below it. Raises ``InvalidInput`` for a line that is no setting.
    """
    _ORIGINS.clear()
    if named:
        given = _read(Path(named))
        os.environ.update(given)
        _ORIGINS.update(dict.fromkeys(given, f"--env {named}"))
        return
    other = os.environ.get("CUSTODY_ENV_FILE", "")
    path = Path(other) if other else _nearby()
    if path is not None:
        for name, value in _read(path).items():
            if os.environ.setdefault(name, value) == value:
                _ORIGINS[name] = str(path)


def origin(name: str) -> str:
    """Where the setting that is in force comes from: ``--env`` FILE, a file, or the process's own environment."""
    return _ORIGINS.get(name, "environment")


def line(networks: Sequence[str], name: str) -> str:
    """Where a command acts, as people recognise it: ``regtest · demo``, and in capitals where money is real."""
    from config.chains import TEST_NETWORKS

    where = " + ".join(each if each in TEST_NETWORKS else each.upper() for each in networks)
    return f"{where} · {name}" if name else where


def here(name: str) -> str:
    """The same from the settings alone, for commands that speak to the API at ``name``; empty where none is set."""
    named = os.environ.get("CUSTODY_CHAINS", "") or os.environ.get("CUSTODY_NETWORK", "")
    return line([each.strip() for each in named.split(",")], name) if named else name


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
