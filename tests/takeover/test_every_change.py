"""Every change a generator can make of what a cosigner is shown: each is refused for its own reason, and none signs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from custody.cosigner.memory import Memory
from tests.takeover.expected import is_free, reasons_for
from tests.takeover.mutations import Mutation
from tests.takeover.shown import MALFORMED, Stage, bitcoin, ether, grown

FEWEST_KINDS = 250


@pytest.fixture(params=[bitcoin, ether, grown])
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    memory = Memory.create(tmp_path / "memory.sqlite")
    yield request.param(memory)
    memory.close()


@pytest.mark.parametrize("what", [Stage.evidence, Stage.spends], ids=["evidence", "spends"])
def test_every_change_is_refused_for_its_own_reason_or_does_no_more(
    what: Callable[[Stage], Iterator[Mutation]], stage: Stage
) -> None:
    refused: set[str] = set()
    wrong: list[str] = []
    for mutation in what(stage):
        answer = stage.answer(mutation.document)
        if isinstance(answer, str):
            refused.add(mutation.kind)
            if answer != MALFORMED and answer not in reasons_for(mutation.kind):
                wrong.append(f"{mutation} was refused as {answer}")
        elif not is_free(mutation.kind):
            wrong.append(f"{mutation} would be signed")
        elif not stage.does_no_more(answer):
            wrong.append(f"{mutation} would be signed and does more")
    assert wrong == [], "\n".join(wrong[:40])
    if what is Stage.evidence:
        assert len(refused) >= FEWEST_KINDS
    else:
        assert refused
