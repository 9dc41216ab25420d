"""Looking for a request that makes a formula true, and for one that a person can read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from custody.kernel.errors import Unavailable
from policies.analysis.alphabet import Alphabet
from policies.analysis.counts import Counts
from policies.analysis.logic import Formula, every, negated
from policies.analysis.passage import Crowd
from policies.analysis.request import Request

SOLVER_LIMIT_MILLISECONDS: Final = 120_000
"""For one question; shipped documents take milliseconds."""
TIDYING_LIMIT_MILLISECONDS: Final = 2_000
"""For one attempt to make what was found more ordinary."""

Wishes = Callable[[Callable[[], Any]], Iterable[Formula]]
"""Formulas that would make a model more ordinary, each yielded with a view of the model so far."""


class Unsolved(Unavailable):
    """The solver gave up on a question: nothing is proved either way."""

    code = "policy-analysis-unsolved"
    retryable = False


class Space:
    """Every request of one kind, every count, every set of people: what is searched."""

    def __init__(self, alphabet: Alphabet, kind: str) -> None:
        import z3

        self.context = z3.Context()
        self.alphabet = alphabet
        self.request = Request(self.context, alphabet, kind)
        self.counts = Counts(self.context)
        self.crowd = Crowd(self.context, self.request)

    def find(self, wanted: Formula, ordinary: Wishes | None = None) -> Any | None:
        """A model of ``wanted``, or ``None`` where there is none. Raises ``Unsolved``.

        ``ordinary`` yields wishes, given the model so far: each is granted where ``wanted`` leaves room for it.
        """
        import z3

        if wanted is False:
            return None
        solver = z3.Solver(ctx=self.context)
        solver.set("timeout", SOLVER_LIMIT_MILLISECONDS)
        solver.add(*_listed([wanted, self.request.within(), self.counts.within(), self.crowd.within()]))
        answer = solver.check()
        if answer == z3.unsat:
            return None
        if answer != z3.sat:
            raise Unsolved(f"the solver gave up: {solver.reason_unknown()}", field="document")
        return self._tidied(solver, ordinary) if ordinary else solver.model()

    def holds_always(self, claim: Formula, given: Formula = True) -> bool:
        """Whether nothing breaks ``claim`` where ``given`` holds. Raises ``Unsolved``."""
        return self.find(every([given, negated(claim)])) is None

    def _tidied(self, solver: Any, ordinary: Wishes) -> Any:
        import z3

        found = [solver.model()]
        solver.set("timeout", TIDYING_LIMIT_MILLISECONDS)
        for wish in ordinary(lambda: found[-1]):
            if isinstance(wish, bool):
                continue
            if z3.is_true(found[-1].eval(wish, model_completion=True)):
                solver.add(wish)
                continue
            solver.push()
            solver.add(wish)
            if solver.check() == z3.sat:
                found.append(solver.model())
            else:
                solver.pop()
        return found[-1]


def _listed(parts: Sequence[Formula]) -> list[Formula]:
    joined = every(parts)
    return [] if joined is True else [joined]
