"""What follows when cosigners have answered."""

from __future__ import annotations

from typing import Any

from custody.bootstrap import Runtime
from custody.db import Unit
from custody.returns import operations as returns
from custody.returns import queries as returned
from custody.spends import queries as spends
from custody.withdrawals import operations as withdrawals
from workers.unit import unit_task


@unit_task("signing.complete")
def complete(unit: Unit, runtime: Runtime, /, *, correlation_id: str, attempt: str, **_: Any) -> None:
    """A quorum signed: the final transaction exists."""
    if returned.by_attempt(unit.session, attempt=attempt) is not None:
        returns.mark_signed(unit.session, attempt=attempt, now=unit.now)
        return
    here = runtime.of(spends.get(unit.session, attempt=attempt).chain)
    withdrawals.mark_signed(
        unit.session, attempt=attempt, rules=here.spend_rules, correlation_id=correlation_id, now=unit.now
    )


@unit_task("signing.refused")
def refused(unit: Unit, _runtime: Runtime, /, *, correlation_id: str, attempt: str, **_: Any) -> None:
    """No quorum is left."""
    del correlation_id
    if returned.by_attempt(unit.session, attempt=attempt) is not None:
        returns.mark_refused(unit.session, attempt=attempt, now=unit.now)
        return
    withdrawals.mark_refused(unit.session, attempt=attempt, now=unit.now)
