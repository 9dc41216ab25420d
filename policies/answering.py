"""How every rule that can be about a kind of request stands to one, looked up instead of asked.

``kept`` holds what conditions answered. Here the answers are brought together: what words say of a request (whose it
is, its asset, chain, destination and so on) chooses a branch, the same for many requests: the few rules that may still
match, and the quantities that decide whether they do. So a request is answered by one look-up for its branch and one
for each such quantity.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from operator import attrgetter
from typing import Final, NamedTuple

from policies.conditions_total import TotalWithin
from policies.decision import Verdict
from policies.facts import Facts, UsageTotals
from policies.kept import MOST_KEPT, QUANTITIES, Asking, Measure, bits_at, measures_of, somebody, words_of
from policies.readings import KEYS, READ
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


class Branch:
    """The rules that may match a request of which certain words are said, and what they answer to its quantities."""

    __slots__ = ("bits", "count", "counting", "known_counts", "measures", "others", "rules", "verdicts")

    def __init__(self, rules: Iterable[Rule], bits: int, measures: tuple[Measure, ...]) -> None:
        self.rules: Final = tuple(rules)
        self.bits: Final = bits
        """How their matches stand to the words alone, as ``kept`` describes it; totals and limits are left aside."""
        self.measures: Final = measures
        """What takes some of the bits away when the quantities are known."""
        self.count: Final = len(self.rules)
        permits = [n for n, rule in enumerate(self.rules) if isinstance(rule, Permit)]
        self.known_counts: Final = bits_at([*permits, self.count])
        """Bits of the rules that apply only where they are known to match, and the one for all that must be known."""
        self.others: Final = ((1 << self.count) - 1) & ~self.known_counts
        """Bits of the rules that apply unless they are known not to match."""
        self.counting: Final = [_counting(n, rule, self.count) for n, rule in enumerate(self.rules) if windows_of(rule)]
        self.verdicts: Final[dict[int, Verdict]] = {}
        """What followed from the rules that applied, for ``judgement`` to keep."""


class Tables:
    """The rules of a document that can be about one kind, in its order, and the branches that requests took so far."""

    def __init__(self, rules: Iterable[Rule], kind: str) -> None:
        """Asks nothing yet. For a kind nobody defined all rules are there, and of none is anything known.

        Raises ``TypeError`` for a condition that nobody here knows how to keep.
        """
        defined = kind in KINDS
        self._rules = tuple(rule for rule in rules if kind in rule.match.kinds or not defined)
        asked = [(n, item) for n, rule in enumerate(self._rules) for item in rule.match.conditions if defined]
        if not {item.field for _, item in asked} <= {*READ, *QUANTITIES}:
            raise TypeError("a condition that reads a field of its own")
        self._asking = Asking(len(self._rules), asked, MUST_BE_KNOWN.get(kind, ()))
        self._start = self._asking.about("kind")(somebody("kind", kind)) if defined else (1 << len(self._rules)) - 1
        self._words = words_of(self._asking)
        self._branches: dict[Hashable, Branch] = {}
        facts = {item.fact for item in self._words if item.fact not in IDS}
        # Asset and decimals tell amounts apart, and with two there is always a tuple.
        self._read = attrgetter(*sorted({*facts, "asset", "decimals"}))
        self._ids = [(attrgetter(item.fact), item) for item in self._words if item.fact in IDS]

    def branch(self, facts: Facts) -> Branch:
        """The rules that may match ``facts``, which are of this kind, for all that words say of them."""
        chosen: Hashable = self._read(facts)
        for read, words in self._ids:
            chosen = chosen, words[read(facts)]
        branch = self._branches.get(chosen)
        if branch is None:
            branch = self._grow(facts)
            if len(self._branches) >= MOST_KEPT:
                self._branches.clear()
            self._branches[chosen] = branch
        return branch

    def _grow(self, facts: Facts) -> Branch:
        bits, count = self._start, len(self._rules)
        for words in self._words:
            bits &= words[getattr(facts, words.fact)]
        left = list(each(bits & (1 << count) - 1))
        known = [len(left) + place for place, n in enumerate(left) if bits >> count + n & 1]
        named = [2 * len(left)] if bits >> 2 * count else []
        measures = measures_of(self._asking.about(*QUANTITIES).of_rules(left), facts)
        return Branch((self._rules[n] for n in left), bits_at([*range(len(left)), *known, *named]), measures)


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
