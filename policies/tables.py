"""How every rule that can be about a kind of request stands to one, looked up instead of asked.

``kept`` holds what conditions answered. Here the answers are brought together: what words say of a request (its asset,
chain, destination and so on) chooses a branch, the same for many requests, which knows what all rules answer to those
words and which quantities can still change that. A request is answered by one look-up for its branch, one for whose it
is, and one for each such quantity.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter
from typing import Any, Final, NamedTuple

from policies.conditions_total import TotalWithin
from policies.decision import Verdict
from policies.facts import Facts, UsageTotals
from policies.kept import MOST_KEPT, Asking, Measure, bits_at, measures_of, somebody, words_of
from policies.readings import KEYS
from policies.rules import Rule
from policies.rules.permit import Limit, Permit
from policies.vocabulary import KINDS, MUST_BE_KNOWN

IDS: Final = ("client", "requester")
"""Facts with too many values to choose a branch by."""


class Windowed(NamedTuple):
    """One total or the limit of a rule."""

    asked: tuple[str, str, int]
    """What a ``Usage`` is asked: the rule's title, ``per``, and seconds."""
    key: Callable[[Facts], str | None]
    """Reads what requests are counted together under; nothing or an empty text where that is unknown."""
    holds: Callable[[Facts, UsageTotals | None], bool | None]
    """Whether it is true beside what was used before."""
    limits: bool
    """Whether it is the limit, which is the last to be asked."""


class Tables:
    """The rules of a document that can be about one kind, in its order, and what they have answered so far."""

    def __init__(self, rules: Iterable[Rule], kind: str) -> None:
        """Asks nothing yet. For a kind nobody defined all rules are there, and of none is anything known."""
        defined = kind in KINDS
        self.rules: Final = tuple(rule for rule in rules if kind in rule.match.kinds or not defined)
        self.count: Final = len(self.rules)
        self.permits: Final = bits_at(n for n, rule in enumerate(self.rules) if isinstance(rule, Permit))
        self.others: Final = ((1 << self.count) - 1) & ~self.permits
        self.windows: Final = tuple(_windows(rule) for rule in self.rules)
        self.windowed: Final = bits_at(n for n, windows in enumerate(self.windows) if windows)
        asked = [(n, item) for n, rule in enumerate(self.rules) for item in rule.match.conditions if defined]
        asking = Asking(self.count, asked, MUST_BE_KNOWN.get(kind, ()))
        self._start = asking.about("kind")(somebody("kind", kind)) if defined else (1 << self.count) - 1
        words = words_of(asking)
        self._words = [item for item in words if item.fact not in IDS]
        self._ids = [(attrgetter(item.fact), item) for item in words if item.fact in IDS]
        self._measures = measures_of(asking)
        self.verdicts: Final[dict[int, Verdict]] = {}
        """What followed from the rules that applied, for ``judgement`` to keep."""
        self._branches: dict[tuple[Any, ...], _Branch] = {}
        # The last two tell amounts apart, and with two there is always a tuple.
        self._read = attrgetter(*(item.fact for item in self._words), "asset", "decimals")

    def answers(self, facts: Facts) -> int:
        """How each rule's match stands to ``facts``, which are of this kind, in the bits that ``kept`` describes.

        Totals and limits are left aside.
        """
        chosen = self._read(facts)
        branch = self._branches.get(chosen)
        if branch is None:
            branch = self._branch(chosen, facts)
        bits = branch.bits
        for read, words in self._ids:
            bits &= words[read(facts)]
        for measure in branch.measures:
            bits &= measure.at(facts)
        return bits

    def _branch(self, chosen: tuple[Any, ...], facts: Facts) -> _Branch:
        bits = self._start
        for value, words in zip(chosen, self._words, strict=False):
            bits &= words[value]
        branch = _Branch(bits, tuple(item.among(facts) for item in self._measures if bits & item.concerns))
        if len(self._branches) < MOST_KEPT:
            self._branches[chosen] = branch
        return branch


class _Branch(NamedTuple):
    """What is the same for all requests of which the same is said in words."""

    bits: int
    measures: tuple[Measure, ...]


def each(bits: int) -> Iterator[int]:
    """Places of the bits that are set, lowest first."""
    while bits:
        yield (bits & -bits).bit_length() - 1
        bits &= bits - 1


def _windows(rule: Rule) -> tuple[Windowed, ...]:
    windows = [_windowed(rule, total, total.holds, False) for total in rule.match.totals]
    if isinstance(rule, Permit) and rule.limit:
        windows.append(_windowed(rule, rule.limit, rule.limit.admits, True))
    return tuple(windows)


def _windowed(
    rule: Rule, window: TotalWithin | Limit, holds: Callable[[Facts, UsageTotals | None], bool | None], limits: bool
) -> Windowed:
    return Windowed((rule.title, window.per, window.window_seconds), KEYS[window.per], holds, limits)
