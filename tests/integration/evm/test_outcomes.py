"""How a signed spend ended is believed of its own account alone, written with its block and undone with it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from custody.chains.port import Block, ChainTransaction, Outcome
from custody.movements import operations as movements
from custody.movements import queries
from custody.reconciliation.invariants.payments import payments_are_intents
from demo.servers import Anvil
from tests.chains.ethereum.conftest import ANVIL, ETHER, raw
from tests.support.servers import FreshDatabase
from tests.support.turns import Turns


@pytest.fixture
def road(anvil: Anvil, database: FreshDatabase) -> Turns:
    road = Turns(database, anvil)
    for client in ("acme", "birch"):
        road.open(client)
        road.fund(client, 2 * ETHER)
    return road


def say(road: Turns, spend: str, *places: bytes, succeeded: bool = True) -> Block:
    """Record a block in which these places say that the spend ended."""
    with road.db.unit() as unit:
        tip = queries.tip(unit.session, chain=ANVIL.chain)
        assert tip is not None
        said = tuple(Outcome(spend, place, succeeded) for place in places)
        told = ChainTransaction(f"0x{tip.height:064x}", False, (), (), said)
        block = Block(tip.height + 1, f"0x{tip.height:063x}a", tip.hash, unit.now, (told,))
        movements.record_block(
            unit.session,
            chain=ANVIL.chain,
            block=block,
            expected_tip=tip,
            assets=road.deposit_rules.assets,
            has_coins=False,
            now=unit.now,
        )
    return block


def stored(road: Turns) -> list[tuple[bytes, bool, bool]]:
    rows = road.rows("SELECT locator, succeeded, removed_at IS NULL FROM outcomes ORDER BY id")
    return [(bytes(place), succeeded, stands) for place, succeeded, stands in rows]


def test_nobody_elses_word_counts(road: Turns) -> None:
    asked = road.ask("acme", ETHER)
    road.settle()
    (attempt,) = road.attempts(asked)
    say(road, attempt.spend, bytes(20), raw(road.at["birch"]))
    # Birch's account may say what it likes of acme's spend, if somebody has replaced its code.
    assert stored(road) == [(raw(road.at["birch"]), True, True)]
    road.observe()
    assert road.state(asked) == "broadcast"
    say(road, attempt.spend, raw(road.at["acme"]))
    road.observe()
    assert road.state(asked) == "confirmed"


def test_what_is_said_twice_is_one_turn(road: Turns) -> None:
    place = raw(road.at["acme"])
    block = say(road, "0x" + "ab" * 32, place, place)
    with road.db.unit() as unit:
        for _ in range(2):
            movements.rescan_block(
                unit.session,
                chain=ANVIL.chain,
                block=block,
                assets=road.deposit_rules.assets,
                has_coins=False,
                now=unit.now,
            )
        assert queries.turns_used(unit.session, chain=ANVIL.chain, locators=[place]) == {place: 1}


def test_a_reorg_takes_a_turn_back(road: Turns) -> None:
    place, spend = raw(road.at["acme"]), "0x" + "ab" * 32
    block = say(road, spend, place, succeeded=False)
    with road.db.unit() as unit:
        ended = queries.ended_spends(unit.session, chain=ANVIL.chain, spends=[spend, "0x" + "cd" * 32])
        assert {name: (item.height, item.succeeded) for name, item in ended.items()} == {spend: (block.height, False)}
        tip = queries.tip(unit.session, chain=ANVIL.chain)
        assert tip is not None
        movements.disconnect(
            unit.session, chain=ANVIL.chain, to_height=block.height - 1, expected_tip=tip, now=unit.now
        )
        assert queries.ended_spends(unit.session, chain=ANVIL.chain, spends=[spend]) == {}
        assert queries.turns_used(unit.session, chain=ANVIL.chain, locators=[place]) == {}
    assert stored(road) == [(place, False, False)]


def test_i7_what_gives_a_payment_up_pays_nobody(road: Turns) -> None:
    asked = road.ask("acme", ETHER)
    road.settle()
    with road.db.unit() as unit:
        assert list(payments_are_intents(unit.session)) == []
    with pytest.raises(Undo), road.db.unit() as unit:
        unit.session.connection().exec_driver_sql("UPDATE attempts SET pays = false")
        (fault,) = payments_are_intents(unit.session)
        assert fault == f"attempt {road.attempts(asked)[0].id} gives its withdrawal up and pays somebody"
        raise Undo
    road.respend(asked)
    road.settle()
    order = road.see(asked).order(ceiling_units=1)
    assert order == replace(order, pays_nobody=True)
    with road.db.unit() as unit:
        assert list(payments_are_intents(unit.session)) == []


class Undo(Exception):
    """Leave nothing behind."""
