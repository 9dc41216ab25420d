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
from custody.kernel.clock import rfc3339
from custody.ledger import queries as ledger
from custody.ledger.model import HoldState
from custody.relaying import queries as relaying
from custody.spends import queries as spends
from custody.trust.assets import known_assets
from custody.trust.operations import InForce
from custody.views import objects as views
from custody.withdrawals import queries as withdrawals
from custody.withdrawals.model import Step, Withdrawal
from custody.withdrawals.states import Event, State
from policies.decision import explain


def whole_withdrawal(session: Session, withdrawal: Withdrawal, *, root: TrustRoot) -> dict[str, Any]:
    """What, whose, where it stands, its proof and its money: no second question is needed."""
    filed = intents.get(session, digest=withdrawal.digest)
    steps = withdrawals.steps(session, withdrawal=withdrawal.id)
    attempts = spends.attempts(session, withdrawal=withdrawal.id)
    code, reason = _reason(session, withdrawal, filed, steps)
    assets = known_assets(session)
    return views.withdrawal_view(withdrawal, assets) | {
        "reason_code": code,
        "reason": reason,
        "missing_approvals": _missing(session, withdrawal, filed, root),
        "expires_at": rfc3339(filed.not_after),
        "requester": filed.intent.request.requester,
        "idempotency_key": filed.intent.request.idempotency_key,
        "held": views.money(_held_units(session, withdrawal), assets.of(withdrawal.asset)),
        "attempts": [
            views.attempt_view(attempt, assets.native(attempt.chain), relaying.cost_of(session, spend=attempt.spend))
            for attempt in attempts
        ],
        "steps": [views.step_view(step) for step in steps],
    }


def whole_intent(session: Session, filed: FiledIntent, *, root: TrustRoot, now: datetime) -> dict[str, Any]:
    """An intent with who has spoken, who is missing by name, and how much of its delay is left."""
    tally = intents.standing(session, filed, root=root, now=now)
    return views.intent_view(
        filed,
        given=intents.given(session, digest=filed.digest),
        tally=tally,
        missing=intents.missing_people(session, filed, tally, root=root) if filed.state == "pending" else {},
        assets=known_assets(session),
        now=now,
    )


def whole_intents(
    session: Session, filed: Sequence[FiledIntent], *, trust: InForce, now: datetime
) -> list[dict[str, Any]]:
    """As ``whole_intent`` says of each, with as many statements for many as for one."""
    if not filed:
        return []
    assets = known_assets(session)
    standings = waiting.standings(session, filed, root=trust.root, roles=trust.policy.roles, now=now)
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


def _reason(
    session: Session, withdrawal: Withdrawal, filed: FiledIntent, steps: list[Step]
) -> tuple[str | None, str | None]:
    last = steps[-1].actor if steps else "nobody"
    match withdrawal.state:
        case State.DENIED:
            return "policy", explain(filed.decision)[0]
        case State.PENDING_APPROVAL:
            return "approval", explain(filed.decision)[0]
        case State.REJECTED:
            return "rejected", f"rejected by {', '.join(_rejecters(session, filed.digest))}"
        case State.EXPIRED:
            return "expired", "its time ran out before a cosigner was given it"
        case State.CANCELLED:
            return "cancelled", f"cancelled by {last}"
        case State.FAILED if steps and steps[-1].event == Event.FAIL:
            return "failed-on-chain", "the chain does not carry it out, or carried out nothing"
        case State.FAILED:
            return "refused-by-cosigners", "so many cosigners refused that no quorum is left"
        case _:
            return ("waiting", withdrawal.waiting_for) if withdrawal.waiting_for else (None, None)


def _rejecters(session: Session, digest: str) -> list[str]:
    statements = [approval.statement for approval in intents.given(session, digest=digest)]
    return sorted(statement.approver for statement in statements if statement.verdict == "reject")
