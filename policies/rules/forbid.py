"""``forbid``: any match denies, whatever permits; an unknown fact counts as a match."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from policies.matches import Match, read_match
from policies.names import Names
from policies.strict_yaml import Item

NAMES: Final = frozenset({"forbid", "match"})


@dataclass(frozen=True, slots=True)
class Forbid:
    """Denies what matches."""

    title: str
    match: Match
    kind: ClassVar[str] = "forbid"


def read(title: str, entries: dict[str, Item], names: Names) -> Forbid:
    """Read one ``forbid`` rule. Raises ``PolicyError``."""
    return Forbid(title, read_match(entries["match"], names))
