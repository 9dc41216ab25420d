"""Proofs and differences against the engine they speak of: on shipped documents, broken ones and random ones."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import pytest
import z3

from policies.analysis.admission import admit, refusals
from policies.analysis.alphabet import Alphabet, alphabet_of
from policies.analysis.counts import seen_by
from policies.analysis.difference import Relation, difference
from policies.analysis.invariants import read_invariants
from policies.analysis.logic import Formula, every, negated
from policies.analysis.passage import Reading
from policies.analysis.prove import prove_claim
from policies.analysis.request import ADDRESS, ASKED, TIME
from policies.analysis.search import Space
from policies.analysis.witness import ATTRIBUTES, Witness, read_usage
from policies.decision import Outcome
from policies.document import Document, load_document
from policies.engine import evaluate
from policies.facts import Facts, Usage
from policies.obligations import outstanding
from policies.readings import value_of
from policies.rules import windows_of
from policies.tally import satisfied
from policies.windows import measure
from tests.properties.policies import languages
from tests.properties.policies.broken import BROKEN, POLICIES, Broken, shipped

SHIPPED = sorted(path.stem for path in (POLICIES / "documents").glob("*.yaml"))
PEOPLE = ["alice", "bob", "carol", "dan", "erin"]


def leaves(document: Document, facts: Facts, usage: Usage, approvers: list[str], waited: int) -> bool:
    """The answer without any formula."""
    decision = evaluate(document, facts, usage)
    asked = decision.obligations
    people = satisfied(asked, document.groups, approvers, initiator=facts.requester, roles=document.roles)
    met = people.met and waited >= asked.delay_seconds and not outstanding(asked, facts)
    return decision.outcome is not Outcome.DENY and met


def told(witness: Witness, document: Document, place: int = 0) -> bool:
    """Whether a witness leaves, read back from what is printed."""
    said = witness.to_json()
    usage = read_usage([said["used_before"][place]])
    return leaves(document, Facts.from_json(said["facts"]), usage, said["approvers"], said["waited_seconds"])


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_document_is_admitted_with_every_claim_proved(name: str) -> None:
    texts = [shipped(folder, name) for folder in ("documents", "cases", "invariants")]
    found = admit(texts[0], texts[1], texts[2], before=texts[2])
    assert [finding.line() for finding in refusals(found)] == []
    assert "usd-alone" not in {finding.code for finding in found}


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.hole)
def test_a_hole_is_found_by_the_proof_and_by_the_difference(broken: Broken) -> None:
    original, document = load_document(broken.original()), load_document(broken.text())
    invariants = read_invariants(shipped("invariants", broken.document), document)
    claim = next(claim for claim in invariants.claims if claim.title == broken.claim)
    proof = prove_claim(document, claim, invariants)
    assert not proof.holds
    assert proof.witness is not None
    assert told(proof.witness, document)
    assert claim.match.holds(proof.witness.facts) is not False

    found = difference(original, document, broken.kind, decimals=invariants.decimals)
    assert found.relation in (Relation.MORE, Relation.INCOMPARABLE)
    assert found.let_out is not None
    assert told(found.let_out, document)
    assert not told(found.let_out, original, place=1)
    back = difference(document, original, broken.kind, decimals=invariants.decimals)
    assert back.relation in (Relation.LESS, Relation.INCOMPARABLE)


def test_formulas_say_of_a_random_request_what_the_engine_says() -> None:
    random, seen = Random(7), Counter[bool]()
    for _ in range(45):
        document = load_document(languages.text_of(languages.a_document(random)))
        space = Space(alphabet_of([document]), "withdrawal")
        said = z3.Bool("it leaves", space.context)
        formula = Reading(document, space.request, space.counts).leaves(space.crowd)
        solver = z3.Solver(ctx=space.context)
        solver.add(said == formula, *filter(z3.is_expr, [space.counts.within(), space.crowd.within()]))
        for _ in range(8):
            facts, past = languages.some_facts(random), languages.a_past(random)
            approvers, waited = random.sample(PEOPLE, random.randint(0, 5)), random.choice([0, 60, 3600])
            usage = measure(document, facts, past)
            answer = leaves(document, facts, usage, approvers, waited)
            solver.push()
            solver.add(every([pin(space, document, facts, usage), crowd(space, approvers, waited)]))
            assert solver.check(said == answer) == z3.sat, "what the engine says is possible"
            assert solver.check(said != answer) == z3.unsat, "and nothing else is"
            solver.pop()
            seen[answer] += 1
    assert min(seen.values()) > 40, seen


def pin(space: Space, document: Document, facts: Facts, usage: Usage) -> Formula:
    """That the symbols are these facts and counts."""
    parts = [fixed(space, facts, field) for field in space.request.symbols()]
    scale = 10**space.alphabet.places
    for rule in document.rules:
        for per, seconds in windows_of(rule):
            totals, used = space.counts.of(seen_by(rule.match, per, seconds)), usage(rule.title, per, seconds)
            if used is None:
                continue  # the engine need not ask: a symbol that is free must change nothing
            parts += [totals.known, totals.count == used.count]
            known = (used.amount_units is not None, used.usd_micros is not None)
            parts += [totals.amount_known == known[0], totals.usd_known == known[1]]
            if used.amount_units is not None:
                parts.append(totals.amount == used.amount_units * scale // 10 ** (facts.decimals or 0))
            if used.usd_micros is not None:
                parts.append(totals.usd == used.usd_micros)
    return every(parts)


def fixed(space: Space, facts: Facts, field: str) -> Formula:
    symbol, alphabet = space.request.symbol(field), space.alphabet
    number = concrete(facts, field, alphabet)
    if field == TIME:
        return symbol.value == number
    return every([symbol.known, symbol.value == number]) if number is not None else negated(symbol.known)


def concrete(facts: Facts, field: str, alphabet: Alphabet) -> int | None:
    """The number a symbol has for these facts, ``None`` where it is unknown."""
    if field == ADDRESS:
        return None if facts.destination_text is None else 0
    if field == TIME:
        holding = alphabet.moments[0].holding.union(*(moment.holding for moment in alphabet.moments))
        now = frozenset(condition for condition in holding if condition.holds(facts))
        return next(place for place, moment in enumerate(alphabet.moments) if moment.holding == now)
    if field == "amount":
        assert facts.amount_units is not None
        return facts.amount_units * 10**alphabet.places // 10 ** (facts.decimals or 0)
    if field in alphabet.values:
        word = value_of(facts, field)
        found = alphabet.values[field]
        return None if word is None else found.index(word) if word in found else len(found) - 1
    value: Any = getattr(facts, "usd_micros_asked" if field == ASKED else ATTRIBUTES[field])
    return None if value is None else int(value)


def crowd(space: Space, approvers: list[str], waited: int) -> Formula:
    said = [formula if person in approvers else negated(formula) for person, formula in space.crowd.approves.items()]
    return every([*said, space.crowd.waited == waited])


def test_where_two_random_documents_are_said_to_differ_or_not_sampling_agrees() -> None:
    random, relations = Random(11), Counter[Relation]()
    for _ in range(30):
        plain = languages.a_document(random)
        other = {**plain, "rules": [*plain["rules"]]}
        if random.random() < 0.3:
            other["rules"].pop(random.randrange(len(other["rules"])))
        else:
            other["rules"].append(languages.a_rule(random, "one more"))
        if not other["rules"]:
            continue
        first, second = (load_document(languages.text_of(document)) for document in (plain, other))
        found = difference(first, second, "withdrawal", decimals=languages.DECIMALS)
        relations[found.relation] += 1
        for _ in range(100):
            facts, past = languages.some_facts(random), languages.a_past(random)
            approvers, waited = random.sample(PEOPLE, random.randint(0, 5)), random.choice([0, 60, 3600])
            before, after = (
                leaves(document, facts, measure(document, facts, past), approvers, waited)
                for document in (first, second)
            )
            assert after <= before or found.let_out is not None
            assert before <= after or found.kept_in is not None
    assert min(relations[relation] for relation in (Relation.MORE, Relation.LESS, Relation.EQUIVALENT)) > 2, relations
