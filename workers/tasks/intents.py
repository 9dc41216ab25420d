"""What follows when people have decided."""

from __future__ import annotations

from typing import Any

from custody.approvals import queries as intents
from custody.bootstrap import Runtime
from custody.db import Unit
from custody.openings import operations as openings
from custody.returns import operations as returns
from custody.trust.operations import in_force
from custody.withdrawals import operations as withdrawals
from custody.withdrawals import queries
from workers.unit import unit_task


@unit_task("intents.approved")
def approved(unit: Unit, runtime: Runtime, /, *, correlation_id: str, digest: str, kind: str, **_: Any) -> None:
    """A quorum of people agreed."""
    if kind == "client_opening":
        openings.complete(unit.session, digest=digest, now=unit.now)
        return
    if kind == "respend":
        withdrawals.mark_respend_approved(
            unit.session,
            digest=digest,
            trust=in_force(unit.session),
            correlation_id=correlation_id,
            now=unit.now,
        )
        return
    if kind == "stray_return":
        chain = intents.get(unit.session, digest=digest).intent.chain
        rules = runtime.of(chain).spend_rules
        returns.follow(unit.session, chain=chain, trust=in_force(unit.session), rules=rules, now=unit.now)
        return
    found = queries.by_digest(unit.session, digest=digest)
    if found is not None:
        withdrawals.mark_approved(
            unit.session,
            withdrawal=found.id,
            trust=in_force(unit.session),
            correlation_id=correlation_id,
            now=unit.now,
        )


@unit_task("intents.rejected")
def rejected(unit: Unit, _runtime: Runtime, /, *, correlation_id: str, digest: str, **_: Any) -> None:
    """Somebody who may say no said no."""
    found = queries.by_digest(unit.session, digest=digest)
    if found is not None:
        withdrawals.mark_rejected(unit.session, withdrawal=found.id, correlation_id=correlation_id, now=unit.now)
