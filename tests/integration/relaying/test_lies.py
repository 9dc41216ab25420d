"""Every invariant that relaying's tables show turns red when they lie; what rests too long there is listed once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.orm import Session

from custody.reconciliation.invariants import check_invariants
from custody.reconciliation.stuck import Deadlines, StuckRow, raise_stuck_alarms, stuck
from custody.relaying import operations
from demo.servers import Anvil
from tests.support.lanes import ANVIL, ETHER, TERMS, WholeHouse
from tests.support.servers import FreshDatabase

FEE = "(SELECT id FROM journal_entries WHERE reason = 'network_fee_paid' ORDER BY id LIMIT 1)"

LIES = [
    ("I4", "UPDATE carriages SET fee_units = fee_units + 1", "and that is not booked once"),
    ("I4", "UPDATE payer_bookings SET booked = false WHERE direction = 'out'", "in the books 1 times"),
    ("I4", f"UPDATE journal_entries SET subject = 'payer:out:0xother:0' WHERE id = {FEE}", "no carriage's"),
    ("I4", "UPDATE payer_bookings SET units = units + 1 WHERE direction = 'out'", "in the books 0 times"),
    ("I4", "UPDATE carriage_shares SET fee_units = fee_units - 1", "is shared"),
    ("I4", "UPDATE carriage_shares SET billed_units = 7", "billed 7 and the books say 0"),
    ("I6", "UPDATE carriages SET number = 5 WHERE number = 1", "has number 5, which was not given yet"),
    ("I6", "UPDATE payers SET next_number = next_number + 1", "has nothing under its number 2"),
    (
        "I6",
        """ALTER TABLE carriages DROP CONSTRAINT uq_carriages_chain_account_number;
        UPDATE carriages SET number = 0""",
        "is several carriages",
    ),
    ("I7", "UPDATE attempts SET txid = '0x00' || substring(txid FROM 5)", "is no attempt's"),
    ("I7", "UPDATE loads SET final = final || '\\x00'", "is no attempt's"),
    (
        "I15",
        """INSERT INTO alarms (kind, subject, step, raised_at, why)
        SELECT 'rules-changed', id, 'x', now(), 'owner' FROM vaults WHERE kind = 'segregated' LIMIT 1""",
        "is not frozen: owner",
    ),
]


@pytest.fixture
def house(anvil: Anvil, database: FreshDatabase) -> WholeHouse:
    house = WholeHouse(database.db, anvil)
    house.found()
    return house


def carried(house: WholeHouse) -> None:
    """A payment of each client, each on a carriage of its own."""
    for signed in (house.signed("acme"), house.signed("birch")):
        house.owed(signed)
        house.send(signed)
        house.settle()
        house.paid(signed)


def violations(connection: Connection) -> dict[str, tuple[str, ...]]:
    session = Session(connection, join_transaction_mode="rollback_only")
    return dict(check_invariants(session, terms={ANVIL.chain: TERMS}).found)


def test_every_lie_about_carrying_is_named(house: WholeHouse, database: FreshDatabase) -> None:
    carried(house)
    house.expect_whole()
    missed = []
    engine = create_engine(database.superuser_url)
    for wanted, statement, said in LIES:
        with engine.connect() as connection, connection.begin() as unit:
            assert not any(violations(connection).values())
            connection.execute(text("SET session_replication_role = replica"))
            assert connection.execute(text(statement)).rowcount != 0, statement
            found = violations(connection)
            if not any(said in each for each in found[wanted]):
                missed.append((wanted, statement, found))
            unit.rollback()
    engine.dispose()
    assert missed == []


def test_a_number_that_a_person_answered_for_is_no_gap(house: WholeHouse) -> None:
    carried(house)
    account = house.key.account
    with house.db.unit() as unit:
        operations.stop(unit.session, chain=ANVIL.chain, account=account, why="odd", actor="test", now=unit.now)
        operations.resume(unit.session, chain=ANVIL.chain, account=account, next_number=7, actor="alice", now=unit.now)
    with house.db.unit() as unit:
        assert check_invariants(unit.session).holds


def past(house: WholeHouse) -> dict[tuple[str, str], StuckRow]:
    """What is past every deadline in an hour, each alarm raised once."""
    deadlines = {ANVIL.chain: Deadlines(60, 60, 60, 60, 60, 60, 60, message=60)}
    with house.db.unit() as unit:
        assert stuck(unit.session, deadlines={ANVIL.chain: Deadlines(9999, *[9999] * 6)}, now=unit.now) == []
        later = unit.now + timedelta(hours=1)
        rows = stuck(unit.session, deadlines=deadlines, now=later)
        assert raise_stuck_alarms(unit.session, rows=rows, now=later) == len(rows)
    with house.db.unit() as unit:
        assert raise_stuck_alarms(unit.session, rows=rows, now=later) == 0
    assert all(row.age_seconds >= 60 for row in rows)
    return {(row.kind, row.state): row for row in rows}


def test_lists_what_waits_to_be_carried_and_who_cannot_carry(house: WholeHouse, database: FreshDatabase) -> None:
    engine = create_engine(database.superuser_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE blocks SET complete = false WHERE height = (SELECT max(height) FROM blocks)"))
    engine.dispose()
    first, second = house.signed("acme"), house.signed("birch")
    with house.anvil.mining_by_hand():
        house.send(first)
        with house.db.unit() as unit:
            operations.offer(
                unit.session, chain=ANVIL.chain, spend=second.spend, final=second.raw, client="birch",
                ceiling_units=0, now=unit.now,
            )  # fmt: skip
            where = {"chain": ANVIL.chain, "account": house.key.account}
            operations.note_level(unit.session, **where, units=1, low_units=ETHER, actor="test", now=unit.now)
            operations.stop(unit.session, **where, why="its key is elsewhere", actor="test", now=unit.now)
        found = past(house)
    assert found["carriage", "sent"].why == "number 0 of the payer, bid 1 times, waits for a block"
    assert (found["spend", "waiting"].id, found["spend", "waiting"].why) == (second.spend, "waits for being carried")
    assert found["payer", "stopped"].why == "waits for an operator: its key is elsewhere"
    assert found["payer", "low"].id == f"{ANVIL.chain} {house.key.account}"
    assert found["comparison", "overdue"].id == ANVIL.chain


def test_lists_a_carriage_that_gets_no_deeper(house: WholeHouse) -> None:
    house.send(house.signed("acme"))
    house.follow()
    assert past(house)["carriage", "mined"].why.endswith("waits for more blocks")
