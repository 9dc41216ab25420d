"""The engine beside a second reading of the language that shares no code with it."""

from __future__ import annotations

from collections import Counter
from random import Random

from policies.decision import Decision, Outcome, explain
from policies.document import load_document
from policies.engine import evaluate
from policies.tally import satisfied
from policies.windows import measure
from tests.properties.policies import reference, whole

DOCUMENTS, REQUESTS, PASTS = 1_000, 100, 8
"""Documents, requests to each, and pasts that they share."""


def test_p070_agrees_with_a_slow_reference_on_a_hundred_thousand_random_requests(seed: int) -> None:
    random, outcomes = Random(seed), Counter[Outcome]()
    for _ in range(DOCUMENTS):
        text = whole.text_of(whole.a_document(random))
        document, plain = load_document(text), reference.read(text)
        pasts = [whole.a_past(random) for _ in range(PASTS)]
        for number in range(REQUESTS):
            request, before = whole.a_request(random), pasts[number % PASTS]
            facts = whole.facts_of(request)
            decision = evaluate(document, facts, measure(document, facts, [whole.past_of(past) for past in before]))
            expected = reference.answer(plain, request, before)
            assert answer_of(decision) == expected, (text, request, before, explain(decision))
            people = random.sample(whole.PEOPLE, random.randint(0, 5))
            tally = satisfied(
                decision.obligations, document.groups, people, initiator=facts.requester, roles=document.roles
            )
            assert tally.met == reference.enough(plain, expected, people, request["requester"]), (text, people)
            outcomes[decision.outcome] += 1
    assert sum(outcomes.values()) == 100_000
    assert min(outcomes[outcome] for outcome in Outcome) > 5_000, outcomes


def answer_of(decision: Decision) -> reference.Answer:
    asked = decision.obligations
    return reference.Answer(
        decision.outcome.value,
        [(rule.kind, rule.title) for rule in decision.rules],
        dict(asked.approvals),
        asked.delay_seconds,
        list(asked.roles),
        asked.screening,
        asked.reconciled_seconds,
    )
