"""What all cases of a session share: servers, the forge, two chains, the broker's numbered databases."""

from __future__ import annotations

import itertools
import queue
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from demo.servers import Anvil, Bitcoind, Broker
from tests.support.forge import Forge
from tests.support.servers import FreshDatabase, Servers

_NUMBERS = itertools.count(1)
"""Of the whole process: two yards of one session share a chain, and must not share a key."""
COINS = 60
"""Separate coins of the faucet: cases side by side must not build on each other's unconfirmed change."""


class Chain:
    """A regtest chain that several cases mine on at once; a case mines its own transactions and no others."""

    def __init__(self, node: Bitcoind) -> None:
        self.node = node
        self.still = threading.RLock()
        """Held by whoever needs the chain not to move."""
        node.fund(coins=COINS)

    def height(self) -> int:
        """The tip's."""
        found: int = self.node.rpc("getblockcount")
        return found

    def send(self, address: str, amount_sat: int) -> str:
        """Pay from the faucet; returns the transaction's id."""
        with self.still:
            return self.node.send(address, amount_sat)

    def mine(self, *txids: str) -> str:
        """One block with exactly these."""
        with self.still:
            return self.node.mine_only(txids)

    def payments(self, address: str, *, since_height: int) -> list[str]:
        """The ids of all transactions in blocks above ``since_height`` that pay ``address``, once per output."""
        return self.outputs(since_height=since_height)[address]

    def outputs(self, *, since_height: int) -> defaultdict[str, list[str]]:
        """Address to the ids of all transactions in blocks above ``since_height`` that pay it, once per output."""
        with self.still:
            hashes = [self.node.rpc("getblockhash", height) for height in range(since_height + 1, self.height() + 1)]
        found: defaultdict[str, list[str]] = defaultdict(list)
        for block_hash in hashes:
            for transaction in self.node.rpc("getblock", block_hash, 2)["tx"]:
                for output in transaction["vout"]:
                    found[output["scriptPubKey"].get("address", "")].append(transaction["txid"])
        return found


class EtherChain:
    """An Ethereum node of one case: a transaction is mined at once, empty blocks when they are asked for."""

    def __init__(self, node: Anvil) -> None:
        self.node = node
        self.still = threading.RLock()
        """Nobody else mines here; it is what ``Chain`` has."""

    def height(self) -> int:
        """The tip's."""
        return self.node.height()

    def mine(self, blocks: int = 1) -> None:
        """What waits, then empty blocks."""
        self.node.mine(blocks)


class Yard:
    """One per session. Databases and broker slots are handed to one case at a time."""

    def __init__(self, servers: Servers, home: Path) -> None:
        self.servers, self.home = servers, home
        self.forge = Forge(home)
        self.broker: Broker = servers.broker()
        self.chain = Chain(servers.bitcoind())
        self._making = threading.Lock()
        self._second: Chain | None = None
        self._slots: queue.Queue[int] = queue.Queue()
        for slot in range(1, 16):
            self._slots.put(slot)
        self.forge.start()

    def number(self) -> int:
        """Another number for each case: keys, clients and destinations are named after it."""
        return next(_NUMBERS)

    def reorganised(self) -> Chain:
        """A chain of its own for cases that undo blocks; they hold its ``still`` to the end."""
        with self._making:
            if self._second is None:
                self._second = Chain(self.servers.node())
            return self._second

    @contextmanager
    def database(self) -> Iterator[FreshDatabase]:
        """A fresh migrated database, dropped at the end."""
        with self._making:
            database = self.servers.fresh_database()
        try:
            yield database
        finally:
            self.servers.drop(database)

    @contextmanager
    def ether_chain(self) -> Iterator[EtherChain]:
        """A fresh Ethereum node with Safe's contracts."""
        with self._making:
            node = self.servers.fresh_anvil()
        try:
            yield EtherChain(node)
        finally:
            with self._making:
                self.servers.discard(node)

    @contextmanager
    def broker_url(self) -> Iterator[str]:
        """An empty numbered database of the broker."""
        if not self.broker.is_running():
            self.broker.start()
        slot = self._slots.get(timeout=300)
        url = self.broker.url.removesuffix("/0") + f"/{slot}"
        self.empty(url)
        try:
            yield url
        finally:
            self._slots.put(slot)

    def empty(self, broker_url: str) -> None:
        """Forget what the broker holds there."""
        with redis.Redis.from_url(broker_url) as connection:
            connection.flushdb()

    def close(self) -> None:
        """End the forge and all it forked; the servers belong to the session."""
        self.forge.stop()
