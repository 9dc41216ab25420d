"""A daemon that was taken over sends these bundles; the cosigner names the rule each one breaks."""

from __future__ import annotations

import pytest

from custody.cosigner.memory import Memory
from custody.cosigner.reasons import CosignerRefusal, Reason
from tests.adversarial import (
    hostile_listings,
    hostile_memory,
    hostile_people,
    hostile_requests,
    hostile_safes,
    hostile_standing,
    hostile_transactions,
    hostile_versions,
)
from tests.adversarial.hostile import CASES, Case
from tests.cosigner.builders import World
from tests.cosigner.conftest import memory, world

__all__ = ["memory", "world"]

WRITTEN_IN = (
    *(hostile_standing, hostile_versions, hostile_requests, hostile_people, hostile_transactions, hostile_memory),
    hostile_listings,
    hostile_safes,
)

ELSEWHERE = {
    Reason.PERSON_DECLINED,
    *(Reason.RETURN_NOT_ALONE, Reason.RETURN_WITHOUT_PEOPLE, Reason.STRAY_NOT_THERE),
    *(Reason.SWEEP_NOT_ALONE, Reason.SWEEP_NOT_OWN),
    *(Reason.STATEMENT_INVALID, Reason.SCREENING_NOT_CLEAR, Reason.FACTS_TOO_OLD),
}
"""Reached in tests of answering, where there is a person, and of strays, sweeps and what services state, which have
worlds of their own."""


@pytest.mark.parametrize("name", CASES)
def test_cosigner_refuses(name: str, world: World, memory: Memory) -> None:
    reason, maker = CASES[name]
    made = maker(world, memory)
    case = made if isinstance(made, Case) else Case(made)
    with pytest.raises(CosignerRefusal) as refusal:
        (case.judge or world).judge(case.bundle, memory, limits=case.limits)
    assert refusal.value.reason is reason, refusal.value.explanation
    assert "\n" not in refusal.value.explanation


def test_every_reason_is_reached() -> None:
    assert {reason for reason, _ in CASES.values()} | ELSEWHERE == set(Reason)
    assert len(CASES) >= 60
