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
    CANCELLING = "cancelling"
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
    FAIL = "fail"
    OVERTAKE = "overtake"
    GIVE_UP = "give_up"
    USE_UP = "use_up"


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
    (_S.APPROVED, _E.FAIL): _S.FAILED,
    (_S.AWAITING_SIGNATURES, _E.CANCEL): _S.CANCELLED,
    (_S.AWAITING_SIGNATURES, _E.EXPIRE): _S.EXPIRED,
    (_S.AWAITING_SIGNATURES, _E.REFUSE): _S.FAILED,
    (_S.AWAITING_SIGNATURES, _E.SIGN): _S.SIGNED,
    (_S.AWAITING_SIGNATURES, _E.CONFIRM): _S.CONFIRMED,
    (_S.AWAITING_SIGNATURES, _E.FAIL): _S.FAILED,
    (_S.AWAITING_SIGNATURES, _E.OVERTAKE): _S.APPROVED,
    (_S.AWAITING_SIGNATURES, _E.GIVE_UP): _S.CANCELLING,
    (_S.SIGNED, _E.SEND): _S.BROADCAST,
    (_S.SIGNED, _E.CONFIRM): _S.CONFIRMED,
    (_S.SIGNED, _E.FAIL): _S.FAILED,
    (_S.SIGNED, _E.GIVE_UP): _S.CANCELLING,
    (_S.BROADCAST, _E.CONFIRM): _S.CONFIRMED,
    (_S.BROADCAST, _E.FAIL): _S.FAILED,
    (_S.BROADCAST, _E.GIVE_UP): _S.CANCELLING,
    (_S.CANCELLING, _E.CONFIRM): _S.CONFIRMED,
    (_S.CANCELLING, _E.FAIL): _S.FAILED,
    (_S.CANCELLING, _E.USE_UP): _S.CANCELLED,
    (_S.CONFIRMED, _E.COMPLETE): _S.COMPLETED,
    (_S.CONFIRMED, _E.REORGANISE): _S.BROADCAST,
    (_S.COMPLETED, _E.REORGANISE): _S.BROADCAST,
    (_S.CANCELLED, _E.REORGANISE): _S.CANCELLING,
    (_S.FAILED, _E.REORGANISE): _S.CANCELLING,
}

RELEASED: Final = frozenset({_S.DENIED, _S.REJECTED, _S.EXPIRED, _S.CANCELLED, _S.FAILED})
"""Ended without paying: the hold is free. Never entered while a signature could still spend; left again only where a
reorg takes away what made sure of that."""

FINAL: Final = RELEASED | {_S.COMPLETED}

UNDER_WAY: Final = frozenset({_S.AWAITING_SIGNATURES, _S.SIGNED, _S.BROADCAST, _S.CANCELLING})
"""A signature may exist and nothing is known of how it ended."""


def advance(state: State, event: Event) -> State:
    """The state after ``event``. Raises ``NotPossible`` for every pair that is not in the table."""
    following = TRANSITIONS.get((state, event))
    if following is None:
        raise NotPossible(f"a withdrawal that is {state} cannot {event}", field="withdrawal.state")
    return following
