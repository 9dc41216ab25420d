"""Everything that moves a withdrawal. No operation commits."""

from custody.withdrawals.operations.deciding import (
    MayBeSigned,
    cancel,
    expire_overdue,
    mark_approved,
    mark_rejected,
)
from custody.withdrawals.operations.observing import observe
from custody.withdrawals.operations.paying import (
    BROADCAST,
    REPLACE,
    NothingToReplace,
    VaultStopped,
    composable,
    compose,
    mark_refused,
    mark_sent,
    mark_signed,
    replace,
    replaceable,
    request_rebroadcast,
    request_replacement,
    sendable,
    sent_attempts,
    wait,
)
from custody.withdrawals.operations.request import COMPOSE, Requested, request

__all__ = [
    "BROADCAST",
    "COMPOSE",
    "REPLACE",
    "MayBeSigned",
    "NothingToReplace",
    "Requested",
    "VaultStopped",
    "cancel",
    "composable",
    "compose",
    "expire_overdue",
    "mark_approved",
    "mark_refused",
    "mark_rejected",
    "mark_sent",
    "mark_signed",
    "observe",
    "replace",
    "replaceable",
    "request",
    "request_rebroadcast",
    "request_replacement",
    "sendable",
    "sent_attempts",
    "wait",
]
