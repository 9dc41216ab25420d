"""What every chain's adapter must do, shown on a real node. A chain's own test file subclasses ``ChainConformance``
and gives it a fixture ``driver``; nothing here knows which chain it is.
"""

from __future__ import annotations

from typing import Protocol

import pytest

from custody.chains.port import (
    BlockNotFound,
    BroadcastResult,
    ChainNode,
    TransactionNotFound,
)


class ChainDriver(Protocol):
    """The outside world of one chain: somebody with money and the power to make blocks."""

    node: ChainNode

    def new_script(self) -> bytes:
        """A script nobody was paid at before."""

    def pay(self, script: bytes, units: int) -> str:
        """Send units to a script, unconfirmed; returns the txid."""

    def signed(self) -> bytes:
        """A final valid transaction nobody has sent yet."""

    def confirm(self, blocks: int = 1) -> None:
        """Make blocks that take in whatever waits."""

    def reorganise(self, depth: int) -> None:
        """Replace the last blocks by more that hold nothing."""


UNITS = 1_234_567
NOBODY = "11" * 32


def holds(transactions, script, units):
    return [
        transaction.txid
        for transaction in transactions
        for output in transaction.outputs
        if (output.script_pubkey, output.units) == (script, units)
    ]


class ChainConformance:
    """Subclass as ``Test…`` with a ``driver`` fixture."""

    @pytest.fixture
    def driver(self) -> ChainDriver:
        raise LookupError("a subclass gives the driver")

    def test_a_ready_node_shows_its_tip(self, driver):
        status = driver.node.require_ready()
        assert (status.synced, status.genesis_ok, status.chain) == (True, True, driver.node.chain)
        assert driver.node.block_hash(status.height) == status.hash
        assert status.headers == status.height

    def test_there_is_no_block_above_the_tip(self, driver):
        assert driver.node.block_hash(driver.node.status().height + 1) is None

    def test_refuses_a_block_nobody_mined(self, driver):
        with pytest.raises(BlockNotFound):
            driver.node.block(NOBODY)

    def test_each_block_names_the_one_before_it(self, driver):
        driver.confirm(2)
        tip = driver.node.block(driver.node.status().hash)
        parent = driver.node.block(tip.parent)
        assert (parent.height, parent.hash) == (tip.height - 1, driver.node.block_hash(tip.height - 1))
        assert tip.time.tzinfo is not None

    def test_the_first_block_has_no_parent(self, driver):
        assert driver.node.block(driver.node.block_hash(0)).parent is None

    def test_an_unconfirmed_payment_is_in_the_mempool_until_it_is_known(self, driver):
        script = driver.new_script()
        txid = driver.pay(script, UNITS)
        assert holds(driver.node.mempool(limit=10_000, known=set()), script, UNITS) == [txid]
        assert holds(driver.node.mempool(limit=10_000, known={txid}), script, UNITS) == []
        assert driver.node.in_mempool([txid, NOBODY]) == {txid}

    def test_the_mempool_is_read_in_portions(self, driver):
        for _ in range(3):
            driver.pay(driver.new_script(), UNITS)
        everything = {transaction.txid for transaction in driver.node.mempool(limit=10_000, known=set())}
        seen: set[str] = set()
        while portion := driver.node.mempool(limit=2, known=seen):
            assert len(portion) <= 2
            seen |= {transaction.txid for transaction in portion}
        assert seen == everything

    def test_a_confirmed_payment_is_in_its_block_with_what_it_spends(self, driver):
        script = driver.new_script()
        txid = driver.pay(script, UNITS)
        driver.confirm()
        block = driver.node.block(driver.node.status().hash)
        (paid,) = [transaction for transaction in block.transactions if transaction.txid == txid]
        assert holds([paid], script, UNITS) == [txid]
        assert sum(spent.units for spent in paid.inputs) > sum(output.units for output in paid.outputs)
        assert all(spent.script_pubkey for spent in paid.inputs)
        assert driver.node.in_mempool([txid]) == set()

    def test_the_first_transaction_of_a_block_alone_is_new_money(self, driver):
        driver.pay(driver.new_script(), UNITS)
        driver.confirm()
        first, *others = driver.node.block(driver.node.status().hash).transactions
        assert (first.coinbase, first.inputs) == (True, ())
        assert others
        assert not any(transaction.coinbase for transaction in others)

    def test_a_snapshot_holds_the_coins_of_the_scripts_asked_and_no_others(self, driver):
        mine, other = driver.new_script(), driver.new_script()
        paid = {driver.pay(mine, UNITS), driver.pay(mine, UNITS + 1)}
        driver.pay(other, UNITS)
        driver.confirm()
        status = driver.node.status()
        snapshot = driver.node.scan_scripts([mine, driver.new_script()])
        assert (snapshot.height, snapshot.hash) == (status.height, status.hash)
        assert {coin.txid for coin in snapshot.unspents} == paid
        assert sorted(coin.units for coin in snapshot.unspents) == [UNITS, UNITS + 1]
        assert {(coin.script_pubkey, coin.height, coin.coinbase) for coin in snapshot.unspents} == {
            (mine, status.height, False)
        }

    def test_a_snapshot_leaves_out_what_is_unconfirmed(self, driver):
        script = driver.new_script()
        driver.pay(script, UNITS)
        assert driver.node.scan_scripts([script]).unspents == ()

    def test_a_snapshot_of_no_script_is_empty_but_pinned(self, driver):
        status, snapshot = driver.node.status(), driver.node.scan_scripts([])
        assert (snapshot.height, snapshot.hash, snapshot.unspents) == (status.height, status.hash, ())

    def test_a_raw_transaction_is_found_in_the_mempool_and_in_its_block(self, driver):
        txid = driver.pay(driver.new_script(), UNITS)
        waiting = driver.node.raw_transaction(txid)
        driver.confirm()
        assert driver.node.raw_transaction(txid, driver.node.status().hash) == waiting

    def test_refuses_a_transaction_nobody_made(self, driver):
        with pytest.raises(TransactionNotFound):
            driver.node.raw_transaction(NOBODY)
        with pytest.raises(TransactionNotFound):
            driver.node.raw_transaction(NOBODY, driver.node.status().hash)

    def test_sending_twice_is_recognised_before_and_after_confirmation(self, driver):
        raw = driver.signed()
        assert driver.node.broadcast(raw).result is BroadcastResult.ACCEPTED
        waiting = driver.node.mempool(limit=10_000, known=set())
        assert driver.node.broadcast(raw).result is BroadcastResult.ALREADY_KNOWN
        assert driver.node.mempool(limit=10_000, known=set()) == waiting
        driver.confirm()
        assert driver.node.broadcast(raw).result is BroadcastResult.ALREADY_KNOWN

    def test_a_reorganised_payment_leaves_its_block_and_waits_again(self, driver):
        script = driver.new_script()
        txid = driver.pay(script, UNITS)
        driver.confirm()
        old = driver.node.require_ready()
        driver.reorganise(1)
        new = driver.node.require_ready()
        assert new.height > old.height
        assert driver.node.block_hash(old.height) != old.hash
        assert driver.node.block(old.hash).hash == old.hash
        assert driver.node.in_mempool([txid]) == {txid}
        assert driver.node.scan_scripts([script]).unspents == ()
        driver.confirm()
        assert [coin.txid for coin in driver.node.scan_scripts([script]).unspents] == [txid]
