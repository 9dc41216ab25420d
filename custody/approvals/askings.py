"""What intents ask of people, each kind of asking once: many intents wait, and they ask for few different things.

Whom an asking can still reach is decided here, of a handful of documents, and not by the database of every row.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from custody.kernel.canonical import parse_json

_AMONG: Final = text(
    """
    WITH RECURSIVE found (asking) AS (
        (SELECT asking FROM intents WHERE state = 'pending' ORDER BY asking LIMIT 1)
      UNION ALL
        SELECT (SELECT asking FROM intents WHERE state = 'pending' AND asking > found.asking ORDER BY asking LIMIT 1)
          FROM found WHERE found.asking IS NOT NULL
    )
    SELECT found.asking, one.approvals, one.roles FROM found, LATERAL (
        SELECT CAST(coalesce(obligations -> 'approvals', '{}') AS text) AS approvals,
               CAST(coalesce(obligations -> 'roles', '[]') AS text) AS roles
          FROM intents WHERE state = 'pending' AND asking = found.asking LIMIT 1
    ) AS one WHERE found.asking IS NOT NULL
    """
)
"""From one asking in the index to the next: as many steps as there are different ones."""


@dataclass(frozen=True, slots=True)
class Asking:
    """How many of which groups, and who of each role once."""

    id: int
    """Of ``intents.asking``: a hash of the rest, by the database."""
    approvals: tuple[tuple[str, int], ...]
    roles: tuple[str, ...]

    def is_beyond(self, groups: Mapping[str, Collection[str]], roles: Mapping[str, Collection[str]]) -> bool:
        """Whether there are too few people, whoever asked."""
        too_many = any(number > len(groups.get(group, ())) for group, number in self.approvals)
        return too_many or any(not roles.get(role) for role in self.roles)

    def beyond_if_asked_by(
        self, groups: Mapping[str, Collection[str]], roles: Mapping[str, Collection[str]]
    ) -> list[str]:
        """Who would leave too few by asking: nobody's own word counts for what he asked."""
        whole = [groups[group] for group, number in self.approvals if number == len(groups.get(group, ()))]
        alone = [roles[role] for role in self.roles if len(roles.get(role, ())) == 1]
        return sorted({person for people in (*whole, *alone) for person in people})


def askings_among(session: Session) -> tuple[Asking, ...]:
    """Every asking of what waits for people."""
    return tuple(_asking(*row) for row in session.execute(_AMONG))


@lru_cache(maxsize=1024)
def _asking(id_: int, approvals: str, roles: str) -> Asking:
    numbers: dict[str, Any] = parse_json(approvals, field="intents.decision.approvals")
    return Asking(id_, tuple(sorted(numbers.items())), tuple(parse_json(roles, field="intents.decision.roles")))
