"""What follows when the rules have changed."""

from __future__ import annotations

from typing import Any

from custody.approvals import asking
from custody.bootstrap import Runtime
from custody.db import Unit
from custody.returns import operations as returns
from custody.trust.operations import in_force
from custody.withdrawals import operations as withdrawals
from workers.unit import unit_task


@unit_task("trust.in_force")
def in_force_now(unit: Unit, _runtime: Runtime, /, *, correlation_id: str, **_: Any) -> None:
    """Another version of the trust root counts: what waits is judged again, what is out for keys is renewed."""
    trust = in_force(unit.session)
    asking.reconsider(unit.session, trust=trust, correlation_id=correlation_id, now=unit.now)
    withdrawals.reconsider(unit.session, trust=trust, now=unit.now)
    returns.reconsider(unit.session, trust=trust, now=unit.now)
