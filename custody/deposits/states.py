"""The states of a deposit and every move between them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from custody.kernel.errors import Conflict


class DepositState(StrEnum):
    """``seen`` in the mempool, ``confirming`` in a block; then booked, or ``orphaned``: not on the chain now."""

    SEEN = "seen"
    CONFIRMING = "confirming"
    CREDITED = "credited"
    ORPHANED = "orphaned"
    QUARANTINED = "quarantined"
    DUST = "dust"


class DepositEvent(StrEnum):
    """What moves a deposit."""

    SEEN = "seen"
    VANISHED = "vanished"
    MINED = "mined"
    REMOVED = "removed"
    CREDITED = "credited"
    FOUND_DUST = "found_dust"
    QUARANTINED = "quarantined"


class ForbiddenMove(Conflict):
    """The deposit's state does not know this event."""

    code = "deposit-forbidden-move"


NEW: Final = "new"
"""Stands in the first transition row for the state before there was a deposit."""

TRANSITIONS: Final[Mapping[tuple[DepositState, DepositEvent], DepositState]] = MappingProxyType(
    {
        (DepositState.SEEN, DepositEvent.MINED): DepositState.CONFIRMING,
        (DepositState.SEEN, DepositEvent.VANISHED): DepositState.ORPHANED,
        (DepositState.ORPHANED, DepositEvent.SEEN): DepositState.SEEN,
        (DepositState.ORPHANED, DepositEvent.MINED): DepositState.CONFIRMING,
        (DepositState.CONFIRMING, DepositEvent.REMOVED): DepositState.ORPHANED,
        (DepositState.CONFIRMING, DepositEvent.CREDITED): DepositState.CREDITED,
        (DepositState.CONFIRMING, DepositEvent.FOUND_DUST): DepositState.DUST,
        (DepositState.CONFIRMING, DepositEvent.QUARANTINED): DepositState.QUARANTINED,
        (DepositState.CREDITED, DepositEvent.REMOVED): DepositState.ORPHANED,
        (DepositState.DUST, DepositEvent.REMOVED): DepositState.ORPHANED,
        (DepositState.QUARANTINED, DepositEvent.REMOVED): DepositState.ORPHANED,
    }
)

FIRST: Final[Mapping[DepositEvent, DepositState]] = MappingProxyType(
    {DepositEvent.SEEN: DepositState.SEEN, DepositEvent.MINED: DepositState.CONFIRMING}
)
"""What a deposit begins as."""

BOOKED: Final = frozenset({DepositState.CREDITED, DepositState.DUST, DepositState.QUARANTINED})
"""States in which the ledger holds the deposit."""


def advance(state: DepositState, event: DepositEvent) -> DepositState:
    """The state after ``event``. Raises ``ForbiddenMove``."""
    following = TRANSITIONS.get((state, event))
    if following is None:
        raise ForbiddenMove(f"a deposit that is {state} knows no {event}")
    return following
