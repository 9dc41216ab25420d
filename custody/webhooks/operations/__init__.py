"""Everything that changes endpoints and deliveries. No operation commits and none sends."""

from custody.webhooks.operations.delivering import Resent, claim, prune, resend, resend_failed, settle, take_over
from custody.webhooks.operations.endpoints import (
    Made,
    add,
    change,
    disable,
    enable,
    remove,
    rotate_secret,
)

__all__ = [
    "Made",
    "Resent",
    "add",
    "change",
    "claim",
    "disable",
    "enable",
    "prune",
    "remove",
    "resend",
    "resend_failed",
    "rotate_secret",
    "settle",
    "take_over",
]
