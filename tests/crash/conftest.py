"""Cases run side by side: each waits most of its time, for a lease to run out or for a block to be read."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from tests.cosigner.builders import DEMO_POLICY
from tests.crash.ether import living_on_ether
from tests.crash.ether_roads import IN_PART, ON_ETHER
from tests.crash.live import living
from tests.crash.roads import ON_A_CHAIN_OF_ITS_OWN, Stage
from tests.crash.rotation_roads import POLICY, sweeping
from tests.crash.yard import Yard
from tests.support.servers import Servers

SIDE_BY_SIDE = 2 if "PYTEST_XDIST_WORKER" in os.environ else 4
AHEAD = 6
"""Cases begun before their turn. Not all of them: another process of this run may be given the rest."""

Case = tuple[Stage, str]
Deaths = list[tuple[str, int]]


class Outcomes:
    """What became of each case. Asking for one begins those after it as well."""

    def __init__(self, yard: Yard, cases: Sequence[Case], pool: ThreadPoolExecutor) -> None:
        self._yard, self._cases, self._pool = yard, list(cases), pool
        self._begun: dict[Case, Future[Deaths]] = {}

    def of(self, case: Case) -> Deaths:
        """Wait for ``case``; raises what it raised."""
        place = self._cases.index(case)
        for following in self._cases[place : place + AHEAD]:
            if following not in self._begun:
                self._begun[following] = self._pool.submit(_run, self._yard, *following)
        return self._begun[case].result(timeout=600)


@pytest.fixture(scope="session")
def yard(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    """What the cases share."""
    yard = Yard(servers, tmp_path_factory.mktemp("yard"))
    yield yard
    yard.close()


@pytest.fixture(scope="session")
def outcomes(yard: Yard, request: pytest.FixtureRequest) -> Iterator[Outcomes]:
    """Every case of this run."""
    items = [item for item in request.session.items if "outcomes" in getattr(item, "fixturenames", ())]
    cases = [_case_of(item) for item in items if isinstance(item, pytest.Function)]
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        yield Outcomes(yard, cases, pool)
        pool.shutdown(cancel_futures=True)


def _case_of(item: pytest.Function) -> Case:
    case: Any = item.callspec.params["case"]
    stage, point = case
    return stage, point


def _run(yard: Yard, stage: Stage, point: str) -> Deaths:
    if stage in ON_ETHER:
        with living_on_ether(yard, in_part=stage in IN_PART) as live:
            stage(live, point)
            return live.deaths
    if stage in ON_A_CHAIN_OF_ITS_OWN:
        chain = yard.reorganised()
        with chain.still, living(yard, chain=chain) as live:
            stage(live, point)
            return live.deaths
    policy = POLICY if stage is sweeping else DEMO_POLICY
    with living(yard, policy=policy) as live:
        stage(live, point)
        return live.deaths
