"""The chain's side of a spend without a node: composed, answered, finalised, and read again from its bytes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from custody.chains.ethereum import planning
from custody.chains.ethereum import spending as module
from custody.chains.ethereum.offline.deployments import MULTI_SEND, MULTI_SEND_CALL_ONLY, SAFE_L2
from custody.chains.ethereum.offline.ecdsa import ORDER
from custody.chains.ethereum.offline.eip712 import message_digest
from custody.chains.ethereum.offline.erc20 import encode_transfer
from custody.chains.ethereum.offline.multisend import Call, encode_multisend
from custody.chains.ethereum.offline.safe_tx import SafeTx
from custody.chains.ethereum.offline.signatures import parse_signature
from custody.chains.ethereum.offline.signer import signature_over
from custody.chains.ethereum.spending import Attempt, EthereumSpending
from custody.chains.ethereum.terms import EthereumTerms
from custody.chains.spending import AnswerRefused, Coin, FeeOverCap, Plan, SpendMismatch, Turn
from custody.kernel.canonical import canonical_json
from custody.kernel.errors import InvalidInput
from tests.chains.ethereum.offline.builders import (
    ANVIL,
    ETHER,
    OTHER_TOKEN,
    PAYEE,
    SAFE,
    SAFES,
    SALT,
    TOKEN,
    TOKENS,
    address,
    secret,
    token_call,
)
from tests.chains.ethereum.spends import KEYSET, SPENDING, member, plan, signed, turn
from tests.chains.spending_conformance import SpendingConformance

ANOTHER = address("another")


class _Ours(SpendingConformance):
    @pytest.fixture
    def where(self):
        return SPENDING

    @pytest.fixture
    def keyset(self):
        return KEYSET

    def answer(self, plan, unsigned, name):
        return signed(SPENDING.payments_of(unsigned).spend, name)


class TestEther(_Ours):
    @pytest.fixture
    def plan(self):
        return plan()

    @pytest.fixture
    def others(self):
        return {
            "amount": plan(10**18 + 1),
            "recipient": plan(to=ANOTHER),
            "claim": plan(number=1),
            "asset": plan(asset=TOKENS[TOKEN]),
        }


class TestToken(_Ours):
    @pytest.fixture
    def plan(self):
        return plan(5, asset=TOKENS[TOKEN], number=3)

    @pytest.fixture
    def others(self):
        return {
            "amount": plan(6, asset=TOKENS[TOKEN], number=3),
            "recipient": plan(5, asset=TOKENS[TOKEN], number=3, to=ANOTHER),
            "claim": plan(5, asset=TOKENS[TOKEN], number=4),
            "asset": plan(5, asset=TOKENS[OTHER_TOKEN], number=3),
            "native": plan(5, number=3),
        }


def composed(asked: Plan, where: EthereumSpending = SPENDING) -> Any:
    return where.compose(asked, keyset=KEYSET, branch=0, change_index=None)


def read(answer: object, asked: Plan, name: str = "ann", *, unsigned: str | None = None) -> dict[str, str]:
    text = composed(asked).unsigned if unsigned is None else unsigned
    return SPENDING.read_answer(answer, unsigned=text, inputs=asked.inputs, keyset=KEYSET, branch=0, cosigner=name)


def final(asked: Plan) -> Any:
    found = composed(asked)
    answers = {name: read(signed(found.spend, name), asked, name) for name in ("cem", "ann")}
    return SPENDING.finalise(answers, unsigned=found.unsigned, inputs=asked.inputs, keyset=KEYSET, branch=0)


def changed(text: str | bytes, **fields: Any) -> str:
    return canonical_json({**json.loads(text), **fields}).decode()


def text_of(tx: SafeTx) -> str:
    return Attempt(ANVIL, SAFE, tx).text


def test_is_one_canonical_text_and_costs_its_vault_nothing():
    found = composed(plan(7, number=2))
    assert found.unsigned == (
        f'{{"chain_id":31337,"safe":"{SAFE}","safe_tx":{{"baseGas":"0","data":"0x","gasPrice":"0",'
        f'"gasToken":"0x{"0" * 40}","nonce":"2","operation":0,"refundReceiver":"0x{"0" * 40}","safeTxGas":"0",'
        f'"to":"{PAYEE}","value":"7"}}}}'
    )
    assert (found.fee_units, found.weight) == (0, 100_000)
    assert composed(plan(7, asset=TOKENS[TOKEN], number=2)).weight == 100_100
    assert composed(plan(7)).weight == composed(plan(7, asset=TOKENS[TOKEN])).weight == 400_000


@pytest.mark.parametrize(
    "asked",
    [
        replace(plan(), inputs=()),
        replace(plan(), inputs=(turn(0), turn(1))),
        replace(plan(), inputs=(replace(turn(), client="birch"),)),
        replace(plan(), inputs=(replace(turn(), client=None),)),
        replace(plan(), inputs=(replace(turn(), index=1),)),
        replace(plan(), inputs=(Turn(ANOTHER, 0, client="acme", index=0),)),
        replace(plan(), change_units=1),
        replace(plan(), order=replace(plan().order, chain="eip155:1")),
        replace(plan(), order=replace(plan().order, locator=bytes(32))),
        plan(0),
        plan(2**256),
        plan(2**256, asset=TOKENS[TOKEN]),
        plan(to=SAFE),
        plan(to=SAFE_L2.address),
        plan(to="0x" + "00" * 19 + "01"),
        plan(to=TOKEN, asset=TOKENS[TOKEN]),
        plan(asset=TOKENS[TOKEN].lower()),
        plan(asset=f"eip155:1/erc20:{TOKEN}"),
        plan(asset="eip155:1/slip44:60"),
        plan(asset=f"{ANVIL.chain}/erc20:{SAFE_L2.address}"),
        plan(asset=f"{ANVIL.chain}/erc20:{SAFE}"),
    ],
)
def test_composes_nothing_that_contradicts_itself(asked):
    with pytest.raises(InvalidInput):
        composed(asked)


def test_takes_only_its_own_inputs_and_keysets():
    with pytest.raises(TypeError):
        composed(replace(plan(), inputs=(Coin("ab" * 32, 0, 1, change=False, index=0, block_hash="00" * 32),)))
    for other in (
        replace(KEYSET, id="k2"),
        replace(KEYSET, threshold=3),
        replace(KEYSET, chain="eip155:1"),
        replace(KEYSET, cosigners=(*KEYSET.cosigners[:2], member("mallory"))),
        replace(KEYSET, cosigners=(*KEYSET.cosigners[:2], replace(member("cem"), public_key="05" * 33))),
    ):
        with pytest.raises(InvalidInput):
            SPENDING.compose(plan(), keyset=other, branch=0, change_index=None)


def test_pays_only_listed_tokens_where_there_is_a_list():
    listed = EthereumSpending(ANVIL.chain, assets=[TOKENS[TOKEN]])
    assert composed(plan(asset=TOKENS[TOKEN]), listed) == composed(plan(asset=TOKENS[TOKEN]))
    for refused in (plan(asset=TOKENS[OTHER_TOKEN]), plan(to=TOKEN)):
        with pytest.raises(InvalidInput):
            composed(refused, listed)
    with pytest.raises(InvalidInput):
        listed.payments_of(composed(plan(asset=TOKENS[OTHER_TOKEN])).unsigned)
    with pytest.raises(InvalidInput):
        EthereumSpending(ANVIL.chain, assets=[ETHER])


def test_composes_nothing_where_two_computations_of_its_hash_differ(monkeypatch):
    monkeypatch.setattr(module, "typed_data_digest", lambda _data: bytes(32))
    with pytest.raises(SpendMismatch):
        composed(plan())


def test_composes_nothing_whose_bytes_pay_something_else(monkeypatch):
    monkeypatch.setattr(planning, "encode_transfer", lambda to, units: encode_transfer(to, units + 1))
    with pytest.raises(InvalidInput):
        composed(plan(asset=TOKENS[TOKEN]))


def _forms(digest: bytes) -> dict[str, bytes]:
    good = signature_over(digest, secret("ann"))
    parsed = parse_signature(good)
    wrapped = signature_over(message_digest(digest), secret("ann"))
    high = replace(parsed, s=ORDER - parsed.s, v=55 - parsed.v).raw
    owner = int(SAFES.setup.owners[0], 16).to_bytes(32, "big")
    return {
        "contract-signature": owner + (65).to_bytes(32, "big") + b"\x00",
        "approved-hash": owner + bytes(32) + b"\x01",
        "eth-sign": wrapped[:64] + bytes([wrapped[64] + 4]),
        "wrong-v": good[:64] + bytes([good[64] - 24]),
        "high-s": high,
        "no-key": bytes(32) + good[32:],
        "other-signer": signature_over(digest, secret("mallory")),
        "missing-signature": signature_over(digest, secret("ben")),
    }


@pytest.mark.parametrize("reason", sorted(_forms(bytes(32))))
def test_refuses_every_other_form_of_signature(reason):
    digest = bytes.fromhex(composed(plan()).spend[2:])
    with pytest.raises(AnswerRefused) as refused:
        read("0x" + _forms(digest)[reason].hex(), plan())
    assert refused.value.facts == {"reason": reason}


def test_reads_one_form_of_an_answer():
    good = signed(composed(plan()).spend, "ann")
    assert read(good, plan()) == {"0": good[2:]}
    for wrong in (good[2:], good.upper(), "0X" + good[2:], f" {good}", f"{good}\n", good.encode(), "0x", good[:-1]):
        with pytest.raises(InvalidInput):
            read(wrong, plan())


def test_takes_no_signature_made_for_another_chain_or_safe():
    tx = SafeTx(to=PAYEE, value=10**18, data=b"", nonce=0)
    for other in (Attempt(module.network("sepolia"), SAFE, tx), Attempt(ANVIL, SAFES.address(SALT + 1), tx)):
        with pytest.raises(AnswerRefused):
            read(signed(other.spend, "ann"), plan())


BATCH = encode_multisend([Call(PAYEE, 7, b""), token_call(units=5)])
DELEGATING = BATCH[:68] + b"\x01" + BATCH[69:]
"""The batch with its first call made a delegatecall."""
HOSTILE = {
    "batch-that-delegates": SafeTx(to=MULTI_SEND_CALL_ONLY.address, value=0, data=DELEGATING, operation=1, nonce=0),
    "delegatecall": SafeTx(to=ANOTHER, value=0, data=b"", operation=1, nonce=0),
    "delegatecall-to-multisend": SafeTx(to=MULTI_SEND.address, value=0, data=BATCH, operation=1, nonce=0),
    "delegatecall-of-a-transfer": SafeTx(to=TOKEN, value=0, data=encode_transfer(PAYEE, 1), operation=1, nonce=0),
    "safe-tx-gas": SafeTx(to=PAYEE, value=1, data=b"", safe_tx_gas=1, nonce=0),
    "base-gas": SafeTx(to=PAYEE, value=1, data=b"", base_gas=1, nonce=0),
    "gas-price": SafeTx(to=PAYEE, value=1, data=b"", gas_price=1, nonce=0),
    "gas-token": SafeTx(to=PAYEE, value=1, data=b"", gas_token=TOKEN, nonce=0),
    "refund-receiver": SafeTx(to=PAYEE, value=1, data=b"", refund_receiver=ANOTHER, nonce=0),
    "approve": SafeTx(to=TOKEN, value=0, data=b"\x09\x5e\xa7\xb3" + encode_transfer(PAYEE, 1)[4:], nonce=0),
    "own-safe": SafeTx(to=SAFE, value=0, data=b"\x69\x4e\x80\xc3" + bytes(32), nonce=0),
    "own-safe-as-token": SafeTx(to=SAFE, value=0, data=encode_transfer(PAYEE, 1), nonce=0),
    "batch-as-call": SafeTx(to=MULTI_SEND_CALL_ONLY.address, value=0, data=BATCH, nonce=0),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_neither_reads_nor_takes_signatures_for_what_it_never_composes(name):
    unsigned, spend = text_of(HOSTILE[name]), Attempt(ANVIL, SAFE, HOSTILE[name]).spend
    with pytest.raises(InvalidInput):
        SPENDING.payments_of(unsigned)
    with pytest.raises(InvalidInput):
        read(signed(spend, "ann"), plan(), unsigned=unsigned)
    execution = SPENDING.read_execution(final(plan()).raw)
    hostile = replace(execution.signed, tx=HOSTILE[name])
    with pytest.raises(InvalidInput):
        SPENDING.read_final(replace(execution, attempt=Attempt(ANVIL, SAFE, HOSTILE[name]), signed=hostile).raw)
    answers = {who: {"0": signed(spend, who)[2:]} for who in ("ann", "ben")}
    with pytest.raises(InvalidInput):
        SPENDING.finalise(answers, unsigned=unsigned, inputs=plan().inputs, keyset=KEYSET, branch=0)


def test_reads_a_batch_and_a_turn_used_for_nothing():
    batch = SafeTx(to=MULTI_SEND_CALL_ONLY.address, value=0, data=BATCH, operation=1, nonce=4)
    found = SPENDING.payments_of(text_of(batch))
    assert [(each.asset, each.address, each.units) for each in found.payments] == [
        (ETHER, PAYEE, 7),
        (TOKENS[TOKEN], PAYEE, 5),
    ]
    assert Attempt(ANVIL, SAFE, batch).weight == 2 * 100_100
    nothing = SPENDING.payments_of(text_of(SafeTx(to=SAFE, value=0, data=b"", nonce=5)))
    assert (nothing.payments, nothing.claims, nothing.fee_units) == ((), frozenset({f"{SAFE}#5"}), 0)


@pytest.mark.parametrize(
    "fields", [{"chain_id": 1}, {"chain_id": []}, {"safe": SAFE.lower()}, {"safe": 7}, {"more": 1}, {"safe_tx": {}}]
)
def test_reads_one_form_of_what_it_composed(fields):
    unsigned = composed(plan()).unsigned
    for text in (changed(unsigned, **fields), f" {unsigned}", json.dumps(json.loads(unsigned)), "[]", ""):
        with pytest.raises(InvalidInput):
            SPENDING.payments_of(text)


def test_uses_up_only_the_turn_that_was_reserved():
    found = composed(plan())
    for other in (turn(1), Turn(SAFES.address(SALT + 1), 0, client="acme", index=0)):
        with pytest.raises(InvalidInput):
            SPENDING.read_answer(
                signed(found.spend, "ann"), unsigned=found.unsigned, inputs=(other,), keyset=KEYSET, branch=0,
                cosigner="ann",
            )  # fmt: skip


def test_hands_the_relayer_all_it_needs():
    execution = SPENDING.read_execution(final(plan()).raw)
    assert (execution.safes.setup, execution.salt_nonce, execution.signed.safe) == (SAFES.setup, SALT, SAFE)
    assert execution.safes.create_calldata(execution.salt_nonce) == SAFES.create_calldata(SALT)
    assert execution.may_need_deployment
    assert not SPENDING.read_execution(final(plan(number=1)).raw).may_need_deployment


def test_reads_one_form_of_what_it_finalised():
    raw = final(plan()).raw
    other_safe = "0x" + SAFES.create_calldata(SALT + 1).hex()
    for fields in (
        {"create": other_safe}, {"to": ANOTHER}, {"to": SAFE.lower()}, {"nonce": 0}, {"nonce": "00"}, {"data": "0x"},
        {"chain_id": 1}, {"data": None}, {"more": 1}, {"nonce": str(2**256)},
    ):  # fmt: skip
        with pytest.raises(InvalidInput):
            SPENDING.read_final(changed(raw, **fields).encode())
    assert SPENDING.read_final(changed(raw, nonce="1").encode()).spend != composed(plan()).spend


def _with_signatures(raw: bytes, signatures: bytes) -> bytes:
    execution = SPENDING.read_execution(raw)
    return replace(execution, signed=replace(execution.signed, signatures=signatures)).raw


def test_is_not_signed_without_a_quorum_of_the_safes_own_owners():
    asked, found = plan(), composed(plan())
    raw = final(asked).raw
    digest = bytes.fromhex(found.spend[2:])
    good = SPENDING.read_execution(raw).signed.signatures
    first, second = good[:65], good[65:]
    stranger = signature_over(digest, secret("mallory"))
    assert SPENDING.is_signed(found.unsigned, _with_signatures(raw, first + second))
    for wrong in (b"", first, second + first, first + first, first + stranger, stranger + first, good + stranger,
                  good + b"\0"):  # fmt: skip
        assert not SPENDING.is_signed(found.unsigned, _with_signatures(raw, wrong))


CAPS = {"caps": {"absolute_wei": 10**16, "rate_wei_gas": 10**11, "share_bps": 100}}


def test_checks_a_fee_by_caps_and_has_no_share_between_two_assets():
    terms = SPENDING.terms(CAPS)
    assert terms == EthereumTerms(10**16, 10**11, 100)
    for fee, weight, paid, ceiling, cap, limit in (
        (10**16, 10**6, None, None, "absolute", 10**16),
        (7_500 * 10**12, 75_000, None, None, "rate", 7_500 * 10**12),
        (10**14, 75_000, 10**16, None, "share", 10**14),
        (10**13, 75_000, None, 10**13, "ceiling", 10**13),
    ):
        terms.check_fee(fee_units=fee, weight=weight, paid_units=paid, ceiling_units=ceiling)
        with pytest.raises(FeeOverCap) as refused:
            terms.check_fee(fee_units=fee + 1, weight=weight, paid_units=paid, ceiling_units=ceiling)
        assert refused.value.facts == {"cap": cap, "limit_wei": limit, "fee_wei": fee + 1}
    with pytest.raises(FeeOverCap):
        terms.check_fee(fee_units=-1, weight=75_000, paid_units=None, ceiling_units=None)
