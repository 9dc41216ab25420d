"""The relayer's key signs carriages of its own chain and nothing else, and shows itself nowhere."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace

import pytest
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st

from custody.chains.carrying import Bid, Carriage, CarriageMismatch, Prospect, Readiness
from custody.chains.ethereum import payer as payer_module
from custody.chains.ethereum.offline.execution import execute_several
from custody.chains.ethereum.offline.multicall import decode_aggregate3
from custody.chains.ethereum.offline.transaction import decode_transaction
from custody.chains.ethereum.payer import open_payer_key
from custody.chains.registry import payer
from custody.kernel.errors import InvalidInput
from tests.chains.ethereum.offline.builders import ANVIL, PAYEE, SAFE, secret
from tests.chains.ethereum.spends import KEYSET, SPENDING, plan, signed

SECRET = secret("relayer")
KEY = open_payer_key(SECRET.hex(), chain=ANVIL.chain)
CARRIAGE = Carriage(ANVIL.chain, 7, SAFE, b"\x01\x02", 100_000, Bid(3 * 10**9, 10**9))
BITCOIN = "bip122:0f9188f13cb7b2c71f2a335e3a4fc328"


@given(
    number=st.integers(0, 2**64 - 2),
    gas=st.integers(21_000, 30_000_000),
    tip=st.integers(0, 10**12),
    more=st.integers(0, 10**12),
    data=st.binary(max_size=200),
)
def test_signs_what_eth_account_would(number: int, gas: int, tip: int, more: int, data: bytes) -> None:
    carriage = Carriage(ANVIL.chain, number, SAFE, data, gas, Bid(tip + more, tip))
    made = KEY.sign(carriage)
    theirs = Account.from_key(SECRET).sign_transaction(
        {
            "type": 2,
            "chainId": ANVIL.chain_id,
            "nonce": number,
            "maxPriorityFeePerGas": tip,
            "maxFeePerGas": tip + more,
            "gas": gas,
            "to": SAFE,
            "value": 0,
            "data": data,
        }
    )
    assert made.raw == bytes(theirs.raw_transaction)
    assert made.txid == "0x" + bytes(theirs.hash).hex()
    assert decode_transaction(made.raw).sender == KEY.account == Account.from_key(SECRET).address


def test_a_carriage_of_another_chain_is_not_signed() -> None:
    with pytest.raises(InvalidInput, match="another chain"):
        KEY.sign(replace(CARRIAGE, chain="eip155:1"))


@pytest.mark.parametrize("bid", [Bid(1, 2), Bid(-1, 0)])
def test_a_bid_that_is_none_is_not_signed(bid: Bid) -> None:
    with pytest.raises((InvalidInput, OverflowError)):
        KEY.sign(replace(CARRIAGE, bid=bid))


def test_what_reads_back_as_something_else_is_not_handed_out(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = payer_module._fields
    monkeypatch.setattr(payer_module, "_fields", lambda carriage: honest(replace(carriage, number=carriage.number + 1)))
    with pytest.raises(CarriageMismatch):
        KEY.sign(CARRIAGE)


def test_the_key_shows_itself_nowhere() -> None:
    texts = [repr(KEY), str(KEY), repr(copy.copy(KEY)), f"{KEY}", repr(vars(type(KEY)))]
    assert all(SECRET.hex() not in text.lower() and repr(SECRET) not in text for text in texts)
    assert not any(isinstance(getattr(KEY, name), bytes) and getattr(KEY, name) == SECRET for name in KEY.__slots__)
    with pytest.raises((pickle.PicklingError, AttributeError, TypeError)):
        pickle.dumps(KEY)


@pytest.mark.parametrize("text", ["", "0x", "12" * 31, "zz" * 32, "00" * 32, "ff" * 32, "12" * 33])
def test_what_is_no_key_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        open_payer_key(text, chain=ANVIL.chain)
    assert refused.value.field == "payer_key"
    assert not text or len(text) < 4 or text not in str(refused.value)


def test_only_chains_where_spends_are_carried_have_a_payer() -> None:
    assert payer(BITCOIN) is None
    found = payer(ANVIL.chain)
    assert found is not None
    assert found.open_key("0x" + SECRET.hex().upper()).account == KEY.account
    with pytest.raises(InvalidInput):
        payer("eip155:999999")


def _final(number: int = 0) -> bytes:
    asked = plan(number=number)
    made = SPENDING.compose(asked, keyset=KEYSET, branch=0, change_index=None)
    answers = {
        name: SPENDING.read_answer(
            signed(made.spend, name),
            unsigned=made.unsigned,
            inputs=asked.inputs,
            keyset=KEYSET,
            branch=0,
            cosigner=name,
        )
        for name in ("ann", "cem")
    }
    return SPENDING.finalise(answers, unsigned=made.unsigned, inputs=asked.inputs, keyset=KEYSET, branch=0).raw


def test_says_what_a_signed_spend_uses_up_and_pays() -> None:
    found = payer(ANVIL.chain)
    assert found is not None
    assert found.claim(_final(3)) == f"{SAFE}#3"
    assert found.paid_units(_final()) == 10**18


def test_drafts_one_alone_and_leaves_room() -> None:
    found = payer(ANVIL.chain)
    assert found is not None
    draft = found.draft([(_final(1), Prospect("0xa", Readiness.READY, 70_000))])
    assert (draft.to, draft.weight_limit, draft.weights) == (SAFE, 84_000, {"0xa": 49_000})
    with pytest.raises(InvalidInput):
        found.draft([(_final(1), Prospect("0xa", Readiness.FAILING))])
    with pytest.raises(InvalidInput):
        found.draft([])


def test_one_safe_is_in_a_carriage_once_and_one_to_be_made_goes_alone() -> None:
    found = payer(ANVIL.chain)
    assert found is not None
    ready = Prospect("0xa", Readiness.READY, 70_000)
    with pytest.raises(InvalidInput):
        found.draft([(_final(1), ready), (_final(1), replace(ready, spend="0xb"))])
    with pytest.raises(InvalidInput, match="alone"):
        found.draft([(_final(1), ready), (_final(0), Prospect("0xb", Readiness.FIRST, 70_000))])


def test_an_idle_carriage_calls_nobody_else() -> None:
    found = payer(ANVIL.chain)
    assert found is not None
    draft = found.idle(KEY.account)
    assert (draft.to, draft.data, draft.weights) == (KEY.account, b"", {})


def test_those_of_several_can_fail_alone() -> None:
    calls = decode_aggregate3(
        execute_several(
            [SPENDING.read_execution(_final(1)).signed, replace(SPENDING.read_execution(_final(1)).signed, safe=PAYEE)]
        ).data
    )
    assert all(call.may_fail for call in calls)
