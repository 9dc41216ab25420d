"""P-012: a thousand blocks are read by processes that are killed again and again, and each deposit is credited once."""

from __future__ import annotations

import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from custody.chains.ethereum.offline.address import checksum_address
from custody.deposits import queries as deposits
from custody.ledger import queries as ledger
from demo.servers import Anvil
from tests.chains.ethereum.conftest import ETHER, NATIVE, token_id
from tests.crash import following
from tests.integration.evm.house import DEPTH, House
from tests.support.evm import deploy, deploy_token
from tests.support.forge import Forge, Forged
from tests.support.oracle import plays
from tests.support.processes import wait_until
from tests.support.servers import FreshDatabase

BLOCKS, KILLS = 1_000, 50
PLACES = {"acme": ("segregated", 1), "birch": ("segregated", 2), "cedar": ("omnibus", 0), "dune": ("omnibus", 0)}
GAS = 200_000
DUST = 10
LONGEST_DELAY_SECONDS = 0.03
"""About what two blocks take: a kill falls anywhere in the reading of a block or in the crediting after it."""
Credit = tuple[str, str, int]
"""``(address, asset, base units)``."""


class Payers:
    """Chance, and what it paid to whom: the oracle that knows nothing of what the daemon read."""

    def __init__(self, house: House, chance: random.Random) -> None:
        self.anvil, self.token, self.addresses, self.chance = house.anvil, house.token, list(house.at.values()), chance
        self.forwarder = deploy(house.anvil, "Forwarder")
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
            self.chance.choice(self.addresses), self.chance.randrange(DUST, ETHER)
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
    house = House(database, anvil, (deploy_token(anvil),), places=PLACES)
    chance = random.Random(seed)
    payers = Payers(house, chance)
    payers.fill_blocks(BLOCKS)
    anvil.mine(DEPTH)

    environment, log = following.environment(house), tmp_path / "follow.log"
    endings = []
    for height in sorted(chance.sample(range(house.start, house.start + BLOCKS), KILLS)):
        process = forge.fork("follow", environment, log)
        wait_until(lambda height=height, process=process: _stands_at(house) >= height or _ended(process), seconds=60)
        time.sleep(chance.uniform(0, LONGEST_DELAY_SECONDS))
        process.kill()
        endings.append(process.ending())
    assert endings == [-signal.SIGKILL] * KILLS, log.read_text()
    last = forge.fork("follow", environment, log)
    wait_until(lambda: _ended(last), seconds=60)
    assert last.ending() == 0, log.read_text()

    assert _credited(house) == payers.paid
    assert _booked(house) == _by_owner(payers.paid, house.at)
    house.expect_agreement()


def _ended(process: Forged) -> bool:
    return process.ending() is not None


def _stands_at(house: House) -> int:
    ((height,),) = house.rows("SELECT coalesce(max(height), 0) FROM blocks")
    return int(height)


def _credited(house: House) -> Counter[Credit]:
    """Every deposit the daemon knows, all of which must be on the books."""
    with house.db.unit() as unit:
        found = deposits.every(unit.session)
    places = {
        number: checksum_address(bytes(place)) for number, place in house.rows("SELECT id, locator FROM addresses")
    }
    assert {deposit.state.value for deposit in found} == {"credited"}
    return Counter((places[each.address_id], each.asset, each.units) for each in found)


def _booked(house: House) -> dict[tuple[str, str], int]:
    with house.db.unit() as unit:
        balances = [item for client in house.at for item in ledger.balances(unit.session, client=client)]
    return {(item.client, item.asset): item.available for item in balances if item.available}


def _by_owner(paid: Counter[Credit], clients: dict[str, str]) -> dict[tuple[str, str], int]:
    owners = {address: client for client, address in clients.items()}
    sums: Counter[tuple[str, str]] = Counter()
    for (address, asset, units), times in paid.items():
        sums[owners[address], asset] += units * times
    return dict(sums)
