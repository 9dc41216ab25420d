"""A withdrawal or an intent with everything around it, read in the unit that is open."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from custody.approvals import queries as intents
from custody.approvals import waiting
from custody.approvals.queries import FiledIntent
from custody.evidence.trust_root import TrustRoot
from custody.ledger import queries as ledger
from custody.ledger.model import HoldState
from custody.relaying import queries as relaying
from custody.spends import queries as spends
from custody.trust.assets import assets_seen
from custody.trust.operations import InForce
from custody.views import objects as views
from custody.views import payments
from custody.withdrawals import queries as withdrawals
from custody.withdrawals.model import Withdrawal
from custody.withdrawals.states import State


def whole_withdrawal(session: Session, withdrawal: Withdrawal, *, root: TrustRoot) -> dict[str, Any]:
    """What, whose, where it stands, its proof and its money: no second question is needed."""
    filed = intents.get(session, digest=withdrawal.digest)
    steps = withdrawals.steps(session, withdrawal=withdrawal.id)
    attempts = spends.attempts(session, withdrawal=withdrawal.id)
    carried = relaying.costs_of(session, spends=[attempt.spend for attempt in attempts])
    said = intents.given(session, digest=filed.digest) if withdrawal.state == State.REJECTED else []
    assets = assets_seen(session)
    around = payments.about(withdrawal, filed, steps[-1] if steps else None, said)
    return (
        views.withdrawal_view(withdrawal, assets)
        | around
        | {
            "missing_approvals": _missing(session, withdrawal, filed, root),
            "held": views.money(_held_units(session, withdrawal), assets.of(withdrawal.asset)),
            "attempts": [
                views.attempt_view(attempt, assets.native(attempt.chain), carried.get(attempt.spend))
                for attempt in attempts
            ],
            "steps": [views.step_view(step) for step in steps],
        }
    )


def whole_intent(session: Session, filed: FiledIntent, *, root: TrustRoot, now: datetime) -> dict[str, Any]:
    """An intent with who has spoken, who is missing by name, and how much of its delay is left."""
    tally = intents.standing(session, filed, root=root, now=now)
    return views.intent_view(
        filed,
        given=intents.given(session, digest=filed.digest),
        tally=tally,
        missing=intents.missing_people(session, filed, tally, root=root) if filed.state == "pending" else {},
        assets=assets_seen(session),
        now=now,
    )


def whole_intents(
    session: Session, filed: Sequence[FiledIntent], *, trust: InForce, now: datetime
) -> list[dict[str, Any]]:
    """As ``whole_intent`` says of each, with as many statements for many as for one."""
    if not filed:
        return []
    assets = assets_seen(session)
    standings = waiting.standings(session, filed, trust=trust, now=now)
    return [
        views.intent_view(
            each,
            given=standings[each.digest].given,
            tally=standings[each.digest].tally,
            missing=standings[each.digest].missing,
            assets=assets,
            now=now,
        )
        for each in filed
    ]


def _missing(session: Session, withdrawal: Withdrawal, filed: FiledIntent, root: TrustRoot) -> dict[str, int]:
    if withdrawal.state != State.PENDING_APPROVAL:
        return {}
    given = intents.given(session, digest=filed.digest)
    return dict(intents.tally(filed.decision, given, root=root, requester=filed.intent.request.requester).missing)


def _held_units(session: Session, withdrawal: Withdrawal) -> int:
    hold = ledger.find_hold(session, hold_id=withdrawal.hold) if withdrawal.hold else None
    return hold.amount.units if hold and hold.state == HoldState.PENDING else 0
