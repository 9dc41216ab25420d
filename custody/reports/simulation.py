"""What a policy document would have changed about what was really asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from custody.approvals import history
from custody.withdrawals import queries as withdrawals
from policies.document import Document
from policies.rules import windows_of
from policies.simulation import Replayed, Simulated, simulate

Shown = Callable[[Iterable[Replayed], int], Iterable[Replayed]]
"""Passes requests on, and shows how far it has got of how many."""


def simulated(session: Session, document: Document, *, since: datetime, until: datetime, shown: Shown) -> Simulated:
    """Replay what was asked for from ``since`` until before ``until``, read one after the other.

    What was asked for before that, as long ago as the document's longest window, counts in its windows.
    """
    first = since - timedelta(seconds=longest_window(document))
    given_up = withdrawals.given_up_since(session, since=first)
    number = history.number_decided(session, since=first, until=until)
    stored = history.decided(session, since=first, until=until)
    told = (replace(one, released=True) if one.reference in given_up else one for one in stored)
    found = simulate(document, shown(told, number), since=since)
    found.spread(document.groups, seconds=int((until - since).total_seconds()))
    return found


def longest_window(document: Document) -> int:
    """Seconds of the longest window any rule of the document reads; 0 where none does."""
    return max((seconds for rule in document.rules for _, seconds in windows_of(rule)), default=0)
