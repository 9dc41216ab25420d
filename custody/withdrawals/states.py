"""The withdrawal's states and the one table of what may follow what (domain.md)."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from custody.kernel.errors import Conflict


class State(StrEnum):
    """Where a withdrawal stands."""

    REQUESTED = "requested"
    PENDING_APPROVAL = "pending_approval"
    APPROVED = "approved"
    AWAITING_SIGNATURES = "awaiting_signatures"
    SIGNED = "signed"
    BROADCAST = "broadcast"
    CONFIRMED = "confirmed"
    COMPLETED = "completed"
    DENIED = "denied"
    REJECTED = "rejected"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    FAILED = "failed"


class Event(StrEnum):
    """What moves it."""

    DENY = "deny"
    ASK_PEOPLE = "ask_people"
    APPROVE = "approve"
    REJECT = "reject"
    EXPIRE = "expire"
    CANCEL = "cancel"
    COMPOSE = "compose"
    SIGN = "sign"
    REFUSE = "refuse"
    SEND = "send"
    CONFIRM = "confirm"
    COMPLETE = "complete"
    REORGANISE = "reorganise"


class NotPossible(Conflict):
    """The withdrawal is not in a state this can happen in."""

    code = "withdrawal-state"


_S, _E = State, Event

TRANSITIONS: Final[dict[tuple[State, Event], State]] = {
    (_S.REQUESTED, _E.DENY): _S.DENIED,
    (_S.REQUESTED, _E.ASK_PEOPLE): _S.PENDING_APPROVAL,
    (_S.REQUESTED, _E.APPROVE): _S.APPROVED,
    (_S.PENDING_APPROVAL, _E.APPROVE): _S.APPROVED,
    (_S.PENDING_APPROVAL, _E.DENY): _S.DENIED,
    (_S.PENDING_APPROVAL, _E.REJECT): _S.REJECTED,
    (_S.PENDING_APPROVAL, _E.EXPIRE): _S.EXPIRED,
    (_S.PENDING_APPROVAL, _E.CANCEL): _S.CANCELLED,
    (_S.APPROVED, _E.ASK_PEOPLE): _S.PENDING_APPROVAL,
    (_S.APPROVED, _E.DENY): _S.DENIED,
    (_S.APPROVED, _E.EXPIRE): _S.EXPIRED,
    (_S.APPROVED, _E.CANCEL): _S.CANCELLED,
    (_S.APPROVED, _E.COMPOSE): _S.AWAITING_SIGNATURES,
    (_S.AWAITING_SIGNATURES, _E.CANCEL): _S.CANCELLED,
    (_S.AWAITING_SIGNATURES, _E.EXPIRE): _S.EXPIRED,
    (_S.AWAITING_SIGNATURES, _E.REFUSE): _S.FAILED,
    (_S.AWAITING_SIGNATURES, _E.SIGN): _S.SIGNED,
    (_S.SIGNED, _E.SEND): _S.BROADCAST,
    (_S.SIGNED, _E.CONFIRM): _S.CONFIRMED,
    (_S.BROADCAST, _E.CONFIRM): _S.CONFIRMED,
    (_S.CONFIRMED, _E.COMPLETE): _S.COMPLETED,
    (_S.CONFIRMED, _E.REORGANISE): _S.BROADCAST,
    (_S.COMPLETED, _E.REORGANISE): _S.BROADCAST,
}

RELEASED: Final = frozenset({_S.DENIED, _S.REJECTED, _S.EXPIRED, _S.CANCELLED, _S.FAILED})
"""Ended without paying: the hold is free. Never entered while a signature could still spend."""

FINAL: Final = RELEASED | {_S.COMPLETED}


def advance(state: State, event: Event) -> State:
    """The state after ``event``. Raises ``NotPossible`` for every pair that is not in the table."""
    following = TRANSITIONS.get((state, event))
    if following is None:
        raise NotPossible(f"a withdrawal that is {state} cannot {event}", field="withdrawal.state")
    return following
