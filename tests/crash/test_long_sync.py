"""P-012: a thousand blocks are read by processes that are killed again and again, and each deposit is credited once."""

from __future__ import annotations

import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from custody.addresses import operations as addresses
from custody.addresses.stocking import fill_stock
from custody.chains.ethereum.adapter import EthereumAdapter
from custody.chains.ethereum.offline.address import checksum_address
from custody.deposits import queries as deposits
from custody.ledger import queries as ledger
from custody.reconciliation.effect import reconcile
from custody.reconciliation.stuck import Deadlines
from demo.evm.node import FAUCET
from demo.servers import Anvil
from tests.chains.ethereum.conftest import ETHER, NATIVE, token_id
from tests.crash import following
from tests.crash.following import CHAIN, DEPTH
from tests.integration.vaults.safe_keysets import make_safe_keyset, open_clients
from tests.support import oracle
from tests.support.evm import Contract, deploy, deploy_token
from tests.support.forge import Forge, Forged
from tests.support.oracle import plays
from tests.support.processes import wait_until
from tests.support.servers import FreshDatabase

BLOCKS, KILLS = 1_000, 50
PLACES = {"acme": ("segregated", 1), "birch": ("segregated", 2), "cedar": ("omnibus", 0), "dune": ("omnibus", 0)}
GAS = 200_000
SEAL_KEY = bytes(32)
LONGEST_DELAY_SECONDS = 0.03
"""About what two blocks take: a kill falls anywhere in the reading of a block or in the crediting after it."""
IN_TIME = Deadlines(86_400, 86_400, 86_400, 86_400, 86_400, 86_400, 86_400)

Credit = tuple[str, str, int]
"""``(address, asset, base units)``."""


class Payers:
    """Chance, and what it paid to whom: the oracle that knows nothing of what the daemon read."""

    def __init__(self, anvil: Anvil, token: Contract, addresses: list[str], chance: random.Random) -> None:
        self.anvil, self.token, self.addresses, self.chance = anvil, token, addresses, chance
        self.forwarder = deploy(anvil, "Forwarder")
        self.paid: Counter[Credit] = Counter()

    def fill_blocks(self, number: int) -> None:
        """So many blocks; two of three bring nothing."""
        with self.anvil.mining_by_hand():
            for _ in range(number):
                for _ in range(self.chance.choice((0, 0, 0, 0, 1, 3))):
                    self._pay_somebody()
                self.anvil.mine()

    def _pay_somebody(self) -> None:
        self.chance.choice((self._ether, self._ether_by_a_contract, self._token))(
            self.chance.choice(self.addresses), self.chance.randrange(1, ETHER)
        )

    def _ether(self, to: str, units: int) -> None:
        self.anvil.send(to, units, gas=GAS)
        self.paid[to, NATIVE, units] += 1

    def _ether_by_a_contract(self, to: str, units: int) -> None:
        self.anvil.send(self.forwarder.address, units, self.forwarder.calldata("forward", to), gas=GAS)
        self.paid[to, NATIVE, units] += 1

    def _token(self, to: str, units: int) -> None:
        self.anvil.send(self.token.address, 0, self.token.calldata("transfer", to, units), gas=GAS)
        self.paid[to, token_id(self.token), units] += 1


@pytest.fixture
def forge(tmp_path: Path) -> Iterator[Forge]:
    forge = Forge(tmp_path)
    forge.start()
    yield forge
    forge.stop()


@plays("P-012")
def test_p012_each_deposit_is_credited_once_whatever_is_killed_on_the_way(
    anvil: Anvil, database: FreshDatabase, forge: Forge, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    token = deploy_token(anvil, holder=FAUCET)
    reader = following.reader_at(anvil.url, token_id(token))
    clients = _open(database, reader)
    start = anvil.height() + 1
    payers = Payers(anvil, token, list(clients.values()), chance)
    payers.fill_blocks(BLOCKS)
    anvil.mine(DEPTH)

    environment = {
        following.DATABASE: database.app_url,
        following.NODE: anvil.url,
        following.TOKEN: token_id(token),
        following.START: str(start),
    }
    killed = 0
    for height in sorted(chance.sample(range(start, start + BLOCKS), KILLS)):
        process = forge.fork("follow", environment, tmp_path / "follow.log")
        wait_until(lambda height=height, process=process: _stands_at(database) >= height or _ended(process))
        time.sleep(chance.uniform(0, LONGEST_DELAY_SECONDS))
        process.kill()
        killed += process.ending() == -signal.SIGKILL
    assert killed == KILLS, "a process ended by itself: the log says why\n" + (tmp_path / "follow.log").read_text()
    last = forge.fork("follow", environment, tmp_path / "follow.log")
    wait_until(lambda: _ended(last), seconds=60)
    assert last.ending() == 0, (tmp_path / "follow.log").read_text()

    assert _credited(database) == payers.paid
    assert _booked(database, clients) == _by_owner(payers.paid, clients)
    rules = following.rules_for(token_id(token))
    assert reconcile(reader, database.db, chain=CHAIN, assets=rules.assets, start_height=start).is_balanced
    oracle.expect_whole(database.db, terms={}, deadlines={CHAIN: IN_TIME})


def _open(database: FreshDatabase, reader: EthereumAdapter) -> dict[str, str]:
    """Four clients, two of them in one pool; returns client to address."""
    keys = make_safe_keyset()
    open_clients(database.db, keys.keyset, keys.consents, PLACES)
    for branch in {branch for _, branch in PLACES.values()}:
        fill_stock(database.db, reader, vault=f"{keys.keyset.id}/{branch}", target=1, seal_key=SEAL_KEY)
    given = {}
    for client, (_, branch) in PLACES.items():
        with database.db.unit() as unit:
            given[client] = addresses.allocate(
                unit.session,
                vault=f"{keys.keyset.id}/{branch}",
                client=client,
                seal_key=SEAL_KEY,
                low_mark=0,
                actor="test",
                now=unit.now,
            ).address
    return given


def _ended(process: Forged) -> bool:
    return process.ending() is not None


def _stands_at(database: FreshDatabase) -> int:
    with database.db.unit() as unit:
        return int(unit.session.execute(text("SELECT coalesce(max(height), 0) FROM blocks")).scalar_one())


def _credited(database: FreshDatabase) -> Counter[Credit]:
    """Every deposit the daemon knows, all of which must be on the books."""
    with database.db.unit() as unit:
        found = deposits.every(unit.session)
        rows = unit.session.execute(text("SELECT id, locator FROM addresses")).all()
    places = {row.id: checksum_address(bytes(row.locator)) for row in rows}
    assert {deposit.state.value for deposit in found} == {"credited"}
    return Counter((places[each.address_id], each.asset, each.units) for each in found)


def _booked(database: FreshDatabase, clients: dict[str, str]) -> dict[tuple[str, str], int]:
    with database.db.unit() as unit:
        balances = [item for client in clients for item in ledger.balances(unit.session, client=client)]
    return {(item.client, item.asset): item.available for item in balances if item.available}


def _by_owner(paid: Counter[Credit], clients: dict[str, str]) -> dict[tuple[str, str], int]:
    owners = {address: client for client, address in clients.items()}
    sums: Counter[tuple[str, str]] = Counter()
    for (address, asset, units), times in paid.items():
        sums[owners[address], asset] += units * times
    return dict(sums)
