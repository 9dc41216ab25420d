"""Fixtures every test may ask for. Servers are real and start on first use; a missing one is an error, never a skip.

``postgres``        a function that makes a fresh migrated database, as often as called
``database``        one such database: ``.owner_url .app_url .superuser_url .db``
``postgres_server`` the server itself: ``.kill() .restart() .create_database(name)``
``broker``          the broker, emptied: ``.url .flush() .kill() .restart()``
``bitcoind``        the session's regtest node: ``.url .rpc(…) .mine(n) .reorg(depth) .stop() .start()``
``chain``           the same node, its faucet funded: ``.send(address, amount_sat)``
``anvil``           an Ethereum node for one test, fresh, with Safe's contracts: ``.url .rpc(…) .send(…) .reorg(depth)``
``anvil_factory``   a function that starts further ones: ``(chain_id=, chain=, options=)``
``node_factory``    a function that starts further nodes: ``(network=, listen=, options=)``
``seed``            the session's number for everything random
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from demo.servers import Anvil, Bitcoind, Broker, Postgres
from tests.support.servers import FreshDatabase, Servers

SEED = pytest.StashKey[int]()


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """All servers of this session; none runs before it is asked for."""
    running = Servers()
    yield running
    running.stop()


@pytest.fixture
def postgres_server(servers: Servers) -> Postgres:
    """The session's Postgres, running."""
    return servers.postgres()


@pytest.fixture
def postgres(servers: Servers) -> Iterator[Callable[[], FreshDatabase]]:
    """Make fresh migrated databases; all are dropped after the test."""
    made: list[FreshDatabase] = []

    def make() -> FreshDatabase:
        made.append(servers.fresh_database())
        return made[-1]

    yield make
    for database in made:
        servers.drop(database)


@pytest.fixture
def database(postgres: Callable[[], FreshDatabase]) -> FreshDatabase:
    """One fresh migrated database."""
    return postgres()


@pytest.fixture
def broker(servers: Servers) -> Broker:
    """The session's broker, running and empty."""
    return servers.broker()


@pytest.fixture
def bitcoind(servers: Servers) -> Bitcoind:
    """The session's regtest node, running. Tests share its chain: use fresh keys."""
    return servers.bitcoind()


@pytest.fixture
def chain(bitcoind: Bitcoind) -> Bitcoind:
    """The session's node with a funded faucet."""
    bitcoind.fund()
    return bitcoind


@pytest.fixture
def node_factory(servers: Servers) -> Iterator[Callable[..., Bitcoind]]:
    """Start further nodes, each with its own chain; all are stopped after the test."""
    made: list[Bitcoind] = []

    def make(*, network: str = "regtest", listen: bool = False, options: dict[str, str] | None = None) -> Bitcoind:
        made.append(servers.node(network=network, listen=listen, options=options))
        return made[-1]

    yield make
    for node in made:
        node.stop()


@pytest.fixture
def anvil(servers: Servers) -> Iterator[Anvil]:
    """An Ethereum node on a fresh chain: every contract of ``demo.evm.contracts`` is there, and nothing else."""
    node = servers.fresh_anvil()
    yield node
    servers.discard(node)


@pytest.fixture
def anvil_factory(servers: Servers) -> Iterator[Callable[..., Anvil]]:
    """Start further Ethereum nodes; ``chain=other.dump()`` makes a second provider of the same chain."""
    made: list[Anvil] = []

    def make(*, chain_id: int = 31337, chain: bytes | None = None, options: dict[str, str] | None = None) -> Anvil:
        made.append(servers.anvil(chain_id=chain_id, chain=chain, options=options))
        return made[-1]

    yield make
    for node in made:
        servers.discard(node)


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """The session's seed; it is printed in the header, and ``CUSTODY_TEST_SEED`` sets it."""
    return request.config.stash[SEED]
