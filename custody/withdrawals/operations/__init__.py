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
    REPLACE,
    NothingToReplace,
    VaultStopped,
    composable,
    compose,
    mark_refused,
    mark_sent,
    mark_signed,
    mark_unpayable,
    replace,
    replaceable,
    request_rebroadcast,
    request_replacement,
    sendable,
    sent_attempts,
    wait,
    wanted,
)
from custody.withdrawals.operations.reconsidering import reconsider, renew
from custody.withdrawals.operations.request import BROADCAST, COMPOSE, Requested, request, request_sweep
from custody.withdrawals.operations.respending import (
    CannotRespend,
    RespendRequested,
    mark_respend_approved,
    request_respend,
)

__all__ = [
    "BROADCAST",
    "COMPOSE",
    "REPLACE",
    "CannotRespend",
    "MayBeSigned",
    "NothingToReplace",
    "Requested",
    "RespendRequested",
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
    "mark_unpayable",
    "mark_respend_approved",
    "observe",
    "reconsider",
    "renew",
    "replace",
    "replaceable",
    "request",
    "request_sweep",
    "request_rebroadcast",
    "request_replacement",
    "request_respend",
    "sendable",
    "sent_attempts",
    "wait",
    "wanted",
]
