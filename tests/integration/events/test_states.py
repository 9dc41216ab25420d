"""Every row of every table of states is told: generated from the tables, so that a new one cannot be forgotten."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from custody.approvals import operations as approvals
from custody.approvals.tables import IntentRow
from custody.clients import operations as clients
from custody.db import Database
from custody.deposits.operations.rows import move as move_deposit
from custody.deposits.states import BOOKED, DepositEvent, DepositState
from custody.deposits.states import TRANSITIONS as DEPOSIT_MOVES
from custody.deposits.tables import DepositRow
from custody.events import queries
from custody.events.model import Event
from custody.kernel.ids import new_id
from custody.reconciliation.invariants.telling import changes_are_told
from custody.stops.model import Cause
from custody.vaults import operations as vaults
from custody.withdrawals.operations.moving import locked, move
from custody.withdrawals.states import TRANSITIONS, State
from custody.withdrawals.states import Event as Move
from tests.support.servers import FreshDatabase
from tests.support.world import BTC, REGTEST, House

_STEP_UNTOLD = """
INSERT INTO withdrawal_transitions (subject, step, from_state, to_state, event, actor, at)
SELECT subject, step + 9, from_state, 'approved', event, actor, now() FROM withdrawal_transitions
"""
# Where an intent can be, from the papers and not from the code.
INTENT_STATES = {"pending", "approved", "rejected", "denied", "expired", "withdrawn"}


@pytest.fixture
def house(database: FreshDatabase) -> House:
    found = House.found(database)
    found.open_client("acme", branch=1)
    found.credit("acme", BTC)
    return found


def told(db: Database, kind: str, subject: str) -> list[Event]:
    with db.unit() as unit:
        return queries.of_subject(unit.session, kind=kind, subject=subject)


def test_every_move_of_a_withdrawal_is_told_with_what_it_is_then(house: House) -> None:
    asked = house.withdraw(house.withdrawal_request("acme", 20_000_000))
    before = told(house.db, "withdrawal", asked.id)
    assert [event.event for event in before] == ["requested", "pending_approval"]
    assert before[-1].data["amount"] == {"decimal": "0.20000000", "base_units": "20000000"}
    for (state, happens), after in TRANSITIONS.items():
        _move_withdrawal(house, asked.id, state, happens)
        event = told(house.db, "withdrawal", asked.id)[-1]
        assert (event.event, event.data["status"], event.client) == (after, after, "acme"), (state, happens)
    assert len(told(house.db, "withdrawal", asked.id)) == len(TRANSITIONS) + 2


def test_every_move_of_a_deposit_is_told_with_what_it_is_then(house: House) -> None:
    deposit = _deposit(house)
    for (state, happens), after in DEPOSIT_MOVES.items():
        _move_deposit(house, deposit, state, happens)
        event = told(house.db, "deposit", deposit)[-1]
        assert (event.event, event.data["status"], event.client) == (after, after, "acme"), (state, happens)
    assert len(told(house.db, "deposit", deposit)) == len(DEPOSIT_MOVES)


def test_every_state_of_an_intent_is_told_and_every_verdict(house: House) -> None:
    met = set()
    for end in ("reject", "approve", "expired", "withdrawn"):
        digest = house.withdraw(house.withdrawal_request("acme", 20_000_000)).digest
        if end in ("expired", "withdrawn"):
            with house.db.unit() as unit:
                approvals.close(unit.session, digest=digest, state=end, actor="test", now=unit.now)
        else:
            house.approve(digest, *(("bob", "carol") if end == "approve" else ("bob",)), verdict=end)
        events = told(house.db, "intent", digest)
        met |= {event.event for event in events}
        assert events[-1].data["state"] == _state(house, digest) == events[-1].event
        assert [event.version for event in events] == list(range(1, len(events) + 1))
    with house.db.unit() as unit:
        clients.freeze(unit.session, client="acme", reason="reorg", actor="test", now=unit.now)
    denied = house.withdraw(house.withdrawal_request("acme", 20_000_000))
    met |= {event.event for event in told(house.db, "intent", denied.digest)}
    assert met == INTENT_STATES | {"verdict_given"}


def test_verdicts_are_told_by_name(house: House) -> None:
    digest = house.withdraw(house.withdrawal_request("acme", 20_000_000)).digest
    house.approve(digest, "bob")
    event = told(house.db, "intent", digest)[-1]
    assert (event.event, event.actor, event.data["approved_by"]) == ("verdict_given", "bob", ["bob"])


def test_opening_freezing_and_handing_out_are_told(house: House) -> None:
    assert [event.event for event in told(house.db, "client", "acme")] == ["opened"]
    vault = house.vaults["acme"]
    assert [event.event for event in told(house.db, "vault", vault)] == ["opened"]
    given = house.address("acme")
    assert told(house.db, "address", given.address)[0].client == "acme"
    with house.db.unit() as unit:
        clients.freeze(unit.session, client="acme", reason="reorg", actor="test", now=unit.now)
        vaults.freeze_vault(unit.session, vault=vault, reason="break", actor="test", now=unit.now, cause=Cause.BREAK)
    assert told(house.db, "client", "acme")[-1].data["status"] == "frozen"
    assert told(house.db, "vault", vault)[-1].data["frozen_reason"] == "break"
    assert told(house.db, "freeze", "client:acme")[-1].data["frozen"] is True
    assert [event.event for event in told(house.db, "trust_root", "trust-root")] == ["in_force"]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("UPDATE withdrawals SET waiting_for = 'rain'", "is pending_approval, rain and was told"),
        ("UPDATE withdrawals SET state = 'approved'", "is approved and was told to be pending_approval"),
        (_STEP_UNTOLD, "became approved and nobody was told"),
    ],
)
def test_the_books_own_check_sees_what_was_not_told(house: House, wrong: str, says: str) -> None:
    house.withdraw(house.withdrawal_request("acme", 20_000_000))
    with pytest.raises(_Undone), house.db.unit() as unit:
        assert list(changes_are_told(unit.session)) == []
        unit.session.execute(text(wrong))
        assert any(says in line for line in changes_are_told(unit.session))
        raise _Undone


class _Undone(Exception):
    """Takes a unit back."""


def test_what_is_told_carries_no_secret_and_is_small(house: House) -> None:
    house.approve(house.withdraw(house.withdrawal_request("acme", 20_000_000)).digest, "bob", "carol")
    with house.db.unit() as unit:
        everything = queries.after(unit.session, cursor=0, limit=1_000).events
    assert everything
    for event in everything:
        assert len(event.body) < 20_000
        assert b"signature" not in event.body and b"assertion" not in event.body, event.type


def _move_withdrawal(house: House, withdrawal: str, state: State, happens: Move) -> None:
    with house.db.unit() as unit:
        row = locked(unit.session, withdrawal=withdrawal)
        row.state, row.hold_id = state, None
        unit.session.flush()
        move(unit.session, row, event=happens, actor="test", now=unit.now)


def _move_deposit(house: House, deposit: str, state: DepositState, happens: DepositEvent) -> None:
    with house.db.unit() as unit:
        entry = unit.session.execute(text("SELECT max(id) FROM journal_entries")).scalar_one()
        row = unit.session.get_one(DepositRow, deposit)
        row.state = state
        _stand(row, state, entry)
        unit.session.flush()
        _stand(row, DEPOSIT_MOVES[(state, happens)], entry)
        move_deposit(unit.session, row, happens, actor="test", now=unit.now)


def _stand(row: DepositRow, state: DepositState, entry: int) -> None:
    """What else is in the row of a deposit in this state."""
    is_mined = state not in (DepositState.SEEN, DepositState.ORPHANED)
    row.height, row.block_hash = (7, "cd" * 32) if is_mined else (None, None)
    row.entry_id = entry if state in BOOKED else None


def _deposit(house: House) -> str:
    given = house.address("acme")
    with house.db.unit() as unit:
        row = DepositRow(
            id=new_id("dep", unit.now),
            chain=REGTEST.asset.chain,
            txid="ab" * 32,
            position=0,
            vault_id=given.vault,
            client_id="acme",
            address_id=given.id,
            asset=REGTEST.asset.id,
            units=5_000,
            coinbase=False,
            state=DepositState.SEEN.value,
            step=1,
            occurrence=0,
            required_depth=1,
            unbacked=False,
            first_seen_at=unit.now,
            updated_at=unit.now - timedelta(0),
        )
        unit.session.add(row)
        return row.id


def _state(house: House, digest: str) -> Any:
    with house.db.unit() as unit:
        return unit.session.execute(
            text(f"SELECT state FROM {IntentRow.__tablename__} WHERE digest = :digest"), {"digest": digest}
        ).scalar_one()
