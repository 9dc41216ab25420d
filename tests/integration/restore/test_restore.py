"""A database that was restored has forgotten what it showed and paid: nothing is paid twice or handed out twice."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import text

from custody.db.unit import DatabaseUnavailable
from custody.kernel.errors import Unavailable
from custody.restore import operations as restore
from custody.restore.queries import Restoring, current, require_normal
from custody.restore.replay import replay
from custody.withdrawals.operations import MayBeSigned
from tests.support.road import Road, btc
from tests.support.servers import FreshDatabase

Backup = Callable[[], FreshDatabase]


def replayed(road: Road) -> None:
    here = road.runtime
    replay(road.db, [chain.followed for chain in here.chains.values()], seal_key=here.seal_key)
    road.settle(cosigners=())


def finish(road: Road) -> None:
    with road.db.unit() as unit:
        height = road.node.rpc("getblockcount")
        restore.finish(unit.session, heights={road.runtime.only.chain: height}, actor="test", now=unit.now)


def test_is_normal_on_the_database_that_ran_before(road: Road) -> None:
    road.open("acme")
    assert road.start() is None
    with road.db.unit() as unit:
        require_normal(unit.session)
        assert restore.notice(unit.session, now=unit.now) is None
    assert "restoring" not in road.alarms()


def test_p120_pays_nothing_twice_and_stays_stopped_where_the_chain_knows_a_payment_we_forgot(
    road: Road, backup: Backup
) -> None:
    road.open("acme")
    road.open("birch")
    road.deposit("acme", btc("0.3"), btc("0.2"))
    asked = road.ask("acme", btc("0.02"))
    large = road.ask("acme", btc("0.1"))
    older = backup()
    road.approve(large.digest, "alice", "bob")
    road.settle()
    road.mine(3)
    assert [road.state(item) for item in (asked, large)] == ["completed"] * 2

    restored = road.on(older)
    assert restored.state(asked) == "approved"
    assert restored.start() is not None
    restored.settle()
    assert restored.state(asked) == "approved"
    assert any(isinstance(error, Restoring) for error in restored.told)
    assert restored.attempts(asked) == []
    replayed(restored)
    run = restored.reconcile()
    assert {found.vault for found in run.breaks} == {restored.vaults["acme"]}
    with pytest.raises(restore.NotReplayed):
        finish(restored)
    assert restored.rows("SELECT id FROM vaults WHERE frozen_at IS NOT NULL") == [(restored.vaults["acme"],)]
    restored.settle()
    restored.mine(2)
    assert restored.attempts(asked) == []
    assert restored.balance("acme")[1] > 0
    for paid, units in ((asked, asked.units), (large, large.units)):
        assert restored.paid(paid.destination) == [units]
    restored.db.dispose()


def test_never_hands_out_again_what_was_shown_since_the_backup_and_finds_what_it_received(
    road: Road, backup: Backup
) -> None:
    road.pool("cobalt", "dune")
    road.deposit("cobalt", btc("0.3"))
    older = backup()
    shown = [road.address("cobalt") for _ in range(5)]
    road.deposit("dune", btc("0.1"))
    road.node.send(shown[4].address, btc("0.05"))
    road.mine(6)
    known = {str(row[0]) for row in road.rows("SELECT address FROM addresses WHERE state = 'issued' AND NOT change")}

    restored = road.on(older)
    assert restored.start() is not None
    with pytest.raises(Unavailable):
        restored.address("dune")
    replayed(restored)
    run = restored.reconcile()
    assert run.breaks == ()
    suspense = restored.rows("SELECT sum(balance) FROM ledger_accounts WHERE kind = 'suspense'")
    assert suspense == [(btc("0.15"),)]
    finish(restored)
    restored.settle()
    fresh = {restored.address(name).address for name in ("dune", "cobalt", "dune")}
    assert fresh.isdisjoint(known)
    asked = restored.ask("cobalt", btc("0.02"))
    restored.settle()
    restored.mine(2)
    assert restored.state(asked) == "completed"
    restored.check()
    restored.db.dispose()


def test_matches_blocks_again_that_were_read_before_the_forgotten_addresses_were_watched(
    road: Road, backup: Backup
) -> None:
    road.open("acme")
    road.deposit("acme", btc("0.3"))
    older = backup()
    road.stock(road.vaults["acme"], 12)
    for _ in range(10):
        road.address("acme")
    road.deposit("acme", btc("0.1"))
    road.mine(3)
    restored = road.on(older)
    restored.start()
    restored.settle(cosigners=())
    assert restored.rows("SELECT count(*) FROM coins") == [(1,)]
    replayed(restored)
    assert restored.rows("SELECT count(*) FROM coins") == [(2,)]
    assert restored.reconcile().breaks == ()
    finish(restored)
    restored.check()
    restored.db.dispose()


def test_frees_no_money_whose_bundle_may_have_been_given_out_since_the_backup(road: Road, backup: Backup) -> None:
    road.open("acme")
    road.deposit("acme", btc("0.3"))
    asked = road.ask("acme", btc("0.02"))
    road.settle(cosigners=())
    older = backup()
    road.cosign("north")

    restored = road.on(older)
    restored.start()
    with pytest.raises(MayBeSigned):
        restored.cancel(asked.id)
    replayed(restored)
    restored.reconcile()
    finish(restored)
    with pytest.raises(MayBeSigned):
        restored.cancel(asked.id)
    restored.settle()
    restored.mine(2)
    assert restored.state(asked) == "completed"
    restored.check()
    restored.db.dispose()


def test_ends_only_when_everything_is_watched_read_and_reconciled(road: Road) -> None:
    road.open("acme")
    road.deposit("acme", btc("0.3"))
    with pytest.raises(restore.NotRestoring):
        finish(road)
    with road.db.unit() as unit:
        declared = restore.declare(unit.session, reason="told so", actor="alice", now=unit.now, gap=3)
        again = restore.declare(unit.session, reason="told twice", actor="alice", now=unit.now, gap=3)
    assert again == declared
    with pytest.raises(restore.NotReplayed, match="watched"):
        finish(road)
    replayed(road)
    with pytest.raises(restore.NotReplayed, match="agree"):
        finish(road)
    road.reconcile()
    road.node.mine(1)
    with pytest.raises(restore.NotReplayed, match="tip"):
        finish(road)
    road.settle()
    road.reconcile()
    finish(road)
    with road.db.unit() as unit:
        assert current(unit.session) is None
    assert road.alarms().count("restoring") == 1
    road.settle()
    road.check()


def test_burns_the_stock_and_stocks_beyond_the_gap(road: Road) -> None:
    vault = road.open("acme")
    last = road.rows("SELECT max(index) FROM addresses WHERE vault_id = :v AND NOT change", v=vault)[0][0]
    with road.db.unit() as unit:
        restore.declare(unit.session, reason="told so", actor="alice", now=unit.now, gap=7)
    assert road.rows("SELECT DISTINCT state FROM addresses") == [("burned",)]
    replayed(road)
    replayed(road)
    assert road.rows("SELECT max(index) FROM addresses WHERE NOT change") == [(last + 7,)]
    road.reconcile()
    finish(road)
    road.settle()
    assert road.address("acme").index == last + 8
    road.check()


GATED = {
    "stocking": "INSERT INTO addresses (state) VALUES ('stock')",
    "composing": "INSERT INTO attempts (id) VALUES ('att')",
}


@pytest.mark.parametrize("statement", GATED.values(), ids=GATED)
def test_the_database_itself_refuses_what_must_wait(road: Road, statement: str) -> None:
    road.open("acme")
    with road.db.unit() as unit:
        restore.declare(unit.session, reason="told so", actor="alice", now=unit.now, gap=2)
    with pytest.raises(DatabaseUnavailable) as refused, road.db.unit() as unit:
        unit.session.execute(text(statement))
    assert "restoring" in str(refused.value.__cause__)
