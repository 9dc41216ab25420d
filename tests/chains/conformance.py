"""What every chain's adapter must do, shown on a real node. A chain's own test file subclasses ``ChainConformance``
and gives it a fixture ``driver``; nothing here knows which chain it is. Where the chain has coins, a holding is one.
"""

from __future__ import annotations

from typing import Protocol

import pytest

from custody.chains.port import (
    BlockNotFound,
    BroadcastResult,
    ChainNode,
)


class ChainDriver(Protocol):
    """The outside world of one chain: somebody with money and the power to make blocks."""

    node: ChainNode
    asset: str
    """CAIP-19 id of what ``pay`` sends: the chain's own."""
    remembers_lost_blocks: bool
    """Whether this node still shows a block that left the chain; none has to."""

    def new_locator(self) -> bytes:
        """A place nothing was ever sent to."""

    def pay(self, locator: bytes, units: int) -> str:
        """Send units to a locator, unconfirmed; returns the txid."""

    def signed(self) -> bytes:
        """A final valid transaction nobody has sent yet."""

    def confirm(self, blocks: int = 1) -> None:
        """Make blocks that take in whatever waits."""

    def reorganise(self, depth: int) -> None:
        """Replace the last blocks by more that hold nothing."""


UNITS = 1_234_567
NOBODY = "11" * 32


def pays(transactions, driver, locator, units):
    return [
        transaction.txid
        for transaction in transactions
        for credit in transaction.credits
        if (credit.locator, credit.asset, credit.units) == (locator, driver.asset, units)
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
        place = driver.new_locator()
        txid = driver.pay(place, UNITS)
        assert pays(driver.node.mempool(limit=10_000, known=set()), driver, place, UNITS) == [txid]
        assert pays(driver.node.mempool(limit=10_000, known={txid}), driver, place, UNITS) == []
        assert driver.node.in_mempool([txid, NOBODY]) == {txid}

    def test_the_mempool_is_read_in_portions(self, driver):
        for _ in range(3):
            driver.pay(driver.new_locator(), UNITS)
        everything = {transaction.txid for transaction in driver.node.mempool(limit=10_000, known=set())}
        seen: set[str] = set()
        while portion := driver.node.mempool(limit=2, known=seen):
            assert len(portion) <= 2
            seen |= {transaction.txid for transaction in portion}
        assert seen == everything

    def test_a_confirmed_payment_is_in_its_block_with_what_it_spends(self, driver):
        place = driver.new_locator()
        txid = driver.pay(place, UNITS)
        driver.confirm()
        block = driver.node.block(driver.node.status().hash)
        (paid,) = [transaction for transaction in block.transactions if transaction.txid == txid]
        assert pays([paid], driver, place, UNITS) == [txid]
        assert all(debit.locator and debit.asset == driver.asset and debit.spend == txid for debit in paid.debits)
        taken, brought = sum(debit.units for debit in paid.debits), sum(credit.units for credit in paid.credits)
        if driver.node.has_coins:
            assert taken > brought
        else:
            assert [(debit.txid, debit.units) for debit in paid.debits if debit.units == UNITS] == [(txid, UNITS)]
        assert driver.node.in_mempool([txid]) == set()

    def test_the_first_transaction_of_a_block_alone_is_new_money(self, driver):
        driver.pay(driver.new_locator(), UNITS)
        driver.confirm()
        first, *others = driver.node.block(driver.node.status().hash).transactions
        if not driver.node.has_coins:
            assert all(item.debits == () for item in (first, *others) if item.coinbase)
            return
        assert (first.coinbase, first.debits) == (True, ())
        assert others
        assert not any(transaction.coinbase for transaction in others)

    def test_holdings_are_of_the_locators_asked_and_no_others(self, driver):
        mine, other = driver.new_locator(), driver.new_locator()
        paid = {driver.pay(mine, UNITS), driver.pay(mine, UNITS + 1)}
        driver.pay(other, UNITS)
        driver.confirm()
        status = driver.node.status()
        found = driver.node.holdings([mine, driver.new_locator()], assets=[driver.asset])
        assert (found.height, found.hash) == (status.height, status.hash)
        assert {(item.locator, item.asset, item.coinbase) for item in found.holdings} == {(mine, driver.asset, False)}
        if driver.node.has_coins:
            assert {item.txid for item in found.holdings} == paid
            assert sorted(item.units for item in found.holdings) == [UNITS, UNITS + 1]
            assert {item.height for item in found.holdings} == {status.height}
        else:
            assert [(item.units, item.txid, item.position, item.height) for item in found.holdings] == [
                (2 * UNITS + 1, None, None, None)
            ]

    def test_holdings_leave_out_what_is_unconfirmed(self, driver):
        place = driver.new_locator()
        driver.pay(place, UNITS)
        assert driver.node.holdings([place], assets=[driver.asset]).holdings == ()

    def test_holdings_of_nothing_are_empty_but_pinned(self, driver):
        place = driver.new_locator()
        driver.pay(place, UNITS)
        driver.confirm()
        status = driver.node.status()
        for found in (
            driver.node.holdings([], assets=[driver.asset]),
            driver.node.holdings([place], assets=[]),
            driver.node.holdings_of([], assets=[driver.asset]),
        ):
            assert (found.height, found.hash, found.holdings) == (status.height, status.hash, ())

    def test_sending_twice_is_recognised_before_and_after_confirmation(self, driver):
        raw = driver.signed()
        assert driver.node.broadcast(raw).result is BroadcastResult.ACCEPTED
        waiting = driver.node.mempool(limit=10_000, known=set())
        assert driver.node.broadcast(raw).result is BroadcastResult.ALREADY_KNOWN
        assert driver.node.mempool(limit=10_000, known=set()) == waiting
        driver.confirm()
        assert driver.node.broadcast(raw).result is BroadcastResult.ALREADY_KNOWN

    def test_a_reorganised_payment_leaves_its_block_and_waits_again(self, driver):
        place = driver.new_locator()
        txid = driver.pay(place, UNITS)
        driver.confirm()
        old = driver.node.require_ready()
        driver.reorganise(1)
        new = driver.node.require_ready()
        assert new.height > old.height
        assert driver.node.block_hash(old.height) != old.hash
        if driver.remembers_lost_blocks:
            assert driver.node.block(old.hash).hash == old.hash
        else:
            with pytest.raises(BlockNotFound):
                driver.node.block(old.hash)
        assert driver.node.in_mempool([txid]) == {txid}
        assert driver.node.holdings([place], assets=[driver.asset]).holdings == ()
        driver.confirm()
        (back,) = driver.node.holdings([place], assets=[driver.asset]).holdings
        assert (back.units, back.txid) == (UNITS, txid if driver.node.has_coins else None)
