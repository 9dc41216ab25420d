"""Cases run side by side: each waits most of its time, for a lease to run out or for a block to be read."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from tests.crash.live import living
from tests.crash.roads import ON_A_CHAIN_OF_ITS_OWN, Stage
from tests.crash.yard import Yard
from tests.support.servers import Servers

SIDE_BY_SIDE = 4

Case = tuple[Stage, str]
Deaths = list[tuple[str, int]]


@pytest.fixture(scope="session")
def yard(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    """What the cases share."""
    yard = Yard(servers, tmp_path_factory.mktemp("yard"))
    yield yard
    yard.close()


@pytest.fixture(scope="session")
def outcomes(yard: Yard, request: pytest.FixtureRequest) -> Iterator[dict[Case, Future[Deaths]]]:
    """Every case of this run, on its way; who asks for one waits for it."""
    items = [item for item in request.session.items if "outcomes" in getattr(item, "fixturenames", ())]
    cases: list[Case] = [_case_of(item) for item in items if isinstance(item, pytest.Function)]
    # Those on one chain wait for each other: begin them early.
    cases.sort(key=lambda case: case[0] not in ON_A_CHAIN_OF_ITS_OWN)
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        yield {case: pool.submit(_run, yard, *case) for case in cases}
        pool.shutdown(cancel_futures=True)


def _case_of(item: pytest.Function) -> Case:
    case: Any = item.callspec.params["case"]
    stage, point = case
    return stage, point


def _run(yard: Yard, stage: Stage, point: str) -> Deaths:
    if stage in ON_A_CHAIN_OF_ITS_OWN:
        chain = yard.reorganised()
        with chain.still, living(yard, chain=chain) as live:
            stage(live, point)
            return live.deaths
    with living(yard) as live:
        stage(live, point)
        return live.deaths
