"""Everything the cosigner's program can reach by imports is on a short list, ours and others'."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.architecture.imports import imports_of

REPOSITORY = Path(__file__).parents[2]
OURS = (
    "custody.cosigner", "custody.kernel", "custody.evidence", "custody.chains.bitcoin.offline",
    "custody.chains.ethereum.offline", "policies",
)  # fmt: skip
# Packages on the way to the ones above; their __init__ holds a docstring and no more than the version.
ON_THE_WAY = {"custody", "custody.chains", "custody.chains.bitcoin", "custody.chains.ethereum"}
OTHERS = {"bdkpython", "bitcoin", "coincurve", "cryptography", "embit", "pkcs11", "rfc8785", "sha3", "tzdata", "yaml"}


def file_of(module: str) -> Path | None:
    path = REPOSITORY.joinpath(*module.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.exists():
            return candidate
    return None


def module_of(name: str) -> str | None:
    """The module of ours that ``module`` or ``module.attribute`` names."""
    for candidate in (name, name.rpartition(".")[0]):
        if candidate and file_of(candidate):
            return candidate
    return None


def reachable(room: str = "cosigner") -> tuple[set[str], set[str]]:
    """Modules of ours and top-level packages of others that importing any part of the room can import."""
    files = (REPOSITORY / "custody" / room).rglob("*.py")
    waiting = [".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__") for path in files]
    ours: set[str] = set()
    others: set[str] = set()
    while waiting:
        module = waiting.pop()
        if module in ours:
            continue
        ours.add(module)
        parent = module.rpartition(".")[0]
        path = file_of(module)
        assert path is not None
        names = [*imports_of(path), *([parent] if parent else [])]
        waiting += [found for name in names if (found := module_of(name))]
        others |= {name.split(".")[0] for name in names if not module_of(name)}
    return ours, others


def test_reaches_only_the_rooms_it_shares() -> None:
    strangers = [
        module
        for module in reachable()[0]
        if module not in ON_THE_WAY and not any(module == room or module.startswith(f"{room}.") for room in OURS)
    ]
    assert strangers == []


def test_reaches_only_the_libraries_of_its_own_lock_file() -> None:
    assert reachable()[1] - set(sys.stdlib_module_names) - OTHERS == set()


def test_the_packages_on_the_way_import_nothing() -> None:
    for module in ON_THE_WAY:
        path = file_of(module)
        assert path is not None
        assert set(imports_of(path)) <= {"__future__.annotations"}


def test_follows_imports_through_the_shared_rooms() -> None:
    ours, others = reachable()
    assert "custody.kernel.errors" in ours
    assert "rfc8785" in others
