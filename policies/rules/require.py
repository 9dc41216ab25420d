"""``require``: every match adds obligations; it never lets anything out; an unknown fact counts as a match."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from policies.matches import Match, read_match
from policies.names import Names, one_defined
from policies.obligations import Obligations, obligation_words
from policies.quantities import read_duration
from policies.strict_yaml import Item
from policies.tally import satisfied
from policies.vocabulary import CLEAR

_ADDS: Final = frozenset({"approvals", "delay", "roles", "screening", "reconciled"})
NAMES: Final = frozenset({"require", "match"}) | _ADDS
MAX_APPROVALS: Final = 100


@dataclass(frozen=True, slots=True)
class Require:
    """Adds obligations to what matches."""

    title: str
    match: Match
    obligations: Obligations
    kind: ClassVar[str] = "require"


def read(title: str, entries: dict[str, Item], names: Names) -> Require:
    """Read one ``require`` rule, whose people its groups and roles must be able to give. Raises ``PolicyError``."""
    if not _ADDS & entries.keys():
        entries["require"].refuse(
            "it requires nothing", accepted="approvals, delay, reconciled, roles, screening or several of them"
        )
    return Require(title, read_match(entries["match"], names), read_obligations(entries, names))


def read_obligations(entries: dict[str, Item], names: Names) -> Obligations:
    """Read approvals, delay, roles, screening and reconciled, as far as they are there. Raises ``PolicyError``."""
    if "screening" in entries:
        entries["screening"].one_of({CLEAR})
    return Obligations(
        _read_approvals(entries["approvals"], names) if "approvals" in entries else {},
        read_duration(entries["delay"]) if "delay" in entries else 0,
        _read_roles(entries["roles"], names) if "roles" in entries else (),
        "screening" in entries,
        read_duration(entries["reconciled"]) if "reconciled" in entries else None,
    )


def _read_approvals(item: Item, names: Names) -> dict[str, int]:
    wanted = item.mapping(names.groups)
    approvals = {group: entry.number(most=MAX_APPROVALS) for group, entry in sorted(wanted.items())}
    if not approvals:
        item.refuse("no group", accepted="a map of groups to how many of each")
    needed = Obligations(approvals)
    everybody = frozenset[str]().union(*names.groups.values())
    if not satisfied(needed, names.groups, everybody).met:
        item.refuse(f"{obligation_words(needed)}: not enough members", accepted="no more people than the groups have")
    return approvals


def _read_roles(item: Item, names: Names) -> tuple[str, ...]:
    roles = [one_defined(entry, names.roles, "role") for entry in item.one_or_more()]
    if len(set(roles)) != len(roles):
        item.refuse("the same role twice", accepted="each role once")
    return tuple(sorted(roles))
