"""What a request must still get before it may go: people, roles, a wait, a clear screening, fresh books."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from policies.facts import Facts
from policies.quantities import duration_words
from policies.vocabulary import CLEAR


@dataclass(frozen=True, slots=True)
class Obligations:
    """Everything that is asked for at once. Several rules join: never less than any of them."""

    approvals: Mapping[str, int] = field(default_factory=dict)
    """Group name to how many of its members; one human counts once over all groups."""
    delay_seconds: int = 0
    roles: tuple[str, ...] = ()
    """Sorted. Each is held by somebody whose approval counts; the same human may fill a place of a group as well."""
    screening: bool = False
    """Whether a clear screening result must stand at signing."""
    reconciled_seconds: int | None = None
    """How long ago, at most, the vault was reconciled at signing; ``None`` asks for nothing."""

    def __bool__(self) -> bool:
        return self.asks_people or self.delay_seconds > 0 or self.screening or self.reconciled_seconds is not None

    @property
    def asks_people(self) -> bool:
        """Whether anybody has to agree."""
        return bool(self.approvals) or bool(self.roles)

    def join(self, other: Obligations) -> Obligations:
        """Both at once: per group the highest count, the longest delay, all roles, the freshest books."""
        groups = sorted({*self.approvals, *other.approvals})
        ages = [age for age in (self.reconciled_seconds, other.reconciled_seconds) if age is not None]
        return Obligations(
            {group: max(self.approvals.get(group, 0), other.approvals.get(group, 0)) for group in groups},
            max(self.delay_seconds, other.delay_seconds),
            tuple(sorted({*self.roles, *other.roles})),
            self.screening or other.screening,
            min(ages, default=None),
        )


def outstanding(obligations: Obligations, facts: Facts) -> list[str]:
    """What the facts still owe to ``obligations``, in plain words; empty when nothing. An unknown fact owes.

    People and the delay are not asked here: ``tally.satisfied`` counts the ones, a clock the other.
    """
    owed = []
    if obligations.screening and facts.screening != CLEAR:
        owed.append(f"screening is {facts.screening or 'not known'}, and must be {CLEAR}")
    limit, age = obligations.reconciled_seconds, facts.books_age_seconds
    if limit is not None and (age is None or not 0 <= age <= limit):
        found = "not known" if age is None or age < 0 else f"{duration_words(age)} ago"
        owed.append(f"the last reconciliation is {found}, and must be at most {duration_words(limit)} ago")
    return owed


def obligation_words(obligations: Obligations) -> str:
    """``2 of operators and 1 of risk agree, and 24h have passed``."""
    people = " and ".join(f"{count} of {group}" for group, count in sorted(obligations.approvals.items()))
    roles = " and ".join(obligations.roles)
    age = obligations.reconciled_seconds
    parts = [
        f"{people} agree" if people else "",
        f"somebody who is {roles} agrees" if len(obligations.roles) == 1 else "",
        f"people who are {roles} agree" if len(obligations.roles) > 1 else "",
        f"{duration_words(obligations.delay_seconds)} have passed" if obligations.delay_seconds else "",
        f"screening is {CLEAR}" if obligations.screening else "",
        "" if age is None else f"the vault was reconciled within {duration_words(age)}",
    ]
    return ", and ".join(part for part in parts if part)
