"""Fixtures for tests of the Bitcoin adapter on a real node."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator

import pytest

from custody.chains.bitcoin.adapter import BitcoinAdapter
from custody.chains.bitcoin.offline.network import network
from custody.chains.bitcoin.rpc import Rpc
from demo.bitcoind import FAUCET, Bitcoind, btc
from tests.chains.bitcoin.wire import ForgetfulProxy

ASSET = network("regtest").asset.id


def adapter_for(url: str, *, timeout_seconds: float = 30.0, name: str = "regtest") -> BitcoinAdapter:
    return BitcoinAdapter(Rpc(url, timeout_seconds=timeout_seconds), network=network(name))


class BitcoinDriver:
    """The faucet of a regtest node."""

    def __init__(self, bitcoind: Bitcoind) -> None:
        self.bitcoind = bitcoind
        self.node = adapter_for(bitcoind.url)
        self.asset = ASSET
        self.remembers_lost_blocks = True
        self._scripts = itertools.count()
        self._salt = os.urandom(16).hex()

    def new_locator(self) -> bytes:
        """A P2WSH of random bytes: nobody can spend it."""
        return bytes.fromhex("0020" + self._salt + f"{next(self._scripts):032x}")

    def pay(self, locator: bytes, units: int) -> str:
        address = self.bitcoind.rpc("decodescript", locator.hex())["address"]
        return self.bitcoind.send(address, units)

    def signed(self, *, inputs=(), sat: int = 50_000, fee_rate: int = 5) -> bytes:
        """A transaction of the faucet's, its coins locked; ``inputs`` are spent first."""
        faucet = self.bitcoind.wallet(FAUCET)
        spent = [{"txid": txid, "vout": vout} for txid, vout in inputs]
        bare = self.bitcoind.rpc("createrawtransaction", spent, [{faucet.new_address(): btc(sat)}])
        funded = faucet.rpc("fundrawtransaction", bare, {"lockUnspents": True, "fee_rate": fee_rate})
        return bytes.fromhex(faucet.rpc("signrawtransactionwithwallet", funded["hex"])["hex"])

    def confirm(self, blocks: int = 1) -> None:
        self.bitcoind.mine(blocks)

    def reorganise(self, depth: int) -> None:
        self.bitcoind.reorg(depth)


@pytest.fixture
def driver(chain: Bitcoind) -> BitcoinDriver:
    """The session's node and its faucet; the tip is fresh, so the node counts as synced."""
    chain.mine(1)
    return BitcoinDriver(chain)


@pytest.fixture
def forgetful(driver: BitcoinDriver) -> Iterator[ForgetfulProxy]:
    """A wire to the node that loses the answers to what it is told to lose."""
    with ForgetfulProxy(driver.bitcoind.port) as proxy:
        yield proxy
