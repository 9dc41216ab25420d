"""What follows when people have decided: one table, from the kind of an intent to what carries it out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from custody.approvals import queries as intents
from custody.bootstrap import Runtime
from custody.changes import operations as changes
from custody.corrections import operations as corrections
from custody.db import Unit
from custody.evidence.requests import (
    RULE_CHANGES,
    BreakResolutionRequest,
    ClientOpeningRequest,
    DestinationListingRequest,
    FreezeRequest,
    ManualEntryRequest,
    RespendRequest,
    StrayReturnRequest,
    SweepRequest,
    UnfreezeRequest,
    WithdrawalRequest,
)
from custody.freezes import operations as freezes
from custody.listings import operations as listings
from custody.openings import operations as openings
from custody.reconciliation import resolving
from custody.returns import operations as returns
from custody.trust.operations import in_force
from custody.withdrawals import operations as withdrawals
from custody.withdrawals import queries
from workers.unit import unit_task


@dataclass(frozen=True, slots=True)
class Agreed:
    """An intent people agreed to, and the unit it is carried out in."""

    unit: Unit
    runtime: Runtime
    digest: str
    correlation_id: str

    @property
    def told(self) -> dict[str, Any]:
        """What rooms ask for, by the names they use."""
        return {"digest": self.digest, "trust": in_force(self.unit.session), "now": self.unit.now}


@unit_task("intents.approved")
def approved(unit: Unit, runtime: Runtime, /, *, correlation_id: str, digest: str, kind: str, **_: Any) -> None:
    """A quorum of people agreed, and the delay is over."""
    carry_out = COMPLETIONS.get(kind)
    if carry_out is not None:
        carry_out(Agreed(unit, runtime, digest, correlation_id))


@unit_task("intents.rejected")
def rejected(unit: Unit, _runtime: Runtime, /, *, correlation_id: str, digest: str, **_: Any) -> None:
    """Somebody who may say no said no."""
    found = queries.by_digest(unit.session, digest=digest)
    if found is not None:
        withdrawals.mark_rejected(unit.session, withdrawal=found.id, correlation_id=correlation_id, now=unit.now)


def _opening(agreed: Agreed) -> None:
    openings.complete(agreed.unit.session, digest=agreed.digest, now=agreed.unit.now)


def _withdrawal(agreed: Agreed) -> None:
    found = queries.by_digest(agreed.unit.session, digest=agreed.digest)
    if found is not None:
        withdrawals.mark_approved(
            agreed.unit.session,
            withdrawal=found.id,
            trust=in_force(agreed.unit.session),
            correlation_id=agreed.correlation_id,
            now=agreed.unit.now,
        )
        _renew(agreed, found.id)


def _renew(agreed: Agreed, withdrawal: str) -> None:
    """Where the rules changed meanwhile, what was composed before goes on once people agreed to it again."""
    withdrawals.renew(
        agreed.unit.session, withdrawal=withdrawal, trust=in_force(agreed.unit.session), now=agreed.unit.now
    )


def _respend(agreed: Agreed) -> None:
    withdrawals.mark_respend_approved(agreed.unit.session, **agreed.told, correlation_id=agreed.correlation_id)
    found = queries.by_respend(agreed.unit.session, digest=agreed.digest)
    if found is not None:
        _renew(agreed, found.id)


def _change(agreed: Agreed) -> None:
    changes.complete(
        agreed.unit.session, digest=agreed.digest, correlation_id=agreed.correlation_id, now=agreed.unit.now
    )


def _return(agreed: Agreed) -> None:
    chain = intents.get(agreed.unit.session, digest=agreed.digest).intent.chain
    rules = agreed.runtime.of(chain).spend_rules
    trust = in_force(agreed.unit.session)
    returns.reconsider(agreed.unit.session, trust=trust, now=agreed.unit.now)
    returns.follow(agreed.unit.session, chain=chain, trust=trust, rules=rules, now=agreed.unit.now)


def _manual_entry(agreed: Agreed) -> None:
    corrections.post(agreed.unit.session, **agreed.told)


def _listing(agreed: Agreed) -> None:
    listings.complete(agreed.unit.session, **agreed.told)


def _freeze(agreed: Agreed) -> None:
    freezes.freeze(agreed.unit.session, **agreed.told)


def _unfreeze(agreed: Agreed) -> None:
    freezes.unfreeze(agreed.unit.session, **agreed.told)


def _break_resolution(agreed: Agreed) -> None:
    resolving.resolve(agreed.unit.session, **agreed.told)


COMPLETIONS: Final[Mapping[str, Callable[[Agreed], object]]] = {
    WithdrawalRequest.kind: _withdrawal,
    SweepRequest.kind: _withdrawal,
    RespendRequest.kind: _respend,
    StrayReturnRequest.kind: _return,
    ClientOpeningRequest.kind: _opening,
    DestinationListingRequest.kind: _listing,
    FreezeRequest.kind: _freeze,
    UnfreezeRequest.kind: _unfreeze,
    BreakResolutionRequest.kind: _break_resolution,
    ManualEntryRequest.kind: _manual_entry,
    **dict.fromkeys((each.kind for each in RULE_CHANGES), _change),
}
"""Kind to what carries it out. Each may run twice: what was done is not done again."""
