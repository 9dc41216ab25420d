"""Counting people against obligations: one human counts once, in whichever group needs that human most.

Roles are asked of those who count: each required role is held by one of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from policies.obligations import Obligations


@dataclass(frozen=True, slots=True)
class Tally:
    """How far a request has got: who counts, how many of which group are still missing, and whether it is met."""

    approved: tuple[str, ...]
    """People whose approval counts (in a required group or role, the initiator never), sorted."""
    missing: Mapping[str, int]
    """Group to how many of its places nobody fills yet; empty when met."""
    met: bool
    missing_roles: tuple[str, ...] = ()
    """Required roles that none of them holds, sorted."""

    @property
    def missing_words(self) -> str:
        """``2 of operators, somebody who is compliance``; empty when met."""
        places = [f"{count} of {group}" for group, count in sorted(self.missing.items())]
        return ", ".join([*places, *(f"somebody who is {role}" for role in self.missing_roles)])


def satisfied(
    obligations: Obligations,
    groups: Mapping[str, Collection[str]],
    approvers: Iterable[str],
    *,
    initiator: str | None = None,
    roles: Mapping[str, Collection[str]] | None = None,
) -> Tally:
    """Match ``approvers`` (ids of humans, repeats ignored) to the places ``obligations`` ask for.

    ``operators: 2, risk: 1`` takes three people even where one of them is in both groups. A role is no place: who
    holds it may fill one as well, and one who holds two has both. The ``initiator`` never counts. A group nobody
    defined has no members, a role in no ``roles`` no holder. The delay is not the tally's. What it costs grows with the
    approvers, never with the number asked for, which somebody else may have written.
    """
    present = set(approvers) - {initiator}
    approved = tuple(sorted(present & whose_word_counts(obligations, groups, roles)))
    people = {person: _groups_of(person, obligations, groups) for person in approved}
    holders = {role: present & set((roles or {}).get(role, ())) for role in obligations.roles}
    required = obligations.approvals
    fillable = {group: min(required[group], sum(group in theirs for theirs in people.values())) for group in required}
    places = [(group, place) for group in sorted(fillable) for place in range(fillable[group])]
    filled = _matching(places, people)
    taken = Counter(group for group, _ in filled)
    missing = {group: count - taken[group] for group, count in sorted(required.items()) if count > taken[group]}
    missing_roles = tuple(role for role in sorted(holders) if not holders[role])
    return Tally(approved, missing, not missing and not missing_roles, missing_roles)


def whose_word_counts(
    obligations: Obligations, groups: Mapping[str, Collection[str]], roles: Mapping[str, Collection[str]] | None = None
) -> frozenset[str]:
    """Everybody who is in a required group or holds a required role: who may agree, and whose no ends it."""
    asked = [groups.get(group, ()) for group in obligations.approvals]
    return frozenset[str]().union(*asked, *((roles or {}).get(role, ()) for role in obligations.roles))


_Place = tuple[str, int]


def _groups_of(person: str, obligations: Obligations, groups: Mapping[str, Collection[str]]) -> frozenset[str]:
    return frozenset(group for group in obligations.approvals if person in groups.get(group, ()))


def _matching(places: list[_Place], people: Mapping[str, frozenset[str]]) -> dict[_Place, str]:
    """Largest matching, grown one augmenting path at a time; ties fall by name, so it is the same everywhere."""
    filled: dict[_Place, str] = {}
    for person in people:
        _seat(person, places, people, filled, set())
    return filled


def _seat(
    person: str,
    places: list[_Place],
    people: Mapping[str, frozenset[str]],
    filled: dict[_Place, str],
    tried: set[_Place],
) -> bool:
    for place in places:
        if place in tried or place[0] not in people[person]:
            continue
        tried.add(place)
        if place not in filled or _seat(filled[place], places, people, filled, tried):
            filled[place] = person
            return True
    return False
