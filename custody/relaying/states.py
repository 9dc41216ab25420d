"""The states of a carriage and of a load, and every move between them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from custody.kernel.errors import Conflict


class CarriageState(StrEnum):
    """``built``: signed and stored; ``sent``: it may be anywhere; ``mined``: in a block; ``confirmed``: deep enough."""

    BUILT = "built"
    SENT = "sent"
    MINED = "mined"
    CONFIRMED = "confirmed"


class CarriageEvent(StrEnum):
    """What moves a carriage."""

    SENT = "sent"
    MINED = "mined"
    REMOVED = "removed"
    SETTLED = "settled"


class LoadState(StrEnum):
    """``waiting`` to be carried, ``riding`` on a carriage, ``ended``: turn used up, ``stuck``: a person looks."""

    WAITING = "waiting"
    RIDING = "riding"
    ENDED = "ended"
    STUCK = "stuck"


class LoadEvent(StrEnum):
    """What moves a load."""

    BOARDED = "boarded"
    LEFT = "left"
    """Its carriage is in a block and has not carried it out."""
    STRANDED = "stranded"
    """That happened as often as it may."""
    ENDED = "ended"
    REOPENED = "reopened"
    """The block it ended in left the chain, or a person asked for it."""


class ForbiddenMove(Conflict):
    """The state does not know this event."""

    code = "relaying-forbidden-move"


NEW: Final = "new"
"""Stands in the first transition row for the state before there was a carriage."""

CARRIAGE_TRANSITIONS: Final[Mapping[tuple[CarriageState, CarriageEvent], CarriageState]] = MappingProxyType(
    {
        (CarriageState.BUILT, CarriageEvent.SENT): CarriageState.SENT,
        (CarriageState.BUILT, CarriageEvent.MINED): CarriageState.MINED,
        (CarriageState.SENT, CarriageEvent.MINED): CarriageState.MINED,
        (CarriageState.MINED, CarriageEvent.REMOVED): CarriageState.SENT,
        (CarriageState.MINED, CarriageEvent.SETTLED): CarriageState.CONFIRMED,
        (CarriageState.CONFIRMED, CarriageEvent.REMOVED): CarriageState.SENT,
    }
)

LOAD_TRANSITIONS: Final[Mapping[tuple[LoadState, LoadEvent], LoadState]] = MappingProxyType(
    {
        (LoadState.WAITING, LoadEvent.BOARDED): LoadState.RIDING,
        (LoadState.WAITING, LoadEvent.ENDED): LoadState.ENDED,
        (LoadState.RIDING, LoadEvent.LEFT): LoadState.WAITING,
        (LoadState.RIDING, LoadEvent.STRANDED): LoadState.STUCK,
        (LoadState.RIDING, LoadEvent.ENDED): LoadState.ENDED,
        (LoadState.ENDED, LoadEvent.REOPENED): LoadState.WAITING,
        (LoadState.STUCK, LoadEvent.REOPENED): LoadState.WAITING,
        (LoadState.STUCK, LoadEvent.ENDED): LoadState.ENDED,
    }
)


def advance(state: CarriageState, event: CarriageEvent) -> CarriageState:
    """The carriage's state after ``event``. Raises ``ForbiddenMove``."""
    following = CARRIAGE_TRANSITIONS.get((state, event))
    if following is None:
        raise ForbiddenMove(f"a carriage that is {state} knows no {event}")
    return following


def advance_load(state: LoadState, event: LoadEvent) -> LoadState:
    """The load's state after ``event``. Raises ``ForbiddenMove``."""
    following = LOAD_TRANSITIONS.get((state, event))
    if following is None:
        raise ForbiddenMove(f"a load that is {state} knows no {event}")
    return following
