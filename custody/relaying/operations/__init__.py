"""Everything that changes payers, carriages and loads. No operation commits."""

from custody.relaying.operations.booking import take_up
from custody.relaying.operations.carriages import (
    NothingToRaise,
    build,
    cannot_raise,
    replace,
    request_raise,
    sent,
    settle,
)
from custody.relaying.operations.loads import end, offer, release, reopen, wait
from custody.relaying.operations.payers import (
    KeyUsedElsewhere,
    PayerStopped,
    expect_numbers,
    note_level,
    register,
    resume,
    stop,
)

__all__ = [
    "KeyUsedElsewhere",
    "NothingToRaise",
    "PayerStopped",
    "build",
    "cannot_raise",
    "end",
    "expect_numbers",
    "note_level",
    "offer",
    "register",
    "release",
    "reopen",
    "replace",
    "request_raise",
    "resume",
    "sent",
    "settle",
    "stop",
    "take_up",
    "wait",
]
