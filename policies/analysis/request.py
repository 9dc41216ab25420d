"""One request nobody has made yet: a symbol for every fact a rule may read, each known or not."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final, NamedTuple

from policies.analysis.alphabet import Alphabet
from policies.analysis.logic import Formula, Number, every

ADDRESS: Final = "address"
"""Whether the canonical text of the destination is known: what a limit per destination counts under."""
ASKED: Final = "usd asked"
"""The value as it was when it was requested; where it is not known, the value now alone counts."""
TIME: Final = "time"
"""The place of the moment of evaluation among the alphabet's moments; always known."""
_LEAST: Final = {"amount": 1, "usd": 1, "usd asked": 1}
"""What is below is as good as unknown to the engine, and said to be unknown here."""


class Symbol(NamedTuple):
    """One fact: whether it is known, and its number if so (of a word, its place in the alphabet)."""

    known: Formula
    value: Number


class Request:
    """Symbols for one request of one kind, made when first asked for; ``within`` bounds those made so far."""

    def __init__(
        self, context: Any, alphabet: Alphabet, kind: str, *, like: Request | None = None, apart: Collection[str] = ()
    ) -> None:
        """``like`` shares every fact with another request of the same kind but those of ``apart``."""
        self.context = context
        self.alphabet = alphabet
        self.kind = kind
        self._symbols: dict[str, Symbol] = {}
        self._bounds: list[Formula] = []
        self._like = like
        self._apart = frozenset(apart)

    def symbol(self, field: str) -> Symbol:
        """The symbol of a fact, the same one every time."""
        if self._like is not None and field not in self._apart:
            return self._like.symbol(field)
        if field not in self._symbols:
            self._symbols[field] = self._fresh(field)
        return self._symbols[field]

    def is_among(self, field: str, values: Collection[str]) -> Formula:
        """Whether a word that is known is one of ``values``; those the alphabet lacks it cannot be."""
        import z3

        symbol, found = self.symbol(field), self.alphabet.values[field]
        places = [place for place, value in enumerate(found) if value in values]
        if len(places) == len(found):
            return True
        return z3.Or([symbol.value == place for place in places]) if places else False

    def symbols(self) -> dict[str, Symbol]:
        """Those made so far, shared ones too."""
        shared = self._like.symbols() if self._like else {}
        return {**{field: symbol for field, symbol in shared.items() if field not in self._apart}, **self._symbols}

    def within(self) -> Formula:
        """That every symbol made so far has a value it can have."""
        shared = [self._like.within()] if self._like else []
        return every([*self._bounds, *shared])

    def _fresh(self, field: str) -> Symbol:
        import z3

        name = f"{'other ' if self._like else ''}{field}"
        value = z3.Int(name, self.context)
        self._bounds.append(value >= _LEAST.get(field, 0))
        if field == TIME:
            self._bounds.append(value < len(self.alphabet.moments))
            return Symbol(True, value)
        if field in self.alphabet.values:
            self._bounds.append(value < len(self.alphabet.values[field]))
        return Symbol(z3.Bool(f"{name} known", self.context), value)
