"""Test contracts: our own Solidity under ``sources``, compiled into ``compiled.json`` by ``make contracts``.

The tests need no compiler: they use what was compiled, and one of them fails when a source is newer than that.
"""

from __future__ import annotations

import functools
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
COMPILED = FOLDER / "compiled.json"


@dataclass(frozen=True)
class Artefact:
    """One compiled contract: its interface and its creation code, constructor arguments not included."""

    name: str
    abi: list[dict[str, Any]]
    bytecode: bytes


def artefact(name: str) -> Artefact:
    """The compiled contract ``name``; ``KeyError`` when there is none."""
    found = compiled()["contracts"][name]
    return Artefact(name, found["abi"], bytes.fromhex(found["bytecode"]))


def names() -> list[str]:
    """Every contract there is."""
    return list(compiled()["contracts"])


@functools.cache
def compiled() -> dict[str, Any]:
    """The file as it is: compiler, settings, the hash of each source, contracts."""
    found: dict[str, Any] = json.loads(COMPILED.read_text())
    return found


def sources() -> dict[str, str]:
    """Each source file's name and text."""
    return {path.name: path.read_text() for path in sorted((FOLDER / "sources").glob("*.sol"))}


def source_hashes() -> dict[str, str]:
    """The sha256 of each source as it is now."""
    return {name: hashlib.sha256(text.encode()).hexdigest() for name, text in sources().items()}
