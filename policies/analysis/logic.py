"""Formulas that are plain ``True`` and ``False`` where they can be, and truths of three values.

A formula is a ``bool`` or a z3 expression. Folding constants here keeps what the solver sees small, and needs no
context where nothing is left to solve.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

Formula = Any
"""``bool`` or ``z3.BoolRef``; z3 has no types to speak of."""
Number = Any
"""``int`` or ``z3.ArithRef``."""


def every(parts: Iterable[Formula]) -> Formula:
    """All of ``parts``; true of none."""
    kept = []
    for part in parts:
        if part is False:
            return False
        if part is not True:
            kept.append(part)
    return _joined(kept, "And", empty=True)


def some(parts: Iterable[Formula]) -> Formula:
    """One of ``parts`` at least; false of none."""
    kept = []
    for part in parts:
        if part is True:
            return True
        if part is not False:
            kept.append(part)
    return _joined(kept, "Or", empty=False)


def negated(part: Formula) -> Formula:
    """Not ``part``."""
    import z3

    return (not part) if isinstance(part, bool) else z3.Not(part)


def implies(first: Formula, then: Formula) -> Formula:
    """``then`` wherever ``first``."""
    return some([negated(first), then])


def differ(first: Formula, second: Formula) -> Formula:
    """One of the two and not the other."""
    return some([every([first, negated(second)]), every([second, negated(first)])])


def count(parts: Iterable[Formula]) -> Number:
    """How many of ``parts`` are true."""
    import z3

    parts = list(parts)
    sure = sum(part is True for part in parts)
    open_parts = [z3.If(part, 1, 0) for part in parts if not isinstance(part, bool)]
    return z3.Sum(open_parts) + sure if open_parts else sure


def largest(steps: Sequence[tuple[Formula, int]]) -> Number:
    """The largest number whose formula is true, 0 where none is."""
    import z3

    found: Number = 0
    for formula, number in sorted(steps, key=lambda step: step[1]):
        if formula is True:
            found = number
        elif formula is not False:
            found = z3.If(formula, number, found)
    return found


def at_least(left: Number, right: Number) -> Formula:
    """``left`` is not less than ``right``."""
    return left >= right


def unequal(left: Number, right: Number) -> Formula:
    """The two numbers are not the same."""
    return left != right


class Truth(NamedTuple):
    """Known to be so, known not to be so, or neither: never both."""

    yes: Formula
    no: Formula

    @property
    def not_no(self) -> Formula:
        """True or unknown: what counts for a ``forbid`` and a ``require``."""
        return negated(self.no)


SURE = Truth(yes=True, no=False)
NEVER = Truth(yes=False, no=True)


def known(known_if: Formula, holds: Formula) -> Truth:
    """A truth that is unknown unless ``known_if``."""
    return Truth(every([known_if, holds]), every([known_if, negated(holds)]))


def all_hold(truths: Iterable[Truth]) -> Truth:
    """One that is known to be false decides; otherwise one that is unknown leaves it unknown."""
    listed = list(truths)
    return Truth(every(truth.yes for truth in listed), some(truth.no for truth in listed))


def _joined(kept: list[Formula], joiner: str, *, empty: bool) -> Formula:
    import z3

    if not kept:
        return empty
    return kept[0] if len(kept) == 1 else getattr(z3, joiner)(*kept)
