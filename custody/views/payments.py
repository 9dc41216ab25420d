"""Withdrawals in a list: each says where it stands, why, and who acts next, at the price of three reads for all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

from custody.approvals import queries as intents
from custody.approvals import waiting
from custody.approvals.queries import FiledIntent
from custody.evidence.approvals import Approval
from custody.kernel.clock import rfc3339
from custody.trust.assets import assets_seen
from custody.views.objects import withdrawal_view
from custody.withdrawals import queries as withdrawals
from custody.withdrawals.model import Step, Withdrawal
from custody.withdrawals.states import Event, State
from policies.decision import explain


def listed(session: Session, found: Sequence[Withdrawal]) -> list[dict[str, Any]]:
    """``found`` as lists show them: the row, its reason, its end, who asked and under which key."""
    if not found:
        return []
    assets = assets_seen(session)
    filed = intents.among(session, digests=[each.digest for each in found])
    last = withdrawals.last_steps(session, withdrawals=[each.id for each in found])
    rejected = [each.digest for each in found if each.state == State.REJECTED]
    said = waiting.given_among(session, rejected) if rejected else {}
    return [
        withdrawal_view(each, assets) | about(each, filed[each.digest], last.get(each.id), said.get(each.digest, ()))
        for each in found
    ]


def about(withdrawal: Withdrawal, filed: FiledIntent, last: Step | None, said: Sequence[Approval]) -> dict[str, Any]:
    """What the intent adds to a withdrawal's row. ``said`` is read of rejected ones alone."""
    code, words = reason(withdrawal, filed, last, said)
    return {
        "reason_code": code,
        "reason": words,
        "expires_at": rfc3339(filed.not_after),
        "requester": filed.intent.request.requester,
        "idempotency_key": filed.intent.request.idempotency_key,
        "purpose": getattr(filed.intent.request, "purpose", None),
    }


def reason(
    withdrawal: Withdrawal, filed: FiledIntent, last: Step | None, said: Sequence[Approval]
) -> tuple[str | None, str | None]:
    """Why it stands where it stands: a word for programs, and a sentence."""
    ending = _ENDINGS.get(withdrawal.state)
    match withdrawal.state:
        case State.DENIED:
            return "policy", explain(filed.decision)[0]
        case State.PENDING_APPROVAL:
            return "approval", explain(filed.decision)[0]
        case State.REJECTED:
            return "rejected", f"rejected by {', '.join(_rejecters(said))}"
        case State.CANCELLED:
            return "cancelled", f"cancelled by {last.actor if last else 'nobody'}"
        case State.FAILED if last is not None and last.event == Event.FAIL:
            return "failed-on-chain", "the chain does not carry it out, or carried out nothing"
        case _ if ending is not None:
            return ending
        case _:
            return ("waiting", withdrawal.waiting_for) if withdrawal.waiting_for else (None, None)


def _rejecters(said: Sequence[Approval]) -> list[str]:
    return sorted(each.statement.approver for each in said if each.statement.verdict == "reject")


_ENDINGS: Mapping[State, tuple[str, str]] = {
    State.EXPIRED: ("expired", "its time ran out before a cosigner was given it"),
    State.FAILED: ("refused-by-cosigners", "so many cosigners refused that no quorum is left"),
}
