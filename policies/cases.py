"""A document's table of cases: requests, what came before them, and the answer they must get.

::

    policy: demo                       # the document these cases are of
    assets: {BTC: 8}                   # decimals
    given: {client.status: active}     # facts every case starts from
    cases:
      - case: a small one leaves without people
        facts: {amount: "0.05 BTC"}
        past: [{amount: "0.2 BTC", ago: 3h}, {amount: "1 BTC", ago: 1h, ended: released}]
        expect: allow                  # allow, require or deny
        approvals: {operators: 2}      # of a require: exactly these
        delay: 24h                     # so are roles: [compliance], screening: clear and reconciled: 1h
        rules: [small withdrawals]     # titles that must be among those that matched

A fact that is written ``unknown`` is unknown. A past request has the case's own facts but for what it says. What
facts are called here is in ``case_facts``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from policies.case_facts import FACTS, fact_values
from policies.decision import Decision, Outcome, explain
from policies.document import Document, load_document
from policies.engine import evaluate
from policies.facts import Facts
from policies.names import one_defined
from policies.obligations import Obligations, obligation_words
from policies.quantities import read_duration
from policies.strict_yaml import Item, listed, read_yaml
from policies.vocabulary import CLEAR
from policies.windows import PastRequest, measure

CASE_TIME: Final = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)
"""The moment at which every case is decided."""


@dataclass(frozen=True, slots=True)
class Case:
    """One row of the table. ``obligations`` are those of a ``require``."""

    title: str
    line: int
    facts: Facts
    past: tuple[PastRequest, ...]
    outcome: Outcome
    obligations: Obligations
    rules: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True)
class CaseResult:
    """How one case came out. ``differences`` is empty when it passed."""

    case: Case
    decision: Decision
    differences: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether the decision was the expected one."""
        return not self.differences

    def words(self) -> list[str]:
        """What happened, for a person; the whole decision explained where it differs."""
        if self.passed:
            return [f"ok   {self.case.title}"]
        return [f"FAIL {self.case.title} (line {self.case.line})", *self.differences, *explain(self.decision)]


def run_cases(document_text: str, cases_text: str) -> list[CaseResult]:
    """Decide every case of the table. Raises ``PolicyError`` where either text is not acceptable."""
    document = load_document(document_text)
    return [run_case(document, case) for case in read_cases(cases_text, document=document)]


def run_case(document: Document, case: Case) -> CaseResult:
    """Decide one case and compare."""
    decision = evaluate(document, case.facts, measure(document, case.facts, case.past))
    return CaseResult(case, decision, tuple(_differences(case, decision)))


def read_cases(text: str, *, document: Document) -> list[Case]:
    """Read a table that is ``document``'s. Raises ``PolicyError``."""
    top = read_yaml(text, what="cases").mapping(_TOP, required={"policy", "cases"})
    if top["policy"].text() != document.name:
        top["policy"].refuse("cases of another document", accepted=document.name)
    assets = top["assets"].mapping() if "assets" in top else {}
    decimals = {code: item.number(most=36) for code, item in assets.items()}
    given = top["given"].mapping(FACTS) if "given" in top else {}
    return [_read_case(item, given, decimals, document) for item in top["cases"].items()]


_TOP = frozenset({"policy", "assets", "given", "cases"})
_OWED = ("approvals", "delay", "roles", "screening", "reconciled")
_CASE = frozenset({"case", "facts", "past", "expect", "rules", *_OWED})


def _read_case(item: Item, given: Mapping[str, Item], decimals: Mapping[str, int], document: Document) -> Case:
    entries = item.mapping(_CASE, required=("case", "expect"))
    own = entries["facts"].mapping(FACTS) if "facts" in entries else {}
    facts = _read_facts(item, {**given, **own}, decimals)
    outcome = Outcome(entries["expect"].one_of({outcome.value for outcome in Outcome}))
    return Case(
        title=entries["case"].text(),
        line=item.line,
        facts=facts,
        past=_read_past(entries, facts, decimals),
        outcome=outcome,
        obligations=_read_obligations(entries, outcome, document),
        rules=_read_titles(entries, document),
    )


def _read_facts(item: Item, entries: Mapping[str, Item], decimals: Mapping[str, int]) -> Facts:
    for name in ("kind", "requester"):
        if name not in entries:
            item.refuse(f"no {name}", accepted="a kind and a requester, in the case or under given")
    kind, requester = entries["kind"].text(), entries["requester"].text()
    return replace(Facts(kind=kind, requester=requester, now=CASE_TIME), **fact_values(entries, decimals))


def _read_past(entries: Mapping[str, Item], facts: Facts, decimals: Mapping[str, int]) -> tuple[PastRequest, ...]:
    items = entries["past"].items() if "past" in entries else []
    return tuple(_read_past_request(item, facts, decimals) for item in items)


def _read_past_request(item: Item, facts: Facts, decimals: Mapping[str, int]) -> PastRequest:
    entries = dict(item.mapping(FACTS - {"time"} | {"ago", "ended"}, required=("ago",)))
    ago, ended = read_duration(entries.pop("ago")), entries.pop("ended", None)
    released = ended is not None and ended.one_of({"paid", "released"}) == "released"
    at = facts.now - timedelta(seconds=ago)
    return PastRequest(replace(facts, now=at, **fact_values(entries, decimals)), at, released)


def _read_obligations(entries: Mapping[str, Item], outcome: Outcome, document: Document) -> Obligations:
    named = [entries[name] for name in _OWED if name in entries]
    if (outcome is Outcome.REQUIRE) != bool(named):
        accepted = f"{listed(_OWED)} with require only, and at least one of them"
        entries["expect"].refuse("the obligations do not fit it", accepted=accepted)
    groups = entries["approvals"].mapping(document.groups) if "approvals" in entries else {}
    roles = entries["roles"].one_or_more() if "roles" in entries else []
    if "screening" in entries:
        entries["screening"].one_of({CLEAR})
    return Obligations(
        {group: item.number(most=100) for group, item in sorted(groups.items())},
        read_duration(entries["delay"]) if "delay" in entries else 0,
        tuple(sorted({one_defined(item, document.roles, "role") for item in roles})),
        "screening" in entries,
        read_duration(entries["reconciled"]) if "reconciled" in entries else None,
    )


def _read_titles(entries: Mapping[str, Item], document: Document) -> frozenset[str]:
    titles = {rule.title for rule in document.rules}
    items = entries["rules"].items() if "rules" in entries else []
    return frozenset(item.one_of(titles) for item in items)


def _differences(case: Case, decision: Decision) -> list[str]:
    found = []
    if decision.outcome is not case.outcome:
        found.append(f"expected {case.outcome.value}, got {decision.outcome.value}")
    elif decision.obligations != case.obligations:
        expected, got = obligation_words(case.obligations), obligation_words(decision.obligations)
        found.append(f"expected that {expected}, got that {got}")
    missing = case.rules - {rule.title for rule in decision.rules}
    return [*found, *(f"“{title}” did not match" for title in sorted(missing))]
