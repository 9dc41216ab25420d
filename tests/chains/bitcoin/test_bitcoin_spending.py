"""The chain's side of a spend without a node: composed, answered, finalised, and read again from its bytes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from custody.chains.bitcoin.offline.address import parse_address
from custody.chains.bitcoin.offline.psbt import NotFinal, parse_psbt
from custody.chains.bitcoin.spending import BitcoinSpending
from custody.chains.bitcoin.terms import BitcoinTerms, terms_of
from custody.chains.spending import AnswerRefused, Coin, FeeOverCap, Order, Plan, SpendRules, Turn
from custody.cosigner.keys import SigningInput
from custody.kernel.errors import InvalidInput
from tests.chains.spending_conformance import SpendingConformance
from tests.cosigner.builders import REGTEST, World, address, cosigner_key, tamper

BRANCH = 7
WORLD = World()
SPENDING = BitcoinSpending(REGTEST.chain)
BLOCK = {
    "caps": {"absolute_sat": 50_000, "rate_sat_kvb": 100_000, "share_bps": 100},
    "fee": {"target_blocks": 6, "floor_sat_kvb": 1_000, "cap_sat_kvb": 50_000, "fallback_sat_kvb": 5_000},
}
PAID, CHANGE, FEE = 2_000_000, 7_997_000, 3_000


@pytest.fixture(scope="module")
def plan() -> Plan:
    made = WORLD.coin(BRANCH, PAID + CHANGE + FEE)
    coin = Coin(made.previous.txid, made.vout, made.amount_sat, change=False, index=0, block_hash="00" * 32)
    locator = parse_address(address("somebody"), network=REGTEST).script_pubkey
    order = Order("wdr_1", f"kst_demo/{BRANCH}", REGTEST.chain, REGTEST.asset.id, locator, PAID, 20_000)
    return Plan(order, (coin,), CHANGE, 200, {made.previous.txid: made.previous.raw})


def composed(plan: Plan):
    return SPENDING.compose(plan, keyset=WORLD.keyset, branch=BRANCH, change_index=3)


def answer(plan: Plan, name: str) -> str:
    (coin,) = plan.inputs
    pubkey = WORLD.branch(BRANCH).derive(change=False, index=0).pubkeys[WORLD.cosigners.index(name)]
    own = SigningInput(0, (coin.txid, coin.position), coin.units, (BRANCH, 0, 0), pubkey)
    return cosigner_key(name).sign(parse_psbt(composed(plan).unsigned), [own]).base64


def read(plan: Plan, given: object, name: str) -> dict[str, str]:
    found = composed(plan)
    return SPENDING.read_answer(
        given, unsigned=found.unsigned, inputs=plan.inputs, keyset=WORLD.keyset, branch=BRANCH, cosigner=name
    )


def finalised(plan: Plan, *names: str):
    signatures = {name: read(plan, answer(plan, name), name) for name in names}
    return SPENDING.finalise(
        signatures, unsigned=composed(plan).unsigned, inputs=plan.inputs, keyset=WORLD.keyset, branch=BRANCH
    )


class TestBitcoin(SpendingConformance):
    branch, change_index = BRANCH, 3

    @pytest.fixture
    def where(self):
        return SPENDING

    @pytest.fixture
    def keyset(self):
        return WORLD.keyset

    @pytest.fixture
    def plan(self, plan):
        return plan

    @pytest.fixture
    def others(self, plan):
        made = WORLD.coin(BRANCH, PAID + CHANGE + FEE, salt="other")
        (coin,) = plan.inputs
        elsewhere = parse_address(address("somebody else"), network=REGTEST).script_pubkey
        return {
            "amount": replace(plan, order=replace(plan.order, units=PAID + 1)),
            "recipient": replace(plan, order=replace(plan.order, locator=elsewhere)),
            "claim": replace(
                plan,
                inputs=(replace(coin, txid=made.previous.txid),),
                proofs={made.previous.txid: made.previous.raw},
            ),
        }

    def answer(self, plan, unsigned, name):
        del unsigned
        return answer(plan, name)


def test_says_of_an_attempt_what_it_uses_up_and_pays(plan):
    found = composed(plan)
    assert (found.fee_units, found.weight) == (FEE, 200)
    effect = SPENDING.payments_of(found.unsigned)
    change = WORLD.branch(BRANCH).derive(change=True, index=3)
    assert (effect.spend, effect.claims, effect.fee_units) == (found.spend, frozenset(plan.claims), FEE)
    assert [(payment.address, payment.units) for payment in effect.payments] == [
        (address("somebody"), PAID),
        (change.address, CHANGE),
    ]
    assert effect.payments[1].locator == change.script_pubkey


def test_leaves_the_change_out_where_there_is_none(plan):
    bare = SPENDING.compose(replace(plan, change_units=None), keyset=WORLD.keyset, branch=BRANCH, change_index=None)
    effect = SPENDING.payments_of(bare.unsigned)
    assert (len(effect.payments), bare.fee_units) == (1, FEE + CHANGE)


def test_knows_the_id_before_anything_is_signed(plan):
    final = finalised(plan, "north", "east")
    again = SPENDING.read_final(final.raw)
    assert final == again
    assert final.spend == composed(plan).spend
    assert final.weight <= 205


def test_tells_the_signed_attempt_from_another(plan):
    final = finalised(plan, "north", "south")
    other = SPENDING.compose(replace(plan, change_units=CHANGE - 1), keyset=WORLD.keyset, branch=BRANCH, change_index=3)
    assert SPENDING.is_signed(composed(plan).unsigned, final.raw)
    assert not SPENDING.is_signed(other.unsigned, final.raw)
    with pytest.raises(InvalidInput):
        SPENDING.is_signed(other.unsigned, final.raw[:-1])
    with pytest.raises(InvalidInput):
        SPENDING.read_final(b"")


def test_is_not_final_without_a_quorum(plan):
    with pytest.raises(NotFinal):
        finalised(plan, "north")


def test_refuses_an_answer_in_the_houses_own_words(plan):
    with pytest.raises(AnswerRefused) as refused:
        read(plan, answer(plan, "north"), "south")
    assert (refused.value.code, refused.value.facts) == (
        "signature-refused",
        {"reason": "missing-signature", "input": 0},
    )
    changed = tamper(answer(plan, "north"), transaction=lambda found: replace(found, locktime=1))
    with pytest.raises(AnswerRefused) as refused:
        read(plan, changed, "north")
    assert refused.value.facts == {"reason": "changed-transaction"}
    with pytest.raises(InvalidInput):
        read(plan, "no answer", "north")


def test_checks_a_fee_by_the_configurations_caps():
    terms = SPENDING.terms(BLOCK)
    terms.check_fee(fee_units=20_000, weight=200, paid_units=10_000_000, ceiling_units=None)
    with pytest.raises(TypeError):
        terms.check_fee(fee_units=1, weight=200, paid_units=None, ceiling_units=None)
    with pytest.raises(FeeOverCap) as refused:
        terms.check_fee(fee_units=20_001, weight=200, paid_units=10_000_000, ceiling_units=None)
    assert (refused.value.code, refused.value.field) == ("fee-over-cap", "fee")
    assert refused.value.facts == {"cap": "rate", "limit_sat": 20_000, "fee_sat": 20_001}


def test_takes_only_its_own_inputs_and_terms(plan):
    turn = Turn("0xSafe", 7, client=None, index=0)
    with pytest.raises(TypeError):
        composed(replace(plan, inputs=(turn,)))
    rules = SpendRules(SPENDING.terms(BLOCK), 100, ((None, 2),))
    assert isinstance(terms_of(rules), BitcoinTerms)
    with pytest.raises(TypeError):
        terms_of(replace(rules, terms=object()))
