"""How every rule that can be about a kind of request stands to one, looked up instead of asked.

``kept`` holds what conditions answered. Here the answers are brought together: what words say of a request (whose it
is, its asset, chain, destination and so on) chooses a branch, the same for many requests, which knows what all rules
answer to those words and which quantities can still change that. So a request is answered by one look-up for its branch
and one for each such quantity.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from operator import attrgetter
from typing import Final, NamedTuple

from policies.conditions_total import TotalWithin
from policies.decision import Verdict
from policies.facts import Facts, UsageTotals
from policies.kept import MOST_KEPT, Asking, Measure, bits_at, measures_of, somebody, words_of
from policies.readings import KEYS
from policies.rules import Rule, windows_of
from policies.rules.permit import Limit, Permit
from policies.vocabulary import KINDS, MUST_BE_KNOWN

IDS: Final = ("client", "requester")
"""Facts with too many values to choose a branch by: what rules answer to them does instead."""


class Window(NamedTuple):
    """One total or the limit of a rule."""

    asked: tuple[str, str, int]
    """What a ``Usage`` is asked: the rule's title, ``per``, and seconds."""
    key: Callable[[Facts], str | None]
    """Reads what requests are counted together under; nothing or an empty text where that is unknown."""
    holds: Callable[[Facts, UsageTotals | None], bool | None]
    """Whether it is true beside what was used before."""
    limits: bool
    """Whether it is the limit, which is the last to be asked."""


class Counting(NamedTuple):
    """A rule with windows, and what becomes of the bits if these say otherwise than its match."""

    windows: tuple[Window, ...]
    applies: int
    """Set where its match applies, so that its windows matter."""
    does: int
    """Set where its match is known to be true."""
    unknown: int
    """What is left if it may match and nobody knows."""
    false: int
    """What is left if it does not match."""


class Tables:
    """The rules of a document that can be about one kind, in its order, and what they have answered so far."""

    def __init__(self, rules: Iterable[Rule], kind: str) -> None:
        """Asks nothing yet. For a kind nobody defined all rules are there, and of none is anything known."""
        defined = kind in KINDS
        self.rules: Final = tuple(rule for rule in rules if kind in rule.match.kinds or not defined)
        self.count: Final = len(self.rules)
        self.known_counts: Final = bits_at(
            [n for n, rule in enumerate(self.rules) if isinstance(rule, Permit)] + [self.count]
        )
        """Bits of the rules that apply only where they are known to match, and the one for all that must be known."""
        self.others: Final = ((1 << self.count) - 1) & ~self.known_counts
        """Bits of the rules that apply unless they are known not to match."""
        self._counting = [_counting(n, rule, self.count) for n, rule in enumerate(self.rules) if windows_of(rule)]
        asked = [(n, item) for n, rule in enumerate(self.rules) for item in rule.match.conditions if defined]
        asking = Asking(self.count, asked, MUST_BE_KNOWN.get(kind, ()))
        self._start = asking.about("kind")(somebody("kind", kind)) if defined else (1 << self.count) - 1
        self.verdicts: Final[dict[int, Verdict]] = {}
        """What followed from the rules that applied, for ``judgement`` to keep."""
        self._words, self._measures = words_of(asking), measures_of(asking)
        self._branches: dict[Hashable, _Branch] = {}
        # The last two tell amounts apart, and with two there is always a tuple.
        self._read = attrgetter(*(item.fact for item in self._words if item.fact not in IDS), "asset", "decimals")
        self._ids = [(attrgetter(item.fact), item) for item in self._words if item.fact in IDS]

    def answers(self, facts: Facts) -> tuple[int, tuple[Counting, ...]]:
        """How each rule's match stands to ``facts``, which are of this kind, in the bits that ``kept`` describes.

        Totals and limits are left aside, and rules that may have some to be asked are named.
        """
        chosen: Hashable = self._read(facts)
        for read, words in self._ids:
            chosen = chosen, words[read(facts)]
        branch = self._branches.get(chosen)
        if branch is None:
            branch = self._branch(facts)
            if len(self._branches) < MOST_KEPT:
                self._branches[chosen] = branch
        bits = branch.bits
        for measure in branch.measures:
            bits &= measure.at(facts)
        return bits, branch.counting

    def _branch(self, facts: Facts) -> _Branch:
        bits = self._start
        for words in self._words:
            bits &= words[getattr(facts, words.fact)]
        return _Branch(
            bits,
            tuple(item.among(facts) for item in self._measures if bits & item.concerns),
            tuple(item for item in self._counting if bits & item.applies),
        )


class _Branch(NamedTuple):
    """What is the same for all requests of which the same is said in words."""

    bits: int
    measures: tuple[Measure, ...]
    counting: tuple[Counting, ...]


def each(bits: int) -> Iterator[int]:
    """Places of the bits that are set, lowest first."""
    while bits:
        yield (bits & -bits).bit_length() - 1
        bits &= bits - 1


def _counting(n: int, rule: Rule, count: int) -> Counting:
    may, does = 1 << n, 1 << count + n
    windows = [_window(rule, total, total.holds, False) for total in rule.match.totals]
    if isinstance(rule, Permit) and rule.limit:
        windows.append(_window(rule, rule.limit, rule.limit.admits, True))
    applies = does if isinstance(rule, Permit) else may
    return Counting(tuple(windows), applies, does, ~does, ~(does | may))


def _window(
    rule: Rule, window: TotalWithin | Limit, holds: Callable[[Facts, UsageTotals | None], bool | None], limits: bool
) -> Window:
    return Window((rule.title, window.per, window.window_seconds), KEYS[window.per], holds, limits)
