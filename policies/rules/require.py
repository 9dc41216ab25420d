"""``require``: every match adds people or a delay; it never lets anything out; an unknown fact counts as a match."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from policies.conditions import Match, read_match
from policies.decision import Obligations, obligation_words
from policies.quantities import read_duration
from policies.rules.shape import Groups
from policies.strict_yaml import Item
from policies.tally import satisfied

NAMES: Final = frozenset({"require", "match", "approvals", "delay"})
MAX_APPROVALS: Final = 100


@dataclass(frozen=True, slots=True)
class Require:
    """Adds obligations to what matches."""

    title: str
    match: Match
    obligations: Obligations
    kind: ClassVar[str] = "require"


def read(title: str, entries: dict[str, Item], groups: Groups) -> Require:
    """Read one ``require`` rule, whose approvals its groups must be able to give. Raises ``PolicyError``."""
    approvals = _read_approvals(entries["approvals"], groups) if "approvals" in entries else {}
    delay_seconds = read_duration(entries["delay"]) if "delay" in entries else 0
    if not approvals and not delay_seconds:
        entries["require"].refuse("it requires nothing", accepted="approvals, delay or both")
    return Require(title, read_match(entries["match"]), Obligations(approvals, delay_seconds))


def _read_approvals(item: Item, groups: Groups) -> dict[str, int]:
    approvals = {group: entry.number(most=MAX_APPROVALS) for group, entry in sorted(item.mapping(groups).items())}
    if not approvals:
        item.refuse("no group", accepted="a map of groups to how many of each")
    needed = Obligations(approvals)
    everybody = frozenset[str]().union(*groups.values())
    if not satisfied(needed, groups, everybody).met:
        item.refuse(f"{obligation_words(needed)}: not enough members", accepted="no more people than the groups have")
    return approvals
