"""The node keeps its chain, answers to its password alone, and does to a chain what tests ask of it."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from demo.servers import Bitcoind, NodeRefused, btc, sat
from tests.support.processes import arguments_of, listening_addresses, wait_until


@pytest.fixture
def node(home: Path) -> Iterator[Bitcoind]:
    bitcoind = Bitcoind(home)
    bitcoind.start()
    yield bitcoind
    bitcoind.stop()


@pytest.mark.parametrize("interruption", ["stop", "kill", "restart"])
def test_keeps_chain_and_wallets(node: Bitcoind, interruption: str) -> None:
    tip = node.mine(3)[-1]
    getattr(node, interruption)()
    node.start()
    assert node.rpc("getbestblockhash") == tip
    assert node.rpc("listwallets") == ["faucet"]


def test_is_not_ready_while_it_is_down(node: Bitcoind) -> None:
    assert node.is_ready()
    node.kill()
    assert not node.is_ready()


def test_listens_on_loopback_only(node: Bitcoind) -> None:
    for port in (node.port, node.zmq_port):
        assert listening_addresses(port) == {"127.0.0.1"}


def test_shows_its_password_to_nobody(node: Bitcoind, home: Path) -> None:
    password = node.url.split(":")[2].split("@")[0]
    assert password not in arguments_of(node.pid)
    assert password not in node.log.read_text()
    assert stat.S_IMODE((home / "bitcoind" / "bitcoin.conf").stat().st_mode) == 0o600


def test_keeps_no_transaction_index(node: Bitcoind) -> None:
    assert node.rpc("getindexinfo") == {}


def test_a_reorg_takes_a_payment_out_and_lets_it_come_back(chain: Bitcoind) -> None:
    txid = chain.send(chain.wallet("elsewhere").new_address(), 70_000, fee_rate_sat_vb=2)
    first = chain.mine()[0]
    assert txid in chain.rpc("getblock", first)["tx"]
    height = chain.rpc("getblockcount")
    rivals = chain.reorg(1)
    assert chain.rpc("getblockcount") == height + 1
    assert chain.rpc("getbestblockhash") == rivals[-1]
    assert txid in chain.rpc("getrawmempool")
    assert txid in chain.rpc("getblock", chain.mine()[0])["tx"]


def test_a_reorg_of_many_blocks_takes_the_rivals_it_is_told(chain: Bitcoind) -> None:
    height = chain.rpc("getblockcount")
    old = chain.mine(3)
    new = chain.reorg(3, rivals=5)
    assert len(new) == 5
    assert not set(old) & set(new)
    assert chain.rpc("getblockcount") == height + 5


def test_mines_exactly_the_transactions_named(chain: Bitcoind) -> None:
    wanted = chain.send(chain.wallet("elsewhere").new_address(), 60_000)
    left = chain.send(chain.wallet("elsewhere").new_address(), 61_000)
    block = chain.rpc("getblock", chain.mine_only([wanted]))
    assert block["tx"][1:] == [wanted]
    assert left in chain.rpc("getrawmempool")
    chain.mine()


def test_the_faucet_can_pay_often_without_a_block(chain: Bitcoind) -> None:
    address = chain.wallet("elsewhere").new_address()
    sent = {chain.send(address, 10_000 + number) for number in range(30)}
    assert set(chain.rpc("getblock", chain.mine()[0])["tx"]) >= sent


def test_speaks_the_network_it_is_asked_for(chain: Bitcoind, node_factory: Callable[..., Bitcoind]) -> None:
    assert chain.rpc("getblockchaininfo")["chain"] == "regtest"
    stranger = node_factory(network="signet")
    assert stranger.rpc("getblockchaininfo")["chain"] == "signet"
    assert stranger.rpc("getblockhash", 0) != chain.rpc("getblockhash", 0)


def test_two_nodes_can_be_made_peers(node_factory: Callable[..., Bitcoind]) -> None:
    first, second = node_factory(listen=True), node_factory()
    second.rpc("addnode", f"127.0.0.1:{first.peer_port}", "add")
    tip = first.mine(2)[-1]
    wait_until(lambda: bool(second.rpc("getbestblockhash") == tip), seconds=60)
    assert first.peer_port is not None
    assert listening_addresses(first.peer_port) == {"127.0.0.1"}


def test_says_what_the_node_said(chain: Bitcoind) -> None:
    with pytest.raises(NodeRefused, match="Block height out of range") as refusal:
        chain.rpc("getblockhash", 10_000_000)
    assert refusal.value.number == -8


def test_a_wrong_password_is_refused(node: Bitcoind) -> None:
    node._password = "00"
    with pytest.raises(NodeRefused) as refusal:
        node.is_ready()
    assert refusal.value.number == -401


@pytest.mark.parametrize("amount_sat", [0, 1, 546, 99_999_999, 100_000_000, 2_100_000_000_000_000])
def test_amounts_survive_the_way_to_the_node_and_back(amount_sat: int) -> None:
    assert sat(Decimal(btc(amount_sat))) == amount_sat
