"""Every crash point there is, taken from the code, and the stages of the roads that pass it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import custody
import workers
from custody.kernel.crash import points_in
from tests.crash import ether_roads, roads, rotation_roads
from tests.crash.roads import Stage
from workers.routes import crash_points

STAGES: Final[dict[Stage, tuple[str, ...]]] = {
    roads.opening: ("api.approval.", "intents.approved:", "addresses.", "jobs.", "relay."),
    roads.arrival: ("deposits.mempool_",),
    roads.inclusion: ("movements.block_", "relay."),
    roads.credit: ("movements.block_recorded", "movements.advanced:", "deposits.taken_up", "deposits.booked"),
    roads.payment: (
        "api.withdrawal.",
        "api.approval.",
        "api.bundle.",
        "api.signature.",
        "intents.approved:",
        "withdrawals.compose",
        "withdrawals.planned",
        "withdrawals.before_send",
        "withdrawals.sent",
        "withdrawals.broadcast",
        "signing.complete:",
        "relay.",
    ),
    roads.replacement: (
        "api.bundle.",
        "api.signature.",
        "withdrawals.replace",
        "withdrawals.before_send",
        "withdrawals.sent",
        "withdrawals.broadcast",
        "signing.complete:",
        "relay.",
    ),
    roads.confirmation: ("movements.block_", "movements.advanced:"),
    roads.completion: ("movements.advanced:", "deposits.taken_up", "deposits.booked"),
    roads.rejection: ("intents.rejected:",),
    roads.refusal: ("signing.refused:",),
    roads.undone_deposit: ("movements.disconnect", "movements.reorganised:"),
    roads.restored: ("restore.",),
    roads.undone_payment: ("movements.disconnect", "movements.reorganised:"),
    ether_roads.ether_credit: (
        "movements.block_",
        "movements.advanced:",
        "deposits.taken_up",
        "deposits.booked",
        "relaying.registered",
    ),
    ether_roads.ether_compared: ("movements.balances_read", "movements.compared"),
    ether_roads.ether_first_payment: (
        "api.bundle.",
        "api.signature.",
        "withdrawals.compose",
        "withdrawals.planned",
        "withdrawals.before_send",
        "withdrawals.sent",
        "withdrawals.broadcast",
        "signing.complete:",
        "relaying.offered",
        "relaying.examined",
        "relaying.buil",
        "relaying.sent",
        "relaying.taken_up",
        "relaying.settled",
    ),
    ether_roads.ether_second_payment: (
        "withdrawals.planned",
        "withdrawals.sent",
        "relaying.offered",
        "relaying.examined",
        "relaying.buil",
        "relaying.sent",
        "relaying.taken_up",
        "relaying.settled",
    ),
    ether_roads.ether_raised_fee: ("relaying.replac",),
    ether_roads.ether_given_up: ("withdrawals.compose", "withdrawals.sent", "signing.complete:", "relaying.built"),
    rotation_roads.succeeding: ("trust.in_force:",),
    rotation_roads.sweeping: ("withdrawals.compose_before_commit", "withdrawals.sent", "deposits.booked"),
    ether_roads.ether_undone_payment: ("movements.disconnect", "movements.reorganised:"),
}
"""A point that begins so is passed in this stage; the test of it fails if it is not."""


PLAYED_ELSEWHERE: Final = frozenset({"movements.balances_read", "movements.compared"})
"""No stage of these roads passes them: ``tests/integration/evm/test_shown_in_part.py`` kills a process at each."""


def all_points() -> list[str]:
    """By name from the source, and those every task has by its shape."""
    rooms = (Path(package.__path__[0]) for package in (custody, workers))
    return sorted({*points_in(*rooms), *crash_points()} - PLAYED_ELSEWHERE)


def stages_of(point: str) -> list[Stage]:
    """The stages that pass ``point``."""
    return [stage for stage, prefixes in STAGES.items() if point.startswith(prefixes)]
