"""What import contracts cannot say without naming each room: tables are private, and every room has a shelf."""

from __future__ import annotations

import configparser
from pathlib import Path

import pytest

from tests.architecture.imports import imports_of

REPOSITORY = Path(__file__).parents[2]
PACKAGES = ("custody", "policies", "config", "workers")
FORBIDDEN_NAMES = {"utils", "helpers", "common", "manager", "base", "misc", "tools", "lib"}
# Declared by SQLAlchemy's own word for it, and imported as custody.db.Base.
ALLOWED_PATHS = {"custody/db/base.py"}


def sources() -> list[Path]:
    return sorted(path for package in PACKAGES for path in (REPOSITORY / package).rglob("*.py"))


def rooms() -> list[str]:
    return sorted(
        {path.relative_to(REPOSITORY / "custody").parts[0] for path in (REPOSITORY / "custody").glob("*/*.py")}
    )


def room_of(path: Path) -> str:
    return "/".join(path.relative_to(REPOSITORY).parts[:2])


def foreign_tables(path: Path) -> list[str]:
    found = []
    for name in imports_of(path):
        parts = name.split(".")
        if "tables" in parts and "/".join(parts[:2]) != room_of(path):
            found.append(name)
    return found


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_uses_no_tables_of_another_room(path: Path) -> None:
    assert foreign_tables(path) == []


def test_sees_an_import_of_foreign_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.REPOSITORY", tmp_path)
    path = tmp_path / "custody" / "spends" / "queries.py"
    path.parent.mkdir(parents=True)
    path.write_text("from custody.ledger.tables import Row\nfrom custody.spends.tables import Own\n")
    assert foreign_tables(path) == ["custody.ledger.tables.Row"]


@pytest.mark.parametrize("room", rooms())
def test_every_room_has_a_shelf(room: str) -> None:
    contracts = configparser.ConfigParser()
    contracts.read(REPOSITORY / ".importlinter")
    shelves = contracts["importlinter:contract:shelves"]["layers"]
    named = shelves.replace("(", " ").replace(")", " ").replace("|", " ").split()
    assert f"custody.{room}" in named or room in ("cosigner", "statuskeeper")


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_no_module_has_a_name_that_says_nothing(path: Path) -> None:
    relative = path.relative_to(REPOSITORY)
    assert str(relative) in ALLOWED_PATHS or not FORBIDDEN_NAMES & set(relative.with_suffix("").parts)


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_no_module_grows_past_its_ceiling(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 500
