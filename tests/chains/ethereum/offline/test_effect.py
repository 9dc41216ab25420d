"""What a SafeTx does: four shapes and no fifth, each refusal by its name, one byte string for one effect."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from custody.chains.ethereum.offline.address import ZERO, checksum_address
from custody.chains.ethereum.offline.deployments import (
    FALLBACK_HANDLER,
    MULTI_SEND,
    MULTI_SEND_CALL_ONLY,
    MULTICALL3,
    PINNED,
    PROXY_FACTORY,
    SAFE_L2,
    known_name,
)
from custody.chains.ethereum.offline.effect import Effect, EffectReason, EffectRefused, Payment, effect_of, no_op
from custody.chains.ethereum.offline.erc20 import encode_transfer
from custody.chains.ethereum.offline.execution import encode_execution
from custody.chains.ethereum.offline.keccak import selector
from custody.chains.ethereum.offline.multisend import Call, encode_multisend
from custody.chains.ethereum.offline.safe_tx import SafeTx
from custody.kernel.errors import InvalidInput
from tests.chains.ethereum.offline.builders import (
    ANVIL,
    ETHER,
    OTHER_TOKEN,
    PAYEE,
    SAFE,
    SAFES,
    TOKEN,
    TOKENS,
    address,
    calls,
    pay,
    token_call,
)
from tests.chains.ethereum.offline.mutations import read_all

STRANGER = address("some contract")
BATCH = MULTI_SEND_CALL_ONLY.address
MULTI_SEND_1_3_0 = "0xA238CBeb142c10Ef7Ad8442C6D1f9E89e07e7761"
CALL_ONLY_1_3_0 = "0x40A2aCCbd92BCA938b02010E17A5b8929b49130D"


def _effect(tx: SafeTx) -> Effect:
    return effect_of(tx, safe=SAFE, network=ANVIL, tokens=TOKENS)


def _batch(*inner: Call, **more: object) -> SafeTx:
    return SafeTx(**{"to": BATCH, "value": 0, "data": encode_multisend(inner), "operation": 1, "nonce": 0, **more})


def _call(signature: str, to: str, *words: int) -> SafeTx:
    return pay(to, 0, data=selector(signature) + b"".join(word.to_bytes(32, "big") for word in words))


def _paid(call: Call) -> Payment:
    if call.to not in TOKENS:
        return Payment(ETHER, call.to, call.value)
    return Payment(TOKENS[call.to], checksum_address(call.data[16:36]), int.from_bytes(call.data[36:], "big"))


def test_ether_to_somebody_is_a_payment():
    assert _effect(pay(PAYEE, 10**18)) == Effect((Payment(ETHER, PAYEE, 10**18),))
    assert ETHER == "eip155:31337/slip44:60"


def test_a_registered_tokens_transfer_is_a_payment():
    tx = SafeTx(to=TOKEN, value=0, data=encode_transfer(PAYEE, 5), nonce=3)
    assert _effect(tx) == Effect((Payment(f"eip155:31337/erc20:{TOKEN}", PAYEE, 5),))


def test_a_batch_is_its_payments_in_order_and_equal_ones_stay_two():
    effect = _effect(_batch(Call(PAYEE, 7, b""), token_call(units=5), token_call(units=5), Call(PAYEE, 7, b"")))
    token = Payment(TOKENS[TOKEN], PAYEE, 5)
    assert effect.payments == (Payment(ETHER, PAYEE, 7), token, token, Payment(ETHER, PAYEE, 7))


def test_the_empty_call_to_itself_does_nothing():
    effect = _effect(no_op(safe=SAFE, nonce=9))
    assert effect.is_no_op
    assert effect.payments == ()
    assert not _effect(pay()).is_no_op


@settings(deadline=None)
@given(st.lists(calls, min_size=1, max_size=5))
def test_pays_exactly_what_was_encoded(inner):
    tx = _batch(*inner) if len(inner) > 1 else SafeTx(to=inner[0].to, value=inner[0].value, data=inner[0].data, nonce=0)
    assert _effect(tx).payments == tuple(map(_paid, inner))


REFUSED = {
    # delegatecalls
    "delegatecall to a stranger": (pay(STRANGER, 0, operation=1), EffectReason.DELEGATE_CALL, "not pinned"),
    "delegatecall that says transfer": (
        replace(_call("transfer(address,uint256)", STRANGER, 1, 0), operation=1),
        EffectReason.DELEGATE_CALL,
        STRANGER,
    ),
    "delegatecall to a token": (
        SafeTx(to=TOKEN, value=0, data=encode_transfer(PAYEE, 5), operation=1, nonce=0),
        EffectReason.DELEGATE_CALL,
        TOKEN,
    ),
    "delegatecall to MultiSend": (
        replace(_batch(token_call(), token_call()), to=MULTI_SEND.address),
        EffectReason.DELEGATE_CALL,
        r"MultiSend 1\.4\.1",
    ),
    "delegatecall to the batch contract of 1.3.0": (
        replace(_batch(token_call(), token_call()), to=CALL_ONLY_1_3_0),
        EffectReason.DELEGATE_CALL,
        r"MultiSendCallOnly 1\.3\.0",
    ),
    "delegatecall to itself": (pay(SAFE, 0, operation=1), EffectReason.DELEGATE_CALL, SAFE),
    "delegatecall to the migration contract": (
        replace(_call("migrateSingleton()", "0x526643F69b81B008F46d95CD5ced5eC0edFFDaC6"), operation=1),
        EffectReason.DELEGATE_CALL,
        "SafeMigration",
    ),
    # batches
    "a batch with a value": (_batch(token_call(), token_call(), value=1), EffectReason.BATCH_WITH_VALUE, "1 wei"),
    "a batch of one": (_batch(token_call()), EffectReason.BATCH_OF_ONE, "without a batch"),
    "an empty delegatecall to the batch contract": (
        pay(BATCH, 0, operation=1),
        EffectReason.BATCH_MALFORMED,
        "another call",
    ),
    "a batch with bytes behind": (
        replace(_batch(token_call(), token_call()), data=_batch(token_call(), token_call()).data + b"\0"),
        EffectReason.BATCH_MALFORMED,
        "left over",
    ),
    "a batch inside a batch": (
        _batch(token_call(), Call(BATCH, 0, _batch(token_call(), token_call()).data)),
        EffectReason.BATCH_NESTED,
        BATCH,
    ),
    "MultiSend inside a batch": (
        _batch(token_call(), Call(MULTI_SEND_1_3_0, 0, _batch(token_call()).data)),
        EffectReason.BATCH_NESTED,
        MULTI_SEND_1_3_0,
    ),
    "a batch that is called": (
        replace(_batch(token_call(), token_call()), operation=0),
        EffectReason.BATCH_AS_CALL,
        "called, not delegated to",
    ),
    "ether to the batch contract": (pay(BATCH, 5), EffectReason.BATCH_AS_CALL, "called, not delegated to"),
    "a batch that calls itself empty": (_batch(token_call(), Call(SAFE, 0, b"")), EffectReason.OWN_SAFE, "0 wei"),
    "a batch that reconfigures": (
        _batch(token_call(), Call(SAFE, 0, _call("enableModule(address)", SAFE, 5).data)),
        EffectReason.OWN_SAFE,
        "enableModule",
    ),
    "a batch that pays itself": (_batch(token_call(), token_call(to=SAFE)), EffectReason.RECIPIENT, "the Safe itself"),
    "a batch that approves": (
        _batch(token_call(), Call(TOKEN, 0, _call("approve(address,uint256)", TOKEN, 5, 2**256 - 1).data)),
        EffectReason.TOKEN_CALL,
        "approve of the token",
    ),
    "a batch that pays nothing": (_batch(token_call(), token_call(units=0)), EffectReason.NOTHING_PAID, "zero"),
    "a batch that calls a stranger": (
        _batch(token_call(), Call(STRANGER, 0, b"\x01\x02\x03\x04")),
        EffectReason.UNKNOWN_CONTRACT,
        "0x01020304",
    ),
    # the Safe itself
    "ether to itself": (pay(SAFE, 1), EffectReason.OWN_SAFE, "1 wei"),
    "no call of itself": (pay(SAFE, 0, data=b"\0"), EffectReason.OWN_SAFE, "1 bytes that are no call"),
    **{
        f"{name} of itself": (_call(signature, SAFE, 1, 2, 3), EffectReason.OWN_SAFE, name)
        for signature in (
            "addOwnerWithThreshold(address,uint256)",
            "removeOwner(address,address,uint256)",
            "swapOwner(address,address,address)",
            "changeThreshold(uint256)",
            "enableModule(address)",
            "disableModule(address,address)",
            "setGuard(address)",
            "setFallbackHandler(address)",
            "changeMasterCopy(address)",
            "approveHash(bytes32)",
            "setup(address[],uint256,address,bytes,address,address,uint256,address)",
        )
        for name in (signature.partition("(")[0],)
    },
    "a SafeTx inside a SafeTx": (
        pay(SAFE, 0, data=encode_execution(pay(), b"")),
        EffectReason.OWN_SAFE,
        "execTransaction",
    ),
    # tokens
    **{
        f"{name} of a token": (_call(signature, TOKEN, 1, 2, 3), EffectReason.TOKEN_CALL, f"{name} of the token")
        for signature in (
            "approve(address,uint256)",
            "transferFrom(address,address,uint256)",
            "increaseAllowance(address,uint256)",
            "permit(address,address,uint256,uint256,uint8,bytes32,bytes32)",
            "setApprovalForAll(address,bool)",
            "safeTransferFrom(address,address,uint256)",
            "transferAndCall(address,uint256,bytes)",
            "burn(uint256)",
        )
        for name in (signature.partition("(")[0],)
    },
    "an unknown call of a token": (
        pay(TOKEN, 0, data=bytes.fromhex("12345678")),
        EffectReason.TOKEN_CALL,
        "0x12345678",
    ),
    "a token without data": (pay(TOKEN, 0), EffectReason.TOKEN_CALL, "0 bytes that are no call"),
    "ether to a token": (pay(TOKEN, 1), EffectReason.TOKEN_WITH_VALUE, "1 wei"),
    "ether with a transfer": (pay(TOKEN, 1, data=encode_transfer(PAYEE, 5)), EffectReason.TOKEN_WITH_VALUE, "1 wei"),
    "a transfer with bytes behind": (
        pay(TOKEN, 0, data=encode_transfer(PAYEE, 5) + b"\0"),
        EffectReason.TOKEN_CALL,
        "left over",
    ),
    "a transfer cut short": (pay(TOKEN, 0, data=encode_transfer(PAYEE, 5)[:-1]), EffectReason.TOKEN_CALL, "too early"),
    "a transfer with a dirty address": (
        pay(TOKEN, 0, data=encode_transfer(PAYEE, 5)[:4] + b"\x01" + encode_transfer(PAYEE, 5)[5:]),
        EffectReason.TOKEN_CALL,
        "not zero",
    ),
    "a transfer of a token nobody registered": (
        pay(STRANGER, 0, data=encode_transfer(PAYEE, 5)),
        EffectReason.UNKNOWN_CONTRACT,
        "no registered token",
    ),
    # payments that are none, or lost
    "nothing to somebody": (pay(PAYEE, 0), EffectReason.NOTHING_PAID, "zero"),
    "no token to somebody": (pay(TOKEN, 0, data=encode_transfer(PAYEE, 0)), EffectReason.NOTHING_PAID, "zero"),
    "data to the destination": (pay(PAYEE, 1, data=b"hello"), EffectReason.UNKNOWN_CONTRACT, "no registered token"),
    "ether to nobody": (pay(ZERO, 1), EffectReason.RECIPIENT, "a reserved address"),
    "ether to a precompiled contract": (pay("0x" + "00" * 19 + "05", 1), EffectReason.RECIPIENT, "a reserved address"),
    "a token to nobody": (pay(TOKEN, 0, data=encode_transfer(ZERO, 5)), EffectReason.RECIPIENT, "a reserved address"),
    "a token to the Safe": (pay(TOKEN, 0, data=encode_transfer(SAFE, 5)), EffectReason.RECIPIENT, "the Safe itself"),
    "a token to its contract": (
        pay(TOKEN, 0, data=encode_transfer(TOKEN, 5)),
        EffectReason.RECIPIENT,
        "contract of a token",
    ),
    "a token to another's contract": (
        pay(TOKEN, 0, data=encode_transfer(OTHER_TOKEN, 5)),
        EffectReason.RECIPIENT,
        "contract of a token",
    ),
    **{
        f"ether to {contract.name}": (pay(contract.address, 1), EffectReason.RECIPIENT, contract.name)
        for contract in (SAFE_L2, PROXY_FACTORY, FALLBACK_HANDLER, MULTICALL3)
    },
    "a token to the batch contract": (
        pay(TOKEN, 0, data=encode_transfer(BATCH, 5)),
        EffectReason.RECIPIENT,
        "MultiSendCallOnly",
    ),
    "deploying another Safe": (
        pay(PROXY_FACTORY.address, 0, data=SAFES.create_calldata(1)),
        EffectReason.UNKNOWN_CONTRACT,
        "createProxyWithNonce",
    ),
    # refunds
    "safeTxGas": (pay(safe_tx_gas=1), EffectReason.REFUND, "safeTxGas not zero"),
    "baseGas": (pay(base_gas=1), EffectReason.REFUND, "baseGas not zero"),
    "gasPrice": (pay(gas_price=1), EffectReason.REFUND, "gasPrice not zero"),
    "gasToken": (pay(gas_token=TOKEN), EffectReason.REFUND, "gasToken not zero"),
    "refundReceiver": (pay(refund_receiver=PAYEE), EffectReason.REFUND, "refundReceiver not zero"),
    "a refund of a no-op": (replace(no_op(safe=SAFE, nonce=0), gas_price=1), EffectReason.REFUND, "gasPrice not zero"),
    "a refund of a batch": (_batch(token_call(), token_call(), base_gas=1), EffectReason.REFUND, "baseGas not zero"),
}


@pytest.mark.parametrize(("tx", "reason", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_refuses_by_name(tx, reason, words):
    with pytest.raises(EffectRefused, match=words) as caught:
        _effect(tx)
    assert caught.value.reason is reason
    assert caught.value.facts["reason"] == reason.value


def test_every_reason_has_a_case():
    assert {reason for _, reason, _ in REFUSED.values()} == set(EffectReason)


@pytest.mark.parametrize("contract", PINNED, ids=lambda contract: contract.name)
@pytest.mark.parametrize("operation", [0, 1])
def test_no_call_of_a_pinned_contract_is_ever_a_payment(contract, operation):
    for value, data in ((0, b""), (1, b""), (0, b"\x01\x02\x03\x04"), (1, encode_transfer(PAYEE, 5))):
        with pytest.raises(EffectRefused):
            _effect(SafeTx(to=contract.address, value=value, data=data, operation=operation, nonce=0))


def test_what_a_batch_hides_behind_what_it_shows_is_shown_too():
    shown = _batch(Call(PAYEE, 7, b""), token_call(units=5))
    hidden = _batch(Call(PAYEE, 7, b""), token_call(units=5), token_call(to=STRANGER, units=1))
    assert _effect(hidden).payments == (*_effect(shown).payments, Payment(TOKENS[TOKEN], STRANGER, 1))


def test_a_token_is_trusted_only_from_the_list_given():
    tx = pay(TOKEN, 0, data=encode_transfer(PAYEE, 5))
    with pytest.raises(EffectRefused) as caught:
        effect_of(tx, safe=SAFE, network=ANVIL, tokens={OTHER_TOKEN: TOKENS[OTHER_TOKEN]})
    assert caught.value.reason is EffectReason.UNKNOWN_CONTRACT


@pytest.mark.parametrize("tokens", [{TOKEN.lower(): "x"}, {"": "x"}, {"usdc.eth": "x"}])
def test_a_list_of_tokens_without_checksums_is_refused(tokens):
    with pytest.raises(InvalidInput, match="tokens: "):
        effect_of(pay(), safe=SAFE, network=ANVIL, tokens=tokens)
    with pytest.raises(InvalidInput, match="safe: "):
        effect_of(pay(), safe=SAFE.lower(), network=ANVIL, tokens=TOKENS)


@pytest.mark.parametrize(
    "tx",
    [pay(TOKEN, 0, data=encode_transfer(PAYEE, 5_000_000)), _batch(Call(PAYEE, 10**18, b""), token_call())],
    ids=["transfer", "batch"],
)
def test_another_byte_of_data_is_another_effect_or_none(tx):
    refused, read = read_all(lambda data: _effect(replace(tx, data=data)), tx.data)
    assert refused > 300
    assert read > 300


@given(
    st.binary(max_size=300),
    st.sampled_from((0, 1)),
    st.sampled_from((SAFE, TOKEN, BATCH, PAYEE, STRANGER)),
    st.integers(0, 3),
)
def test_random_bytes_are_refused_with_one_kind_of_error(data, operation, to, value):
    tx = SafeTx(to=to, value=value, data=data, operation=operation, nonce=0)
    try:
        effect = _effect(tx)
    except EffectRefused:
        return
    assert not data
    assert operation == 0
    assert effect.is_no_op == (to == SAFE)


def test_a_word_for_a_contract_is_never_a_permission():
    assert known_name(BATCH) == "MultiSendCallOnly 1.4.1"
    with pytest.raises(EffectRefused):
        _effect(pay(BATCH, 0))
