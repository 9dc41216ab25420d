"""The Ethereum node keeps its chain, holds no key, and mines when it is told to."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from eth_utils.address import to_checksum_address

from demo.evm.node import FAUCET
from demo.servers import Anvil, NodeRefused, ServerFailed
from tests.support.processes import arguments_of, listening_addresses

SOMEBODY = "0x" + "33" * 20


@pytest.fixture
def node(home: Path) -> Iterator[Anvil]:
    anvil = Anvil(home)
    anvil.start()
    yield anvil
    anvil.stop()


@pytest.mark.parametrize("interruption", ["stop", "kill", "restart"])
def test_keeps_blocks_receipts_and_old_balances(node: Anvil, interruption: str) -> None:
    first = node.transact(SOMEBODY, 5)
    node.transact(SOMEBODY, 6)
    tip = node.rpc("eth_getBlockByNumber", "latest", False)["hash"]
    getattr(node, interruption)()
    node.start()
    assert node.rpc("eth_getBlockByNumber", "latest", False)["hash"] == tip
    assert node.receipt(first["transactionHash"])["blockHash"] == first["blockHash"]
    assert node.rpc("eth_getBalance", SOMEBODY, first["blockNumber"]) == "0x5"
    node.transact(SOMEBODY, 1)
    assert node.balance_wei(SOMEBODY) == 12


def test_a_power_cut_can_lose_what_was_not_written(node: Anvil) -> None:
    node.transact(SOMEBODY, 5)
    node.restart()
    node.transact(SOMEBODY, 6)
    node.kill(keep_chain=False)
    assert not node.is_ready()
    node.start()
    assert node.balance_wei(SOMEBODY) == 5


def test_listens_on_loopback_only(node: Anvil) -> None:
    assert listening_addresses(node.port) == {"127.0.0.1"}


def test_no_account_of_it_has_a_key(node: Anvil) -> None:
    assert "--accounts 0" in arguments_of(node.pid)
    assert "Private Keys" not in node.log.read_text()
    digest = hashlib.sha256(b"custody demo faucet").digest()
    assert to_checksum_address(digest[-20:]) == FAUCET
    assert set(node.rpc("eth_accounts")) <= {FAUCET.lower(), FAUCET}


def test_sends_only_from_accounts_that_were_opened(node: Anvil) -> None:
    with pytest.raises(NodeRefused, match="No Signer available"):
        node.send(FAUCET, 1, sender=SOMEBODY)
    node.transact(FAUCET, 1, sender=node.open_account(SOMEBODY))


def test_speaks_for_the_chain_it_is_asked_for(anvil_factory: Callable[..., Anvil]) -> None:
    assert anvil_factory(chain_id=11155111).rpc("eth_chainId") == hex(11155111)


def test_mines_each_transaction_at_once_or_when_told(node: Anvil) -> None:
    node.transact(SOMEBODY, 1)
    with node.mining_by_hand():
        sent = [node.send(SOMEBODY, 1), node.send(SOMEBODY, 1)]
        assert node.rpc("eth_getTransactionReceipt", sent[0]) is None
        height = node.mine()
        assert {node.receipt(each)["blockNumber"] for each in sent} == {hex(height)}
        last = node.send(SOMEBODY, 1)
    assert node.receipt(last)["blockNumber"] == hex(height + 1)
    assert int(node.receipt(node.send(SOMEBODY, 1))["blockNumber"], 16) == height + 2


def test_comes_back_to_a_snapshot_once(node: Anvil) -> None:
    remembered = node.snapshot()
    node.transact(SOMEBODY, 1)
    node.revert(remembered)
    assert node.balance_wei(SOMEBODY) == 0
    with pytest.raises(ServerFailed, match="the snapshot is gone"):
        node.revert(remembered)


def test_refuses_what_would_fail_and_reports_what_failed(node: Anvil) -> None:
    forever = bytes.fromhex("5b600056")
    with pytest.raises(NodeRefused):
        node.send(None, data=forever)
    with pytest.raises(ServerFailed, match="failed"):
        node.transact(None, data=forever, gas=100_000)


def test_says_what_the_node_said(node: Anvil) -> None:
    with pytest.raises(NodeRefused, match="anvil: ") as refusal:
        node.rpc("eth_noSuchThing")
    assert refusal.value.number == -32601


def test_each_test_has_a_chain_of_its_own(anvil: Anvil, anvil_factory: Callable[..., Anvil]) -> None:
    anvil.transact(SOMEBODY, 5)
    assert anvil_factory().balance_wei(SOMEBODY) == 0
