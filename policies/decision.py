"""What the engine answers: deny, allow or require, with everything needed to explain and repeat it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from custody.kernel.errors import InvalidInput
from policies.obligations import Obligations, obligation_words
from policies.quantities import duration_words, usd_words

OTHER_KIND: Final = "not about"
"""How the trace begins of a rule that speaks of other kinds of request."""


class Outcome(StrEnum):
    """From looser to stricter: ``allow``, ``require``, ``deny``."""

    ALLOW = "allow"
    REQUIRE = "require"
    DENY = "deny"


@dataclass(frozen=True, slots=True, order=True)
class MatchedRule:
    """One rule that matched."""

    kind: str
    """``permit``, ``forbid`` or ``require``."""
    title: str


@dataclass(frozen=True, slots=True)
class TraceLine:
    """Why one rule matched or did not. ``matched`` is ``yes``, ``no`` or ``unknown`` (a fact it reads is missing)."""

    kind: str
    title: str
    matched: str
    because: str


@dataclass(frozen=True, slots=True)
class UsageRead:
    """What a rule's limit or totals had seen when it was judged. ``None`` means nobody knew."""

    rule: str
    per: str
    key: str
    window_seconds: int
    amount_units: int | None
    """Base units of the request's asset."""
    count: int | None
    usd_micros: int | None = None
    """Millionths of a US dollar."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why it was decided so, ready to be stored."""

    trace: tuple[TraceLine, ...]
    usage: tuple[UsageRead, ...]
    facts: Mapping[str, str]
    """As ``Facts.to_json`` wrote them."""
    would_change: tuple[str, ...]
    """In plain words: what would have been answered otherwise."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The bare answer, without its reasons."""

    outcome: Outcome
    obligations: Obligations
    """Empty unless ``outcome`` is ``require``."""
    rules: tuple[MatchedRule, ...]
    """Those that applied, sorted."""

    def looser_than(self, other: Verdict) -> bool:
        """Whether this asks for less than ``other`` and for nothing more."""
        if self.outcome is not other.outcome:
            return _STRICTNESS.index(self.outcome) < _STRICTNESS.index(other.outcome)
        joined = self.obligations.join(other.obligations)
        return joined == other.obligations and joined != self.obligations


class Decision:
    """The policy's answer to one request. Two decisions of the same document and facts are equal."""

    __slots__ = ("_document_hash", "_explanation", "_material", "_verdict", "_write")

    def __init__(
        self, verdict: Verdict, document_hash: str, write: Callable[[Any], Explanation], material: object
    ) -> None:
        """``write`` explains it out of ``material``, which nobody changes, when the explanation is first read."""
        self._verdict, self._document_hash = verdict, document_hash
        self._write, self._material = write, material
        self._explanation: Explanation | None = None

    @property
    def verdict(self) -> Verdict:
        """Outcome, obligations and rules together."""
        return self._verdict

    @property
    def outcome(self) -> Outcome:
        """Deny, allow or require."""
        return self._verdict.outcome

    @property
    def obligations(self) -> Obligations:
        """Empty unless ``outcome`` is ``require``."""
        return self._verdict.obligations

    @property
    def rules(self) -> tuple[MatchedRule, ...]:
        """Those that applied, sorted."""
        return self._verdict.rules

    @property
    def denial(self) -> str:
        """Why one that denies does, in one line."""
        forbids = [rule.title for rule in self.rules if rule.kind == "forbid"]
        return f"forbidden by {', '.join(forbids)}" if forbids else "nothing in the policy permits it"

    @property
    def document_hash(self) -> str:
        """Of the document that was asked."""
        return self._document_hash

    @property
    def explanation(self) -> Explanation:
        """Why; always the same."""
        if self._explanation is None:
            self._explanation = self._write(self._material)
        return self._explanation

    @property
    def trace(self) -> tuple[TraceLine, ...]:
        """Every rule of the document, and why it matched or did not."""
        return self.explanation.trace

    @property
    def usage(self) -> tuple[UsageRead, ...]:
        """What the limits and totals that mattered had seen."""
        return self.explanation.usage

    @property
    def facts(self) -> Mapping[str, str]:
        """As ``Facts.to_json`` wrote them."""
        return self.explanation.facts

    @property
    def would_change(self) -> tuple[str, ...]:
        """In plain words: what would have been answered otherwise."""
        return self.explanation.would_change

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Decision):
            return NotImplemented
        mine, theirs = (self._verdict, self._document_hash), (other.verdict, other.document_hash)
        return mine == theirs and self.explanation == other.explanation

    def __repr__(self) -> str:
        return f"Decision({self._verdict!r}, {self._document_hash!r})"

    def to_json(self) -> dict[str, Any]:
        """Plain values without a fraction, ready for canonical JSON."""
        return {
            "outcome": self.outcome.value,
            "approvals": dict(self.obligations.approvals),
            "delay_seconds": self.obligations.delay_seconds,
            "roles": list(self.obligations.roles),
            "screening": self.obligations.screening,
            "reconciled_seconds": self.obligations.reconciled_seconds,
            "rules": [{"kind": rule.kind, "title": rule.title} for rule in self.rules],
            "trace": [_fields(line) for line in self.trace],
            "usage": [_fields(read) for read in self.usage],
            "facts": dict(self.facts),
            "document_hash": self.document_hash,
            "would_change": list(self.would_change),
        }

    @classmethod
    def from_json(cls, value: object) -> Decision:
        """Read what ``to_json`` wrote. Raises ``InvalidInput`` for anything else."""
        try:
            return _read(value)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InvalidInput("not a stored decision", field="decision") from error


def stricter(earlier: Decision, later: Decision) -> Decision:
    """Both at once: the harder outcome, joined obligations, all rules that matched. Never looser than either.

    What explains it (trace, usage, facts, hash, what would change) is the stricter one's own, the later's in a tie.
    """
    outcome = max(earlier.outcome, later.outcome, key=_STRICTNESS.index)
    joined = earlier.obligations.join(later.obligations) if outcome is Outcome.REQUIRE else Obligations()
    shown = earlier if _harder(earlier, later) else later
    verdict = Verdict(outcome, joined, tuple(sorted({*earlier.rules, *later.rules})))
    return Decision(verdict, shown.document_hash, _explanation_of, shown)


def explain(decision: Decision) -> list[str]:
    """The decision in plain words, one line each: the answer, each rule about this kind and why, what would change."""
    told = [line for line in decision.trace if not line.because.startswith(OTHER_KIND)]
    lines = [_answer(decision)]
    lines += [f"{line.kind} “{line.title}”: {_MATCHED[line.matched]} ({line.because})" for line in told]
    lines += [_usage_words(read) for read in decision.usage]
    lines += [f"would change it: {words}" for words in decision.would_change]
    return [*lines, f"policy document {decision.document_hash}"]


_STRICTNESS = (Outcome.ALLOW, Outcome.REQUIRE, Outcome.DENY)
_MATCHED = {"yes": "matches", "no": "does not match", "unknown": "a fact it reads is unknown"}


def _explanation_of(decision: Decision) -> Explanation:
    return decision.explanation


def _as_it_is(explanation: Explanation) -> Explanation:
    return explanation


def _harder(earlier: Decision, later: Decision) -> bool:
    if earlier.outcome is not later.outcome:
        return _STRICTNESS.index(earlier.outcome) > _STRICTNESS.index(later.outcome)
    joined = earlier.obligations.join(later.obligations)
    return joined == earlier.obligations and joined != later.obligations


def _answer(decision: Decision) -> str:
    if decision.outcome is Outcome.ALLOW:
        return "allowed without people"
    if decision.outcome is Outcome.REQUIRE:
        return f"allowed when {obligation_words(decision.obligations)}"
    deniers = [rule.title for rule in decision.rules if rule.kind in ("forbid", "default")]
    if deniers:
        return "denied by " + ", ".join(f"“{title}”" for title in deniers)
    return "denied: nothing permits it"


def _usage_words(read: UsageRead) -> str:
    where = f"used under “{read.rule}” per {read.per} in {duration_words(read.window_seconds)}"
    amount = "unknown" if read.amount_units is None else str(read.amount_units)
    worth = "" if read.usd_micros is None else f", {usd_words(read.usd_micros)} USD,"
    return f"{where}: {amount} base units{worth} in {'unknown' if read.count is None else read.count} requests"


def _fields(item: TraceLine | UsageRead) -> dict[str, Any]:
    written = {name: getattr(item, name) for name in item.__dataclass_fields__}
    for name in ("amount_units", "usd_micros"):
        if written.get(name) is not None:
            written[name] = str(written[name])  # sums outgrow the integers RFC 8785 allows
    return written


def _read(value: Any) -> Decision:
    explanation = Explanation(
        trace=tuple([_read_line(line) for line in value["trace"]]),
        usage=tuple(_read_usage(read) for read in value["usage"]),
        facts={_word(name): _word(text) for name, text in value["facts"].items()},
        would_change=tuple(_word(words) for words in value["would_change"]),
    )
    rules = tuple(MatchedRule(_word(rule["kind"]), _word(rule["title"])) for rule in value["rules"])
    verdict = Verdict(Outcome(value["outcome"]), _read_obligations(value), rules)
    return Decision(verdict, _word(value["document_hash"]), _as_it_is, explanation)


def _read_obligations(value: dict[str, Any]) -> Obligations:
    # What was stored before roles, screening and fresh books could be asked for says nothing of them.
    age, roles, screening = (value.get(name) for name in ("reconciled_seconds", "roles", "screening"))
    if not isinstance(roles, list | None) or not isinstance(screening, bool | None):
        raise TypeError("not a list of roles, or not yes or no")
    return Obligations(
        {_word(group): _number(n) for group, n in value["approvals"].items()},
        _number(value["delay_seconds"]),
        tuple(sorted({_word(role) for role in roles or []})),
        bool(screening),
        None if age is None else _number(age),
    )


def _read_line(line: dict[str, Any]) -> TraceLine:
    for text in line.values():
        _word(text)
    return TraceLine(**line)


def _read_usage(read: dict[str, Any]) -> UsageRead:
    amount, count, usd = read["amount_units"], read["count"], read.get("usd_micros")
    return UsageRead(
        rule=_word(read["rule"]),
        per=_word(read["per"]),
        key=_word(read["key"]),
        window_seconds=_number(read["window_seconds"]),
        amount_units=None if amount is None else int(_word(amount)),
        count=None if count is None else _number(count),
        usd_micros=None if usd is None else int(_word(usd)),
    )


def _word(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a string")
    return value


def _number(value: object) -> int:
    if type(value) is not int or value < 0:
        raise TypeError("not a whole number")
    return value


__all__ = [
    "Decision",
    "MatchedRule",
    "Obligations",
    "Outcome",
    "TraceLine",
    "UsageRead",
    "explain",
    "obligation_words",
    "stricter",
]
