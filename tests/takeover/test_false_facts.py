"""A daemon that was taken over lies about what the policy reads: what services state, and what only it knows."""

from __future__ import annotations

from pathlib import Path

import pytest

from custody.cosigner.memory import Memory
from custody.evidence.statements import SignedStatement
from tests.cosigner.builders import BTC, NOW, REGTEST, World, address
from tests.support.sources import prices, screening, sources
from tests.takeover.expected import is_free, reasons_for
from tests.takeover.mutations import mutations
from tests.takeover.shown import MALFORMED, Stage

POLICY = """policy: stated
version: 1
groups: {operators: [alice, bob, carol]}
rules:
  - permit: withdrawals
    match: {kind: withdrawal}
  - permit: new clients
    match: {kind: client_opening}
  - require: two unless it is cheap
    match: {kind: withdrawal, usd: {above: 1_000}}
    approvals: {operators: 2}
  - require: two unless it is clear
    match: {kind: withdrawal, screening: [review, hit]}
    approvals: {operators: 2}
"""


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """Six hundred dollars to somebody who was screened: three prices and a screening keep it from asking people."""
    world = World(policy=POLICY, services=sources())
    request = world.withdrawal("acme", 1_000_000)
    payment = world.payment(request, branch=7, usd_micros=600_000_000, price_state="fresh", screening="clear")
    psbt = world.transaction([payment], [world.coin(7, BTC)], fee_sat=3_000)
    stated: list[SignedStatement] = [
        *prices(REGTEST.asset.id, 60_000, NOW),
        screening(REGTEST.chain, address("somebody"), "clear", NOW),
    ]
    bundle = world.bundle([payment], [world.opening("acme", 7)], psbt, statements=tuple(stated))
    return Stage.of(world, bundle, Memory.create(tmp_path / "memory.sqlite"))


def test_every_change_of_a_statement_is_refused_for_its_own_reason_or_changes_nothing(stage: Stage) -> None:
    wrong, refused = [], set()
    rest = {name: value for name, value in stage.bundle.to_json().items() if name != "statements"}
    for mutation in mutations({"statements": stage.bundle.to_json()["statements"]}):
        if mutation.path[:1] != ("statements",):
            continue
        answer = stage.answer(rest | mutation.document)
        if isinstance(answer, str):
            refused.add(mutation.kind)
            if answer != MALFORMED and answer not in {each.value for each in reasons_for(mutation.kind)}:
                wrong.append(f"{mutation} was refused as {answer}")
        elif not is_free(mutation.kind) or not stage.does_no_more(answer):
            wrong.append(f"{mutation} would be signed")
    assert wrong == [], "\n".join(wrong[:40])
    assert len(refused) > 60


def test_a_daemon_that_says_it_is_worth_nothing_and_clear_is_not_believed(stage: Stage) -> None:
    document = stage.bundle.to_json()
    (payment,) = document["payments"]
    told = payment["decision"]["facts"] | {"usd_micros": "1", "usd_micros_asked": "1", "screening": "clear"}
    lied = {**payment, "decision": {**payment["decision"], "facts": told}}
    assert stage.answer({**document, "payments": [lied], "statements": []}) == "approvals-missing"
    without = document["statements"][:3]
    assert stage.answer({**document, "payments": [lied], "statements": without}) == "approvals-missing"
