"""Everything that changes endpoints and deliveries. No operation commits and none sends."""

from custody.webhooks.operations.delivering import claim, take_over
from custody.webhooks.operations.endpoints import (
    EndpointState,
    Made,
    add,
    change,
    disable,
    enable,
    remove,
    rotate_secret,
)
from custody.webhooks.operations.resending import (
    PIECE,
    Piece,
    expect_sending,
    failed,
    resend,
    resend_piece,
    send_test,
)
from custody.webhooks.operations.settling import prune, settle

__all__ = [
    "PIECE",
    "EndpointState",
    "Made",
    "Piece",
    "add",
    "change",
    "claim",
    "disable",
    "enable",
    "expect_sending",
    "failed",
    "prune",
    "remove",
    "resend",
    "resend_piece",
    "rotate_secret",
    "send_test",
    "settle",
    "take_over",
]
