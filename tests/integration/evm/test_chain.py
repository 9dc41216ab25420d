"""Safes, deposits that leave no log, reorganisations: the chain does what mainnet does; safe-eth-py is the oracle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from eth_account import Account

from demo.bitcoind import NodeRefused
from demo.evm.contracts import MULTI_SEND_CALL_ONLY, PROXY_FACTORY, SAFE_L2
from demo.evm.node import FAUCET
from demo.servers import Anvil
from tests.support.evm import deploy
from tests.support.safes import CALL, DELEGATECALL, SafeTransaction, make_safe, multi_send

ETHER = 10**18
SOMEBODY = "0x" + "33" * 20


def has_code(anvil: Anvil, address: str) -> bool:
    return bool(anvil.rpc("eth_getCode", address, "latest") != "0x")


def test_a_safe_is_made_at_the_address_that_was_predicted(anvil: Anvil) -> None:
    from safe_eth.eth import EthereumClient
    from safe_eth.safe import ProxyFactory
    from safe_eth.safe import Safe as TheirSafe

    safe = make_safe(anvil, salt_nonce=7)
    client = EthereumClient(anvil.url)
    factory = ProxyFactory(PROXY_FACTORY.address, client, version="1.4.1")
    assert factory.calculate_proxy_address(SAFE_L2.address, safe.initializer, 7) == safe.address
    assert not has_code(anvil, safe.address)
    safe.deploy()
    found = TheirSafe(safe.address, client).retrieve_all_info()
    assert (found.version, found.threshold, found.nonce) == ("1.4.1", 2, 0)
    assert set(found.owners) == {owner.address for owner in safe.owners}
    assert (found.master_copy, found.modules) == (SAFE_L2.address, [])


def test_owners_sign_what_safe_eth_py_and_the_contract_would_have_them_sign(anvil: Anvil) -> None:
    from safe_eth.eth import EthereumClient
    from safe_eth.safe import SafeTx

    safe = make_safe(anvil)
    transaction = SafeTransaction(SOMEBODY, ETHER, b"\x01\x02", nonce=3)
    theirs = SafeTx(
        EthereumClient(anvil.url),
        safe.address,
        *transaction.values()[:-1],
        safe_nonce=3,
        safe_version="1.4.1",
        chain_id=anvil.chain_id,
    )
    assert safe.hash(transaction) == bytes(theirs.safe_tx_hash)
    safe.deploy()
    assert safe.hash(transaction) == safe.contract.call("getTransactionHash", *transaction.values())


def test_two_signatures_pay(anvil: Anvil) -> None:
    safe = make_safe(anvil)
    anvil.transact(safe.address, 2 * ETHER)
    safe.deploy()
    payment = SafeTransaction(SOMEBODY, ETHER)
    receipt = safe.execute(payment)
    assert anvil.balance_wei(SOMEBODY) == ETHER
    assert anvil.balance_wei(safe.address) == ETHER
    assert [log["txHash"] for log in safe.contract.logs(receipt, "ExecutionSuccess")] == [safe.hash(payment)]
    assert safe.contract.call("nonce") == 1


def test_too_few_strangers_and_old_nonces_do_not(anvil: Anvil) -> None:
    safe = make_safe(anvil)
    anvil.transact(safe.address, ETHER)
    safe.deploy()
    payment = SafeTransaction(SOMEBODY, 1)
    stranger = Account.create()
    for signatures, reason in (
        (safe.sign(payment, safe.owners[:1]), "GS020"),
        (safe.sign(payment, [safe.owners[0], stranger]), "GS026"),
        (safe.sign(replace(payment, nonce=1)), "GS026"),
    ):
        with pytest.raises(NodeRefused, match=reason):
            safe.execute(payment, signatures)
    assert anvil.balance_wei(SOMEBODY) == 0


def test_an_inner_failure_undoes_the_whole_transaction_and_leaves_the_nonce(anvil: Anvil) -> None:
    safe = make_safe(anvil)
    safe.deploy()
    receipt = anvil.receipt(safe_send(anvil, safe.execution(SafeTransaction(SOMEBODY, ETHER)), safe.address))
    assert receipt["status"] == "0x0"
    assert safe.contract.call("nonce") == 0


def test_deployment_and_payment_go_in_one_transaction_and_fail_as_one(anvil: Anvil) -> None:
    safe = make_safe(anvil)
    anvil.transact(safe.address, ETHER)
    both = multi_send(
        anvil,
        [
            (CALL, PROXY_FACTORY.address, 0, safe.creation()),
            (CALL, safe.address, 0, safe.execution(SafeTransaction(SOMEBODY, ETHER))),
        ],
    )
    safe.deploy()
    with pytest.raises(NodeRefused):
        anvil.transact(MULTI_SEND_CALL_ONLY.address, data=both)
    assert anvil.balance_wei(SOMEBODY) == 0


def test_a_call_to_a_safe_that_is_not_there_succeeds_and_pays_nothing(anvil: Anvil) -> None:
    safe = make_safe(anvil)
    anvil.transact(safe.address, ETHER)
    assert safe.execute(SafeTransaction(SOMEBODY, ETHER))["status"] == "0x1"
    assert anvil.balance_wei(SOMEBODY) == 0


def test_a_withdrawal_of_the_block_shows_in_the_balance_only(anvil: Anvil) -> None:
    safe = make_safe(anvil)
    anvil.credit(safe.address, 5)
    anvil.credit(safe.address, 6)
    anvil.mine()
    assert anvil.balance_wei(safe.address) == 11
    assert mentions(anvil, safe.address) == {"transactions": False, "logs": False, "traces": False}


def test_an_internal_transfer_shows_in_balance_and_trace(anvil: Anvil) -> None:
    safe, forwarder = make_safe(anvil), deploy(anvil, "Forwarder")
    anvil.transact(forwarder.address, data=forwarder.calldata("forward", safe.address), amount_wei=5)
    assert anvil.balance_wei(safe.address) == 5
    assert mentions(anvil, safe.address)["logs"] is False
    assert mentions(anvil, safe.address)["traces"] is True


@pytest.mark.parametrize("way", ["destroy", "birth"])
def test_a_self_destruction_leaves_its_ether_without_a_log(anvil: Anvil, way: str) -> None:
    heir = make_safe(anvil).address
    if way == "birth":
        deploy(anvil, "SelfDestructorAtBirth", heir, amount_wei=5)
    else:
        deploy(anvil, "SelfDestructor", amount_wei=5).transact("destroy", heir)
    assert anvil.balance_wei(heir) == 5
    assert mentions(anvil, heir)["logs"] is False
    (end,) = [trace for trace in anvil.rpc("trace_block", hex(anvil.height())) if trace["type"] == "suicide"]
    assert (end["action"]["refundAddress"], end["action"]["balance"]) == (heir.lower(), "0x5")


def test_an_undone_inner_payment_is_traced_and_has_not_arrived(anvil: Anvil) -> None:
    heir = make_safe(anvil).address
    receipt = deploy(anvil, "Forwarder").transact("forwardAndUndo", heir, amount_wei=5, gas=200_000)
    assert receipt["status"] == "0x1"
    assert anvil.balance_wei(heir) == 0
    # The failure is told at the call above the payment; the payment itself looks as good as any.
    traces = {tuple(trace["traceAddress"]): trace for trace in anvil.rpc("trace_block", receipt["blockNumber"])}
    assert traces[0, 0]["action"]["to"] == heir.lower()
    assert [bool(traces[place].get("error")) for place in ((), (0,), (0, 0))] == [False, True, False]


def test_an_old_fashioned_transfer_reaches_a_safe_only_before_it_is_deployed(anvil: Anvil) -> None:
    safe, forwarder = make_safe(anvil), deploy(anvil, "Forwarder")
    forwarder.transact("forwardByTransfer", safe.address, amount_wei=5)
    safe.deploy()
    with pytest.raises(NodeRefused):
        forwarder.transact("forwardByTransfer", safe.address, amount_wei=5)
    assert anvil.balance_wei(safe.address) == 5


def test_a_deployed_safe_says_what_it_received(anvil: Anvil) -> None:
    safe, forwarder = make_safe(anvil), deploy(anvil, "Forwarder")
    safe.deploy()
    receipt = forwarder.transact("forward", safe.address, amount_wei=5)
    logs = safe.contract.logs(receipt, "SafeReceived")
    assert logs == [{"sender": forwarder.address.lower(), "value": 5}]


def test_traces_of_a_block_are_answered(anvil: Anvil) -> None:
    receipt = anvil.transact(SOMEBODY, 5)
    (trace,) = anvil.rpc("trace_block", receipt["blockNumber"])
    assert trace["action"]["to"] == SOMEBODY
    assert trace["action"]["value"] == "0x5"


def test_a_reorganisation_drops_a_transaction_for_good(anvil: Anvil) -> None:
    receipt = anvil.transact(SOMEBODY, 5)
    anvil.mine(2)
    height = anvil.height()
    old = anvil.rpc("eth_getBlockByNumber", receipt["blockNumber"], False)["hash"]
    rivals = anvil.reorg(3)
    assert anvil.height() == height
    assert rivals[0] == anvil.rpc("eth_getBlockByNumber", receipt["blockNumber"], False)["hash"] != old
    assert anvil.rpc("eth_getTransactionReceipt", receipt["transactionHash"]) is None
    assert anvil.rpc("txpool_status") == {"pending": "0x0", "queued": "0x0"}
    assert anvil.balance_wei(SOMEBODY) == 0


def test_a_reorganisation_can_carry_a_transaction_over(anvil: Anvil) -> None:
    raw = signed_payment(anvil, 5)
    sent = anvil.rpc("eth_sendRawTransaction", raw)
    first = int(anvil.receipt(sent)["blockNumber"], 16)
    anvil.mine()
    anvil.reorg(2, transactions=[(raw, 1)])
    assert int(anvil.receipt(sent)["blockNumber"], 16) == first + 1
    assert anvil.balance_wei(SOMEBODY) == 5


def test_finality_follows_the_tip(anvil: Anvil) -> None:
    height = anvil.mine(10)
    numbers = [int(anvil.rpc("eth_getBlockByNumber", tag, False)["number"], 16) for tag in ("safe", "finalized")]
    assert numbers == [height - 1, height - 2]


def test_two_providers_of_one_chain_can_part(anvil: Anvil, anvil_factory: Callable[..., Anvil]) -> None:
    receipt = anvil.transact(SOMEBODY, 5)
    other = anvil_factory(chain=anvil.dump())
    block = anvil.rpc("eth_getBlockByNumber", receipt["blockNumber"], False)
    assert other.rpc("eth_getBlockByNumber", receipt["blockNumber"], False)["hash"] == block["hash"]
    other.transact(SOMEBODY, 1)
    assert (anvil.balance_wei(SOMEBODY), other.balance_wei(SOMEBODY)) == (5, 6)


def test_a_batch_pays_by_delegatecall_to_the_pinned_contract_only(anvil: Anvil) -> None:
    safe = make_safe(anvil)
    anvil.transact(safe.address, ETHER)
    safe.deploy()
    data = multi_send(anvil, [(CALL, SOMEBODY, 2, b""), (CALL, "0x" + "44" * 20, 3, b"")])
    safe.execute(SafeTransaction(MULTI_SEND_CALL_ONLY.address, data=data, operation=DELEGATECALL))
    assert anvil.balance_wei(SOMEBODY) == 2
    assert anvil.balance_wei("0x" + "44" * 20) == 3


def mentions(anvil: Anvil, address: str) -> dict[str, bool]:
    """Where an address is seen in all of the chain: as a sender or recipient, behind a log, in a trace."""
    seen = {"transactions": False, "logs": False, "traces": False}
    address = address.lower()
    seen["logs"] = bool(anvil.rpc("eth_getLogs", {"fromBlock": "0x0", "toBlock": "latest", "address": address}))
    for number in range(1, anvil.height() + 1):
        block = anvil.rpc("eth_getBlockByNumber", hex(number), True)
        seen["transactions"] |= any(address in (entry["from"], entry["to"]) for entry in block["transactions"])
        for trace in anvil.rpc("trace_block", hex(number)):
            action: dict[str, Any] = trace["action"]
            seen["traces"] |= address in (action.get("to"), action.get("refundAddress"))
    return seen


def safe_send(anvil: Anvil, data: bytes, to: str) -> str:
    """Send without an estimate, which would find the failure first."""
    return anvil.send(to, data=data, sender=FAUCET, gas=300_000)


def signed_payment(anvil: Anvil, amount_wei: int) -> str:
    account = Account.create()
    anvil.transact(account.address, ETHER)
    payment = {
        "to": SOMEBODY,
        "value": amount_wei,
        "nonce": 0,
        "gas": 21_000,
        "chainId": anvil.chain_id,
        "maxFeePerGas": 10**10,
        "maxPriorityFeePerGas": 10**9,
    }
    return f"0x{account.sign_transaction(payment).raw_transaction.hex()}"
