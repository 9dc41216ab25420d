"""What a block did, read from a real node: every change of every balance, whichever way the node shows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from custody.chains.ethereum.adapter import EthereumAdapter
from custody.chains.ethereum.answers import read_header
from custody.chains.ethereum.transfers import read_block
from custody.chains.port import Block
from demo.evm.contracts import MULTI_SEND_CALL_ONLY, PROXY_FACTORY
from demo.evm.node import FAUCET
from demo.servers import Anvil
from tests.chains.ethereum.conftest import (
    ETHER,
    NATIVE,
    NO_TRACES,
    Limited,
    adapter_for,
    credited,
    debited,
    newest,
    raw,
    token_id,
)
from tests.support.evm import deploy, deploy_token
from tests.support.safes import CALL, DELEGATECALL, SafeTransaction, make_safe, multi_send

THIRD = "0x" + "77" * 20
OTHER = "0x" + "88" * 20


def changes(block: Block, asset: str) -> dict[bytes, int]:
    """By debits and credits, how each balance changed."""
    found: dict[bytes, int] = {}
    for transaction in block.transactions:
        for credit in transaction.credits:
            if credit.asset == asset:
                found[credit.locator] = found.get(credit.locator, 0) + credit.units
        for debit in transaction.debits:
            if debit.asset == asset:
                assert debit.locator is not None
                found[debit.locator] = found.get(debit.locator, 0) - (debit.units or 0)
    return found


def assert_explains_balances(anvil: Anvil, block: Block) -> None:
    def balance(locator: bytes, height: int) -> int:
        return int(anvil.rpc("eth_getBalance", "0x" + locator.hex(), hex(height)), 16)

    for locator, change in changes(block, NATIVE).items():
        before, after = balance(locator, block.height - 1), balance(locator, block.height)
        assert after - before == change, locator.hex()


def in_one_block(anvil: Anvil, *sends: Callable[[], str]) -> list[dict[str, Any]]:
    """Several transactions mined together; their receipts."""
    with anvil.mining_by_hand():
        sent = [send() for send in sends]
        anvil.mine()
    return [anvil.receipt(txid) for txid in sent]


@pytest.fixture
def everything(anvil: Anvil) -> tuple[Anvil, list[EthereumAdapter]]:
    """A block with ether on all its ways, and adapters that see it through either kind of traces."""
    safe, heir, forwarder = make_safe(anvil), make_safe(anvil), deploy(anvil, "Forwarder")
    destructor, token = deploy(anvil, "SelfDestructor", amount_wei=9), deploy_token(anvil)
    anvil.transact(safe.address, ETHER)
    safe.deploy()
    token.transact("transfer", safe.address, 1_000)
    batch = multi_send(anvil, [(CALL, THIRD, 3, b""), (CALL, token.address, 0, token.calldata("transfer", OTHER, 4))])
    payment = SafeTransaction(MULTI_SEND_CALL_ONLY.address, data=batch, operation=DELEGATECALL)
    gas = 900_000
    receipts = in_one_block(
        anvil,
        lambda: anvil.send(THIRD, 1),
        lambda: anvil.send(forwarder.address, 2, forwarder.calldata("forward", safe.address), gas=gas),
        lambda: anvil.send(forwarder.address, 5, forwarder.calldata("forwardAndUndo", heir.address), gas=gas),
        lambda: anvil.send(destructor.address, 0, destructor.calldata("destroy", heir.address), gas=gas),
        lambda: anvil.send(safe.address, 0, safe.execution(payment), gas=gas),
        lambda: anvil.send(heir.address, 0, safe.execution(payment), gas=gas),
        lambda: anvil.send(PROXY_FACTORY.address, 0, heir.creation(), gas=gas),
        lambda: anvil.send(forwarder.address, 7, b"\x01", gas=gas),
    )
    assert len({receipt["blockHash"] for receipt in receipts}) == 1
    assert [receipt["status"] for receipt in receipts] == ["0x1"] * 7 + ["0x0"]
    trees = Limited(anvil.url, missing=["trace_block", "eth_getBlockReceipts"])
    return anvil, [adapter_for(anvil, token), adapter_for(anvil, token, rpc=trees)]


def test_debits_and_credits_are_the_change_of_every_balance(everything: Any) -> None:
    anvil, (flat, trees) = everything
    block = newest(flat)
    assert block.is_complete
    assert_explains_balances(anvil, block)
    assert len(changes(block, NATIVE)) >= 7
    assert newest(trees) == block


def test_no_two_moves_of_a_transaction_share_a_name(everything: Any) -> None:
    _, (flat, _) = everything
    block = newest(flat)
    for names in (
        [(each.txid, credit.position) for each in block.transactions for credit in each.credits],
        [(debit.txid, debit.position) for each in block.transactions for debit in each.debits],
    ):
        assert len(set(names)) == len(names)
    assert all(credit.units for each in block.transactions for credit in each.credits)


def test_without_traces_a_part_is_told_and_named_the_same(everything: Any) -> None:
    anvil, (flat, _) = everything
    whole = newest(flat)
    part = newest(adapter_for(anvil, rpc=Limited(anvil.url, missing=NO_TRACES)))
    assert not part.is_complete
    assert credited(part, THIRD) == [1]
    seen, told = (
        {(each.txid, credit) for each in block.transactions for credit in each.credits if credit.position % 2}
        for block in (whole, part)
    )
    assert told < seen
    # The Safe speaks for itself: what it received from inside a call, and what it paid by its own signatures.
    (safe,) = {debit.locator for each in part.transactions for debit in each.debits if debit.spend != debit.txid}
    address = "0x" + (safe or b"").hex()
    assert credited(part, address) == credited(whole, address) == [2]
    assert debited(part, address) == debited(whole, address)


def test_without_traces_a_plain_payment_to_a_deployed_safe_counts_once(anvil: Anvil) -> None:
    safe = make_safe(anvil)
    safe.deploy()
    receipt = anvil.transact(safe.address, 5)
    assert len(receipt["logs"]) == 1
    node = adapter_for(anvil, rpc=Limited(anvil.url, missing=NO_TRACES))
    assert credited(newest(node), safe.address) == [5]
    # A second log like it is another payment: an account with code of its own (EIP-7702) can make one.
    raw_block = node._node.block(receipt["blockHash"])
    (once,) = raw_block.receipts
    twice = replace(once, logs=once.logs * 2)
    block = read_block(raw_block.header, [twice], None, native=NATIVE, tokens={})
    assert credited(block, safe.address) == [5, 5]


def test_p005_ether_of_a_failed_transaction_has_not_arrived(anvil: Anvil) -> None:
    rejecter = deploy(anvil, "Rejecter")
    anvil.receipt(anvil.send(rejecter.address, 5, gas=100_000))
    for rpc in (None, Limited(anvil.url, missing=NO_TRACES)):
        block = newest(adapter_for(anvil, rpc=rpc))
        assert credited(block, rejecter.address) == []
        ((paid, _),) = debited(block, FAUCET)
        assert paid < ETHER
    assert_explains_balances(anvil, newest(adapter_for(anvil)))


def test_p006_an_inner_payment_that_is_undone_has_not_arrived(anvil: Anvil) -> None:
    client = make_safe(anvil).address
    forwarder = deploy(anvil, "Forwarder")
    forwarder.transact("forwardAndUndo", client, amount_wei=5, gas=200_000)
    assert credited(newest(adapter_for(anvil)), client) == []
    relayed = forwarder.calldata("relay", deploy(anvil, "Rejecter").address, b"")
    anvil.receipt(anvil.send(forwarder.address, 5, relayed, gas=200_000))
    assert credited(newest(adapter_for(anvil)), client) == []
    assert_explains_balances(anvil, newest(adapter_for(anvil)))


@pytest.mark.parametrize("way", ["forward", "destroy", "birth", "many"])
def test_p007_an_inner_payment_arrives_once(anvil: Anvil, way: str) -> None:
    client = make_safe(anvil).address
    if way == "birth":
        deploy(anvil, "SelfDestructorAtBirth", client, amount_wei=5)
    elif way == "destroy":
        deploy(anvil, "SelfDestructor", amount_wei=5).transact("destroy", client)
    elif way == "many":
        deploy(anvil, "Forwarder").transact("forwardToMany", [client, client], [2, 3], amount_wei=5)
    else:
        deploy(anvil, "Forwarder").transact("forward", client, amount_wei=5)
    block = newest(adapter_for(anvil))
    assert credited(block, client) == ([2, 3] if way == "many" else [5])
    assert_explains_balances(anvil, block)


def test_p008_each_log_is_a_credit_of_its_own_however_often_it_is_read(anvil: Anvil) -> None:
    token = deploy_token(anvil)

    def send(to: str, units: int) -> Callable[[], str]:
        return lambda: anvil.send(token.address, data=token.calldata("transfer", to, units), gas=100_000)

    in_one_block(anvil, send(THIRD, 1), send(THIRD, 1), send(OTHER, 2))
    node = adapter_for(anvil, token)
    blocks = [newest(node) for _ in range(5)]
    assert all(block == blocks[0] for block in blocks)
    assert credited(blocks[0], THIRD, token_id(token)) == [1, 1]
    assert credited(blocks[0], OTHER, token_id(token)) == [2]


def test_p003_a_token_nobody_registered_shows_nothing(anvil: Anvil) -> None:
    registered, unknown = deploy_token(anvil), deploy_token(anvil)
    unknown.transact("transfer", THIRD, 5)
    block = newest(adapter_for(anvil, registered))
    assert {credit.asset for each in block.transactions for credit in each.credits} == {NATIVE}
    assert raw(THIRD) not in {credit.locator for each in block.transactions for credit in each.credits}


def test_p009_a_transfer_of_nothing_is_left_out(anvil: Anvil) -> None:
    token = deploy_token(anvil)
    token.transact("transferFrom", OTHER, THIRD, 0)
    block = newest(adapter_for(anvil, token))
    assert credited(block, THIRD, token_id(token)) == []
    assert debited(block, OTHER, token_id(token)) == []


def test_p010_a_payment_that_is_mined_again_elsewhere_keeps_its_name(anvil: Anvil) -> None:
    token = deploy_token(anvil)
    node = adapter_for(anvil, token)
    receipt = token.transact("transfer", THIRD, 5)
    first = node.block(receipt["blockHash"])
    (before,) = [each for each in first.transactions if each.txid == receipt["transactionHash"]]
    anvil.mine(2)
    anvil.reorg(3)
    gone = node.block(node.block_hash(first.height) or "")
    assert credited(gone, THIRD, token_id(token)) == []
    # The same sender, nonce and content: the same transaction, in another place of another block.
    filler, again = in_one_block(
        anvil,
        lambda: anvil.send(OTHER, 1, sender=anvil.open_account("0x" + "99" * 20), gas=21_000),
        lambda: anvil.send(
            token.address, data=token.calldata("transfer", THIRD, 5), gas=int(receipt["gasUsed"], 16) * 3
        ),
    )
    second = node.block(again["blockHash"])
    (after,) = [each for each in second.transactions if each.txid == again["transactionHash"]]
    assert again["blockHash"] == filler["blockHash"] != receipt["blockHash"]
    assert [credit.position for credit in after.credits] == [credit.position for credit in before.credits]
    assert credited(second, THIRD, token_id(token)) == [5]


def test_a_payment_of_a_safe_is_its_spend_whoever_relays_it(anvil: Anvil) -> None:
    safe, token = make_safe(anvil), deploy_token(anvil)
    anvil.transact(safe.address, ETHER)
    token.transact("transfer", safe.address, 100)
    safe.deploy()
    node = adapter_for(anvil, token)
    forwarder = deploy(anvil, "Forwarder")
    ether = SafeTransaction(THIRD, 7)
    spend = "0x" + safe.hash(ether).hex()
    receipt = forwarder.transact("relay", safe.address, safe.execution(ether))
    block = node.block(receipt["blockHash"])
    assert debited(block, safe.address) == [(7, spend)]
    (relayed,) = [each for each in block.transactions if each.txid == receipt["transactionHash"]]
    assert [(each.spend, each.locator, each.succeeded) for each in relayed.outcomes] == [
        (spend, raw(safe.address), True)
    ]
    assert raw(safe.address) in relayed.touched
    transfer = SafeTransaction(token.address, data=token.calldata("transfer", THIRD, 9), nonce=1)
    block = node.block(safe.execute(transfer)["blockHash"])
    assert debited(block, safe.address, token_id(token)) == [(9, "0x" + safe.hash(transfer).hex())]


def test_two_executions_in_one_transaction_are_told_apart(anvil: Anvil) -> None:
    safe, token, module = make_safe(anvil), deploy_token(anvil), deploy(anvil, "OpenModule")
    anvil.transact(safe.address, ETHER)
    token.transact("transfer", safe.address, 100)
    safe.deploy()
    safe.execute(SafeTransaction(safe.address, data=safe.contract.calldata("enableModule", module.address)))
    first = SafeTransaction(THIRD, 7, nonce=1)
    second = SafeTransaction(token.address, data=token.calldata("transfer", OTHER, 9), nonce=2)
    third = SafeTransaction(THIRD, 8, nonce=3)
    calls = [
        (CALL, make_safe(anvil).address, 0, safe.execution(first)),
        (CALL, safe.address, 0, safe.execution(first)),
        (CALL, module.address, 0, module.calldata("take", safe.address, OTHER, 11)),
        (CALL, safe.address, 0, safe.execution(second)),
        (CALL, safe.address, 0, safe.execution(third)),
    ]
    receipt = anvil.transact(MULTI_SEND_CALL_ONLY.address, data=multi_send(anvil, calls))
    spends = ["0x" + safe.hash(each).hex() for each in (first, second, third)]
    for rpc in (Limited(anvil.url), Limited(anvil.url, missing=["trace_block"])):
        block = adapter_for(anvil, token, rpc=rpc).block(receipt["blockHash"])
        # What a module took is no spend of ours, in whatever company.
        assert debited(block, safe.address) == [(7, spends[0]), (11, receipt["transactionHash"]), (8, spends[2])]
        assert debited(block, safe.address, token_id(token)) == [(9, spends[1])]


def test_a_safe_called_before_it_is_there_has_executed_once(anvil: Anvil) -> None:
    safe = make_safe(anvil)
    anvil.transact(safe.address, ETHER)
    payment = SafeTransaction(THIRD, 7)
    calls = [
        (CALL, safe.address, 0, safe.execution(payment)),
        (CALL, PROXY_FACTORY.address, 0, safe.creation()),
        (CALL, safe.address, 0, safe.execution(payment)),
    ]
    receipt = anvil.transact(MULTI_SEND_CALL_ONLY.address, data=multi_send(anvil, calls))
    block = adapter_for(anvil).block(receipt["blockHash"])
    assert debited(block, safe.address) == [(7, "0x" + safe.hash(payment).hex())]


def test_what_one_safe_makes_another_pay_is_no_spend_of_either(anvil: Anvil) -> None:
    safe, other, module = make_safe(anvil), make_safe(anvil), deploy(anvil, "OpenModule")
    for each in (safe, other):
        anvil.transact(each.address, ETHER)
        each.deploy()
    other.execute(SafeTransaction(other.address, data=other.contract.calldata("enableModule", module.address)))
    take = SafeTransaction(module.address, data=module.calldata("take", other.address, THIRD, 7))
    receipt = safe.execute(take)
    block = adapter_for(anvil).block(receipt["blockHash"])
    assert debited(block, other.address) == [(7, receipt["transactionHash"])]


@pytest.mark.parametrize("in_token", [False, True])
def test_a_refund_of_a_failed_execution_is_no_spend(anvil: Anvil, in_token: bool) -> None:
    safe, rejecter, token = make_safe(anvil), deploy(anvil, "Rejecter"), deploy_token(anvil)
    anvil.transact(safe.address, ETHER)
    token.transact("transfer", safe.address, 10**18)
    safe.deploy()
    refund = {"gas_price": 1, "refund_receiver": OTHER} | ({"gas_token": token.address} if in_token else {})
    failing = SafeTransaction(rejecter.address, 5, safe_tx_gas=100_000, base_gas=50_000, **refund)
    receipt = safe.execute(failing, gas=500_000)
    block = adapter_for(anvil, token).block(receipt["blockHash"])
    ((units, spend),) = debited(block, safe.address, token_id(token) if in_token else NATIVE)
    assert units > 50_000
    assert spend == receipt["transactionHash"]
    assert [each.succeeded for transaction in block.transactions for each in transaction.outcomes] == [False]


def test_one_execution_inside_another_is_told_apart(anvil: Anvil) -> None:
    safe, token, forwarder = make_safe(anvil), deploy_token(anvil), deploy(anvil, "Forwarder")
    anvil.transact(safe.address, ETHER)
    token.transact("transfer", safe.address, 100)
    safe.deploy()
    inner = SafeTransaction(token.address, data=token.calldata("transfer", OTHER, 9), nonce=1)
    relay = forwarder.calldata("relay", safe.address, safe.execution(inner))
    calls = [
        (CALL, token.address, 0, token.calldata("transfer", THIRD, 3)),
        (CALL, forwarder.address, 0, relay),
        (CALL, THIRD, 5, b""),
    ]
    outer = SafeTransaction(MULTI_SEND_CALL_ONLY.address, data=multi_send(anvil, calls), operation=DELEGATECALL)
    block = adapter_for(anvil, token).block(safe.execute(outer)["blockHash"])
    outside, inside = ("0x" + safe.hash(each).hex() for each in (outer, inner))
    assert debited(block, safe.address, token_id(token)) == [(3, outside), (9, inside)]
    assert debited(block, safe.address) == [(5, outside)]


def test_p038_a_failed_execution_is_an_outcome_and_no_payment(anvil: Anvil) -> None:
    safe, rejecter = make_safe(anvil), deploy(anvil, "Rejecter")
    anvil.transact(safe.address, ETHER)
    safe.deploy()
    failing = SafeTransaction(rejecter.address, 5, safe_tx_gas=100_000)
    receipt = safe.execute(failing, gas=500_000)
    assert receipt["status"] == "0x1"
    node = adapter_for(anvil)
    (transaction,) = [each for each in newest(node).transactions if not each.coinbase]
    assert [(each.spend, each.succeeded) for each in transaction.outcomes] == [("0x" + safe.hash(failing).hex(), False)]
    assert debited(newest(node), safe.address) == []


def test_p038_a_call_of_a_safe_that_is_not_there_is_no_outcome(anvil: Anvil) -> None:
    safe = make_safe(anvil)
    anvil.transact(safe.address, ETHER)
    assert safe.execute(SafeTransaction(THIRD, 5))["status"] == "0x1"
    block = newest(adapter_for(anvil))
    assert [each.outcomes for each in block.transactions if not each.coinbase] == [()]
    assert debited(block, safe.address) == []


def test_an_event_of_another_contract_speaks_for_nobody_else(anvil: Anvil) -> None:
    safe, forger = make_safe(anvil), deploy(anvil, "LogForger")
    anvil.transact(safe.address, ETHER)
    safe.deploy()
    wanted = safe.hash(SafeTransaction(THIRD, 5))
    forger.transact("success", wanted)
    for rpc in (None, Limited(anvil.url, missing=NO_TRACES)):
        (transaction,) = [each for each in newest(adapter_for(anvil, rpc=rpc)).transactions if not each.coinbase]
        assert {each.locator for each in transaction.outcomes} == {raw(forger.address)}
    forger.transact("received", THIRD, 10**20)
    block = newest(adapter_for(anvil, rpc=Limited(anvil.url, missing=NO_TRACES)))
    assert credited(block, safe.address) == []


def test_outcomes_are_found_again_over_a_range_however_small_the_nodes_limits(anvil: Anvil) -> None:
    class Narrow(Limited):
        """Answers for three blocks at once and no more."""

        def call(self, method, *params, timeout_seconds=None):
            if method == "eth_getLogs":
                spread = int(params[0]["toBlock"], 16) - int(params[0]["fromBlock"], 16)
                self.refusing = {"eth_getLogs": "query exceeds max block range"} if spread >= 3 else {}
            return super().call(method, *params, timeout_seconds=timeout_seconds)

    safe = make_safe(anvil)
    anvil.transact(safe.address, ETHER)
    safe.deploy()
    first = anvil.height()
    paid, unpaid = SafeTransaction(THIRD, 5), SafeTransaction(THIRD, 6, nonce=1)
    anvil.mine(20)
    receipt = safe.execute(paid)
    anvil.mine(20)
    wanted = ["0x" + safe.hash(each).hex() for each in (paid, unpaid)]
    for rpc in (Limited(anvil.url), Narrow(anvil.url)):
        found = adapter_for(anvil, rpc=rpc).outcomes(wanted, first=first, last=anvil.height())
        ((spend, (height, block_hash, outcome)),) = found.items()
        assert (spend, block_hash, outcome.succeeded) == (wanted[0], receipt["blockHash"], True)
        assert (height, outcome.locator) == (int(receipt["blockNumber"], 16), raw(safe.address))


def test_withdrawals_of_the_beacon_chain_and_tips_are_the_blocks() -> None:
    header = read_header(
        {
            "number": "0x7",
            "hash": "0x" + "aa" * 32,
            "parentHash": "0x" + "bb" * 32,
            "timestamp": "0x10",
            "miner": OTHER,
            "baseFeePerGas": "0x7",
            "transactions": [],
            "withdrawals": [
                {"index": "0x1", "validatorIndex": "0x2", "address": THIRD, "amount": amount}
                for amount in ("0x0", "0x3", "0x3")
            ],
        }
    )
    block = read_block(header, [], {}, native=NATIVE, tokens={})
    (brought,) = block.transactions
    assert (brought.txid, brought.coinbase, brought.debits) == ("0x" + "aa" * 32, True, ())
    assert [(credit.position, credit.units) for credit in brought.credits] == [(2, 3 * 10**9), (3, 3 * 10**9)]


def test_p001_a_transfer_that_answered_false_has_moved_nothing(anvil: Anvil) -> None:
    token = deploy_token(anvil, "FalseToken")
    token.transact("transfer", THIRD, 5)
    block = newest(adapter_for(anvil, token))
    assert credited(block, THIRD, token_id(token)) == []
