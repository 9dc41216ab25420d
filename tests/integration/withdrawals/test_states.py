"""The table of states: every pair of state and event is decided, the papers say the same, and steps are unique."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from custody.db.unit import UnitConflict
from custody.withdrawals.states import FINAL, RELEASED, TRANSITIONS, Event, NotPossible, State, advance
from tests.cosigner.builders import BTC
from tests.support.servers import FreshDatabase
from tests.support.world import House

PAPER = Path(__file__).parents[3] / "docs" / "withdrawal-states.md"

# Written from the domain's words, not from the code: what may follow what.
ON_ITS_OWN = {"confirm": "confirmed", "fail": "failed", "give_up": "cancelling"}
"""Whoever has the signatures may carry it out, and whoever asked may give it up."""

EXPECTED = {
    "requested": {"deny": "denied", "ask_people": "pending_approval", "approve": "approved"},
    "pending_approval": {
        "approve": "approved",
        "deny": "denied",
        "reject": "rejected",
        "expire": "expired",
        "cancel": "cancelled",
    },
    "approved": {
        "ask_people": "pending_approval",
        "deny": "denied",
        "expire": "expired",
        "cancel": "cancelled",
        "compose": "awaiting_signatures",
        "fail": "failed",
    },
    "awaiting_signatures": {
        "cancel": "cancelled",
        "expire": "expired",
        "refuse": "failed",
        "sign": "signed",
        "overtake": "approved",
        **ON_ITS_OWN,
    },
    "signed": {"send": "broadcast", **ON_ITS_OWN},
    "broadcast": ON_ITS_OWN,
    "cancelling": {"confirm": "confirmed", "fail": "failed", "use_up": "cancelled"},
    "confirmed": {"complete": "completed", "reorganise": "broadcast"},
    "completed": {"reorganise": "broadcast"},
    **{state: {} for state in ("denied", "rejected", "expired")},
    **{state: {"reorganise": "cancelling"} for state in ("cancelled", "failed")},
}


def table() -> str:
    """The table as the papers show it."""
    lines = ["| state | event | next state |", "| --- | --- | --- |"]
    lines += [f"| {state} | {event} | {after} |" for (state, event), after in TRANSITIONS.items()]
    return "\n".join(lines)


@pytest.mark.parametrize(("state", "event"), list(product(State, Event)), ids=str)
def test_decides_every_pair_of_state_and_event(state: State, event: Event) -> None:
    expected = EXPECTED[state].get(event)
    if expected is None:
        with pytest.raises(NotPossible):
            advance(state, event)
    else:
        assert advance(state, event) == expected


def test_frees_money_only_where_no_signature_can_exist() -> None:
    by_the_chain = {Event.FAIL, Event.USE_UP}
    into = {
        (state, event)
        for (state, event), after in TRANSITIONS.items()
        if after in RELEASED and event not in by_the_chain
    }
    assert {state for state, _ in into} == {
        *(State.REQUESTED, State.PENDING_APPROVAL, State.APPROVED, State.AWAITING_SIGNATURES)
    }
    out_of = {(state, event) for state, event in TRANSITIONS if state in RELEASED}
    assert out_of == {(State.CANCELLED, Event.REORGANISE), (State.FAILED, Event.REORGANISE)}
    assert RELEASED | {State.COMPLETED} == FINAL


def test_the_papers_show_the_table() -> None:
    assert table() in PAPER.read_text()


def test_one_step_cannot_be_taken_twice(database: FreshDatabase) -> None:
    house = House.found(database)
    house.open_client("acme", branch=1)
    house.credit("acme", BTC)
    asked = house.withdraw(house.withdrawal_request("acme", BTC // 50))
    again = (
        "INSERT INTO withdrawal_transitions SELECT subject, step, from_state, to_state, event, actor, at"
        " FROM withdrawal_transitions WHERE subject = :id"
    )
    with pytest.raises((IntegrityError, UnitConflict)), house.db.unit() as unit:
        unit.session.execute(text(again), {"id": asked.id})
    for forbidden in ("UPDATE withdrawal_transitions SET actor = 'x'", "DELETE FROM withdrawal_transitions"):
        with pytest.raises(DBAPIError), house.db.unit() as unit:
            unit.session.execute(text(forbidden))
    house.close()
