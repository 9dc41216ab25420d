"""The relayer's calls: what web3 encodes, and nothing that could pay nobody and look done."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safe_eth.eth.contracts import get_multi_send_call_only_V1_4_1_contract, get_safe_V1_4_1_contract
from web3 import Web3

from custody.chains.ethereum.offline.abi import uint_word
from custody.chains.ethereum.offline.address import ZERO
from custody.chains.ethereum.offline.deployments import MULTI_SEND_CALL_ONLY, MULTICALL3, PROXY_FACTORY
from custody.chains.ethereum.offline.execution import (
    SignedSafeTx,
    decode_execution,
    deploy_and_execute,
    encode_execution,
    execute,
    execute_several,
)
from custody.chains.ethereum.offline.multicall import (
    Result,
    TryCall,
    decode_aggregate3,
    decode_results,
    encode_aggregate3,
    encode_get_eth_balance,
    uint_result,
)
from custody.chains.ethereum.offline.multisend import Call, decode_multisend
from custody.chains.ethereum.offline.proxy import decode_create
from custody.chains.ethereum.offline.safe_tx import SafeTx
from custody.kernel.errors import InvalidInput
from tests.chains.ethereum.offline.builders import PAYEE, SAFE, SAFES, SALT, SETUP, TOKEN, addresses, pay
from tests.chains.ethereum.offline.mutations import read_all
from tests.chains.ethereum.offline.test_safe_tx import safe_txs

CONTRACT = get_safe_V1_4_1_contract(Web3(), SAFE)
SIGNATURES = bytes(range(130))
SIGNED = SignedSafeTx(SAFE, pay(), SIGNATURES)
# mds1/multicall3, src/Multicall3.sol: aggregate3((address target, bool allowFailure, bytes callData)[])
AGGREGATE3 = [
    {
        "type": "function", "name": "aggregate3", "stateMutability": "payable",
        "inputs": [{"name": "calls", "type": "tuple[]", "components": [
            {"name": "target", "type": "address"}, {"name": "allowFailure", "type": "bool"},
            {"name": "callData", "type": "bytes"}]}],
        "outputs": [{"name": "returnData", "type": "tuple[]", "components": [
            {"name": "success", "type": "bool"}, {"name": "returnData", "type": "bytes"}]}],
    }
]  # fmt: skip
MULTICALL = Web3().eth.contract(address=MULTICALL3.address, abi=AGGREGATE3)


@settings(deadline=None, max_examples=60)
@given(safe_txs, st.binary(max_size=200))
def test_writes_what_web3_writes_and_reads_it_back(tx, signatures):
    data = encode_execution(tx, signatures)
    arguments = [
        tx.to, tx.value, tx.data, tx.operation, tx.safe_tx_gas, tx.base_gas, tx.gas_price, tx.gas_token,
        tx.refund_receiver, signatures,
    ]  # fmt: skip
    assert "0x" + data.hex() == CONTRACT.encode_abi("execTransaction", args=arguments)
    assert decode_execution(data, nonce=tx.nonce) == (tx, signatures)


def test_another_byte_is_another_execution_or_none():
    tx = SafeTx(to=TOKEN, value=5, data=b"\x01\x02\x03", operation=1, nonce=4)
    refused, read = read_all(lambda data: decode_execution(data, nonce=4), encode_execution(tx, SIGNATURES))
    assert refused > 1500
    assert read > 2000


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "another call"),
        (encode_execution(pay(), SIGNATURES) + b"\0", "left over"),
        (encode_execution(pay(), SIGNATURES)[:-32], "ends too early"),
        (encode_execution(pay(), SIGNATURES)[:4] + uint_word(2**160) + encode_execution(pay(), b"")[36:], "not zero"),
        (encode_execution(pay(), b"")[:100] + uint_word(2) + encode_execution(pay(), b"")[132:], "1 bits"),
    ],
)
def test_refuses_what_is_no_execution(data, reason):
    with pytest.raises(InvalidInput, match=reason):
        decode_execution(data, nonce=0)


def test_executes_at_the_safe():
    assert execute(SIGNED).to == SAFE
    assert decode_execution(execute(SIGNED).data, nonce=0) == (pay(), SIGNATURES)


def test_deploys_and_executes_in_one_batch_of_plain_calls():
    call = deploy_and_execute(SAFES, SALT, SIGNED)
    assert call.to == MULTI_SEND_CALL_ONLY.address
    create, then = decode_multisend(call.data)
    assert (create.to, create.value) == (PROXY_FACTORY.address, 0)
    assert (decode_create(create.data).setup, decode_create(create.data).salt_nonce) == (SETUP, SALT)
    assert then == Call(SAFE, 0, execute(SIGNED).data)
    contract = get_multi_send_call_only_V1_4_1_contract(Web3())
    assert contract.decode_function_input(call.data)[0].fn_name == "multiSend"


@pytest.mark.parametrize("signed", [replace(SIGNED, safe=PAYEE), replace(SIGNED, safe=ZERO)])
def test_never_executes_at_an_address_that_is_not_deployed_with_it(signed):
    with pytest.raises(InvalidInput, match="safe: not the Safe that this salt nonce deploys"):
        deploy_and_execute(SAFES, SALT, signed)
    with pytest.raises(InvalidInput, match="safe: not the Safe"):
        deploy_and_execute(SAFES, SALT + 1, SIGNED)


def test_executes_several_each_able_to_fail_alone():
    several = [SIGNED, replace(SIGNED, safe=PAYEE, tx=pay(nonce=3))]
    call = execute_several(several)
    assert call.to == MULTICALL3.address
    assert decode_aggregate3(call.data) == tuple(TryCall(one.safe, execute(one).data, True) for one in several)


@pytest.mark.parametrize("signed", [[], [SIGNED], [SIGNED, SIGNED], [SIGNED, replace(SIGNED, tx=pay(nonce=1))]])
def test_executes_no_safe_twice_in_one_transaction(signed):
    with pytest.raises(InvalidInput, match="at least two, each at a Safe of its own"):
        execute_several(signed)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.builds(TryCall, addresses, st.binary(max_size=70), st.booleans()), max_size=5))
def test_packs_multicalls_as_web3_does(calls):
    data = encode_aggregate3(calls)
    triples = [(call.to, call.may_fail, call.data) for call in calls]
    assert "0x" + data.hex() == MULTICALL.encode_abi("aggregate3", args=[triples])
    assert list(decode_aggregate3(data)) == calls


def test_another_byte_is_another_multicall_or_none():
    refused, read = read_all(
        decode_aggregate3, encode_aggregate3([TryCall(PAYEE, b"\x01"), TryCall(TOKEN, b"", False)])
    )
    assert refused > 2000
    assert read > 300


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=70)), max_size=5))
def test_reads_what_a_multicall_answers(answers):
    codec = Web3().codec
    data = codec.encode(["(bool,bytes)[]"], [answers])
    assert decode_results(data, expected=len(answers)) == tuple(Result(*answer) for answer in answers)
    with pytest.raises(InvalidInput, match=f"{len(answers)} results of {len(answers) + 1} calls"):
        decode_results(data, expected=len(answers) + 1)
    with pytest.raises(InvalidInput, match="not what aggregate3 returns"):
        decode_results(data + b"\0", expected=len(answers))


def test_a_number_is_one_word_of_a_call_that_succeeded():
    assert uint_result(Result(True, uint_word(7))) == 7
    assert [
        uint_result(each) for each in (Result(False, uint_word(7)), Result(True, b""), Result(True, bytes(64)))
    ] == [None] * 3
    assert encode_get_eth_balance(PAYEE)[16:].hex() == PAYEE[2:].lower()
