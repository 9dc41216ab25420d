"""The matrix: at every named point of both roads a process is killed, and one payment is on chain all the same."""

from __future__ import annotations

import signal

import pytest

from tests.crash.conftest import Case, Outcomes
from tests.crash.points import all_points, stages_of

CASES = [
    pytest.param((stage, point), id=f"{stage.__name__}-{point}") for point in all_points() for stage in stages_of(point)
]


@pytest.mark.parametrize("case", CASES)
def test_goes_on_after_dying_at(case: Case, outcomes: Outcomes) -> None:
    deaths = outcomes.of(case)
    assert [how for _, how in deaths] == [-signal.SIGKILL], f"{case[1]} killed nobody: this road does not pass it"


@pytest.mark.parametrize("point", all_points())
def test_knows_a_road_that_passes(point: str) -> None:
    assert stages_of(point), "no stage claims this point: it would never be tried"
