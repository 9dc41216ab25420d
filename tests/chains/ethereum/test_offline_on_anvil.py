"""What is built without a node, held against Safe's own contracts on a real one."""

from __future__ import annotations

from typing import Any

import pytest

from custody.chains.ethereum.offline import deployments, events, execution
from custody.chains.ethereum.offline.address import checksum_address
from custody.chains.ethereum.offline.effect import Payment, effect_of, no_op
from custody.chains.ethereum.offline.keccak import keccak
from custody.chains.ethereum.offline.multicall import (
    TryCall,
    decode_results,
    encode_aggregate3,
    encode_get_eth_balance,
    uint_result,
)
from custody.chains.ethereum.offline.multisend import Call, encode_multisend
from custody.chains.ethereum.offline.safe_tx import SafeTx, safe_tx_hash
from custody.chains.ethereum.offline.signatures import assemble
from custody.chains.ethereum.offline.signer import signature_over
from custody.chains.ethereum.offline.storage import expected_storage
from demo.servers import Anvil
from tests.chains.ethereum.offline.builders import (
    ANVIL,
    ETHER,
    OWNERS,
    PAYEE,
    SAFE,
    SAFES,
    SALT,
    SETUP,
    address,
    secret,
)

COIN = 10**18


def _signed(tx: SafeTx, safe: str = SAFE) -> execution.SignedSafeTx:
    digest = safe_tx_hash(tx, network=ANVIL, safe=safe)
    signatures = assemble(
        digest, [signature_over(digest, secret(name)) for name in ("cem", "ann")], owners=OWNERS, threshold=2
    )
    return execution.SignedSafeTx(safe, tx, signatures)


def _send(anvil: Anvil, call: execution.RelayerCall) -> list[events.Log]:
    receipt = anvil.transact(call.to, 0, call.data)
    return [
        events.Log(
            checksum_address(bytes.fromhex(log["address"][2:])),
            tuple(bytes.fromhex(topic[2:]) for topic in log["topics"]),
            bytes.fromhex(log["data"][2:]),
        )
        for log in receipt["logs"]
    ]


def _ended(logs: list[events.Log]) -> list[tuple[bytes, bool]]:
    return [(found.safe_tx_hash, found.success) for log in logs if (found := events.executed(log))]


def _balance(anvil: Anvil, holder: str) -> int:
    return int(anvil.rpc("eth_getBalance", holder, "latest"), 16)


def _code_hash(anvil: Anvil, holder: str) -> bytes:
    return keccak(bytes.fromhex(anvil.rpc("eth_getCode", holder, "latest")[2:]))


def test_deploys_where_it_said_pays_and_leaves_the_storage_expected(anvil: Anvil) -> None:
    anvil.transact(SAFE, 10 * COIN)
    tx = SafeTx(to=PAYEE, value=COIN, data=b"", nonce=0)
    logs = _send(anvil, execution.deploy_and_execute(SAFES, SALT, _signed(tx)))
    assert _ended(logs) == [(safe_tx_hash(tx, network=ANVIL, safe=SAFE), True)]
    assert [found for log in logs if (found := events.proxy_created(log))] == [
        events.ProxyCreated(SAFE, deployments.SAFE_L2.address)
    ]
    details = [found for log in logs if (found := events.execution_details(log))]
    assert [(found.tx, found.threshold) for found in details] == [(tx, 2)]
    assert _balance(anvil, PAYEE) == COIN
    assert _code_hash(anvil, SAFE) == deployments.PROXY_CODE_HASH
    expected = expected_storage(
        singleton=deployments.SAFE_L2.address, owners=SETUP.owners, threshold=2,
        fallback_handler=deployments.FALLBACK_HANDLER.address,
    )  # fmt: skip
    for slot, value in expected.items():
        assert anvil.rpc("eth_getStorageAt", SAFE, "0x" + slot.hex(), "latest") == "0x" + value.hex()


def test_batches_and_no_ops_do_what_their_bytes_say(anvil: Anvil) -> None:
    anvil.transact(SAFE, 10 * COIN)
    nothing = no_op(safe=SAFE, nonce=0)
    assert _ended(_send(anvil, execution.deploy_and_execute(SAFES, SALT, _signed(nothing))))[0][1]
    assert _balance(anvil, SAFE) == 10 * COIN
    others = [address(f"payee {number}") for number in range(3)]
    data = encode_multisend([Call(other, COIN, b"") for other in others])
    batch = SafeTx(to=deployments.MULTI_SEND_CALL_ONLY.address, value=0, data=data, operation=1, nonce=1)
    effect = effect_of(batch, safe=SAFE, network=ANVIL, tokens={})
    assert effect.payments == tuple(Payment(ETHER, other, COIN) for other in others)
    assert _ended(_send(anvil, execution.execute(_signed(batch)))) == [
        (safe_tx_hash(batch, network=ANVIL, safe=SAFE), True)
    ]
    asked = encode_aggregate3(
        [TryCall(deployments.MULTICALL3.address, encode_get_eth_balance(who)) for who in (*others, SAFE)]
    )
    request: dict[str, Any] = {"to": deployments.MULTICALL3.address, "data": "0x" + asked.hex()}
    answer = bytes.fromhex(anvil.rpc("eth_call", request, "latest")[2:])
    assert [uint_result(result) for result in decode_results(answer, expected=4)] == [COIN, COIN, COIN, 7 * COIN]


def test_several_safes_in_one_transaction_fail_alone(anvil: Anvil) -> None:
    first, second = SAFE, SAFES.address(SALT + 1)
    for nonce, safe in ((SALT, first), (SALT + 1, second)):
        anvil.transact(safe, COIN)
        anvil.transact(deployments.PROXY_FACTORY.address, 0, SAFES.create_calldata(nonce))
    good = SafeTx(to=PAYEE, value=COIN, data=b"", nonce=0)
    too_much = SafeTx(to=PAYEE, value=2 * COIN, data=b"", nonce=0)
    logs = _send(anvil, execution.execute_several([_signed(too_much, first), _signed(good, second)]))
    assert _ended(logs) == [(safe_tx_hash(good, network=ANVIL, safe=second), True)]
    assert (_balance(anvil, first), _balance(anvil, second)) == (COIN, 0)


@pytest.mark.parametrize("contract", deployments.PINNED, ids=lambda contract: contract.name)
def test_the_pinned_code_is_the_code_there(anvil: Anvil, contract: deployments.Contract) -> None:
    code = anvil.rpc("eth_getCode", contract.address, "latest")
    if code == "0x":
        assert contract is deployments.SAFE
    else:
        deployments.check_code(contract, keccak(bytes.fromhex(code[2:])))
