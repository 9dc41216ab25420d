"""Selections composed, signed by a quorum and sent to a real node: what the arithmetic promises, the node accepts."""

from __future__ import annotations

import random

import pytest

from custody.chains.addressing import Series
from custody.chains.bitcoin.coin_selection import Attempt, Coin, Payment, Selection, bump, select
from custody.chains.bitcoin.offline.fees import FeeCaps, FeeOverCap, check_fee
from custody.chains.bitcoin.offline.psbt import (
    FinalTransaction,
    PayOutput,
    SpendInput,
    add_signatures,
    compose,
    finalize,
)
from custody.chains.bitcoin.offline.signer import signature_over
from custody.chains.port import BroadcastResult
from tests.chains.bitcoin.conftest import ASSET, BitcoinDriver
from tests.chains.bitcoin.offline.builders import COSIGNERS, REGTEST, vault

CAPS = FeeCaps(absolute_sat=100_000, rate_sat_kvb=500_000, share_bps=10_000)
PAID_SAT = 150_000


class Vault:
    """A 2-of-3 vault of its own on the shared chain, its coins at receive indexes 0, 1, …"""

    def __init__(self, driver: BitcoinDriver) -> None:
        self.driver = driver
        self.branch = random.SystemRandom().randrange(2**31)
        self.descriptor = vault(branch=self.branch)
        self.change = self.descriptor.derive(change=True, index=0).script_pubkey
        self.payment = Payment(driver.new_locator(), PAID_SAT)
        self.places: dict[tuple[str, int], int] = {}

    def fund(self, *amounts_sat: int) -> list[Coin]:
        scripts = [self.script(index) for index in range(len(amounts_sat))]
        for script, amount_sat in zip(scripts, amounts_sat, strict=True):
            self.driver.pay(script, amount_sat)
        self.driver.confirm()
        found = self.driver.node.holdings_of([Series(self.descriptor, len(amounts_sat) - 1)], assets=[ASSET]).holdings
        self.places = {(each.txid, each.position): scripts.index(each.locator) for each in found}
        return [Coin(each.txid, each.position, each.units) for each in found]

    def script(self, index: int) -> bytes:
        return self.descriptor.derive(change=False, index=index).script_pubkey

    def select(self, coins: list[Coin], *, rate: int) -> Selection:
        return select(coins=coins, payments=[self.payment], fee_rate_sat_kvb=rate, **self.terms)

    def bump(self, attempts: list[Attempt], extra: list[Coin], *, rate: int) -> Selection:
        return bump(previous=attempts, extra=extra, fee_rate_sat_kvb=rate, **self.terms)

    @property
    def terms(self):
        return {"threshold": 2, "members": 3, "change_script": self.change, "caps": CAPS}

    def signed(self, selection: Selection) -> FinalTransaction:
        outputs = [PayOutput(*self.payment)]
        if selection.change_sat is not None:
            outputs.append(PayOutput(self.change, selection.change_sat, own=(self.descriptor, 0)))
        psbt = compose(inputs=[self.spent(coin) for coin in selection.inputs], outputs=outputs, network=REGTEST)
        places = [self.places[coin.outpoint] for coin in selection.inputs]
        for number, cosigner in enumerate(COSIGNERS[:2]):
            signatures = {
                at: signature_over(psbt.sighash(at), cosigner.secret(self.branch, 0, place))
                for at, place in enumerate(places)
            }
            keys = [self.descriptor.derive(change=False, index=place).pubkeys[number] for place in places]
            psbt = add_signatures(psbt, pubkeys=keys, signatures=signatures)
        return finalize(psbt)

    def spent(self, coin: Coin) -> SpendInput:
        index = self.places[coin.outpoint]
        block = self.driver.node.holdings([self.script(index)], assets=[ASSET])
        block_hash = self.driver.node.block_hash(block.holdings[0].height)
        previous = self.driver.node.raw_transaction(coin.txid, block_hash)
        return SpendInput(coin.txid, coin.vout, coin.amount_sat, previous, self.descriptor, False, index)

    def attempt(self, selection: Selection, final: FinalTransaction) -> Attempt:
        return Attempt(selection.inputs, (self.payment,), final.fee_sat, final.vsize)


@pytest.fixture
def own(driver: BitcoinDriver) -> Vault:
    return Vault(driver)


def test_a_selection_is_accepted_and_as_large_as_estimated(own):
    selection = own.select(own.fund(90_000, 80_000, 5_000), rate=3_000)
    final = own.signed(selection)
    assert final.fee_sat == selection.fee_sat
    assert selection.vsize - len(selection.inputs) - 1 <= final.vsize <= selection.vsize
    assert own.driver.node.broadcast(final.raw).result is BroadcastResult.ACCEPTED


def test_each_replacement_takes_the_place_of_the_one_before(own):
    spare, large = sorted(own.fund(200_000, 60_000), key=lambda coin: coin.amount_sat)
    coins = [large]
    selection = own.select(coins, rate=1_000)
    attempts: list[Attempt] = []
    sent: list[str] = []
    for rate in (1_000, 1_000, 30_000, 250_000, 300_000):
        if attempts:
            selection = own.bump(attempts, [spare], rate=rate)
        final = own.signed(selection)
        assert own.driver.node.broadcast(final.raw).result is BroadcastResult.ACCEPTED
        assert own.driver.node.in_mempool([*sent, final.txid]) == {final.txid}
        sent.append(final.txid)
        attempts.append(own.attempt(selection, final))
    assert len(selection.inputs) == 2
    assert selection.change_sat is not None
    own.driver.confirm()
    (paid,) = own.driver.node.holdings([own.payment.script_pubkey], assets=[ASSET]).holdings
    assert (paid.txid, paid.units) == (sent[-1], PAID_SAT)


def test_a_satoshi_less_than_a_replacement_needs_is_rejected(own):
    selection = own.select(own.fund(200_000), rate=20_000)
    final = own.signed(selection)
    assert own.driver.node.broadcast(final.raw).held
    low = Selection(selection.inputs, (selection.change_sat or 0) + 1, selection.fee_sat - 1, selection.vsize)
    assert own.driver.node.broadcast(own.signed(low).raw).result is BroadcastResult.REJECTED


def test_p076_the_extracted_transaction_is_held_to_the_same_caps(own):
    final = own.signed(own.select(own.fund(200_000), rate=20_000))
    check_fee(fee_sat=final.fee_sat, vsize=final.vsize, paid_sat=PAID_SAT, caps=CAPS, ceiling_sat=final.fee_sat)
    for caps, ceiling_sat in (
        (FeeCaps(final.fee_sat - 1, 500_000, 10_000), None),
        (FeeCaps(100_000, 19_000, 10_000), None),
        (FeeCaps(100_000, 500_000, 1), None),
        (CAPS, final.fee_sat - 1),
    ):
        with pytest.raises(FeeOverCap):
            check_fee(fee_sat=final.fee_sat, vsize=final.vsize, paid_sat=PAID_SAT, caps=caps, ceiling_sat=ceiling_sat)
