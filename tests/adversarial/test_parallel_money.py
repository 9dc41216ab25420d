"""P-025 and P-026 in the books of a real house: many at once want one coin's worth, and nothing is made or lost.

The deposit is on the chain, so that the whole check can be asked afterwards. No door moves value between clients yet:
the transfers are the ledger's own.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from functools import partial

from custody.ledger.operations import InsufficientFunds
from tests.integration.ledger.books import COIN, Books, at_once, transfer
from tests.support.oracle import plays
from tests.support.road import Road
from tests.support.roads import road
from tests.support.world import REGTEST

__all__ = ["road"]

CLIENTS = ("birch", "cedar", "dune")
ASSET = REGTEST.asset.id


@plays("P-025")
def test_p025_a_thousand_parallel_withdrawals_of_the_only_coin_hold_it_once(road: Road) -> None:
    books = Books(road.database, ASSET)
    road.open("birch")
    road.deposit("birch", COIN)
    lowest = Lowest(books)
    acts = [partial(books.hold, f"hld_{number}", "birch", COIN) for number in range(1000)]
    results = at_once(acts)
    lowest.stop()
    refused = [result for result in results if isinstance(result, Exception)]
    assert len(refused) == 999
    assert {type(error) for error in refused} == {InsufficientFunds}
    assert books.of("birch") == (0, COIN, 0)
    assert lowest.seen >= 0
    road.check()


@plays("P-026")
def test_p026_parallel_transfers_and_holds_among_three_keep_the_sum(road: Road, seed: int) -> None:
    books = Books(road.database, ASSET)
    road.pool(*CLIENTS)
    road.deposit("birch", COIN)
    chance = random.Random(seed)
    acts: list[Callable[[], object]] = []
    for number in range(2000):
        giver, taker = chance.sample(CLIENTS, 2)
        count = chance.randint(1, COIN // 2)
        entry = transfer(f"k{number}", giver, taker, count, ASSET)
        back = transfer(f"b{number}", taker, giver, count // 3 + 1, ASSET)
        choices: list[Callable[[], object]] = [
            partial(books.post, entry),
            partial(books.post_batch, entry, back),
            partial(hold_and_void, books, f"hld_{number}", giver, count),
        ]
        acts.append(chance.choice(choices))
    lowest = Lowest(books)
    results = at_once(acts)
    lowest.stop()
    unexpected = [r for r in results if isinstance(r, Exception) and not isinstance(r, InsufficientFunds)]
    assert unexpected == []
    assert sum(not isinstance(result, Exception) for result in results) > 100
    assert sum(sum(books.of(client)[:2]) for client in CLIENTS) == COIN
    assert lowest.seen >= 0
    road.check()


def hold_and_void(books: Books, hold_id: str, client: str, count: int) -> None:
    books.hold(hold_id, client, count)
    books.void(hold_id)


class Lowest:
    """Watches committed snapshots from outside while others write: the lowest liability anybody could see."""

    def __init__(self, books: Books) -> None:
        self.seen = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, args=(books,))
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self, books: Books) -> None:
        with books.sql("app") as connection:
            while not self._stop.is_set():
                row = connection.execute("SELECT min(balance * sign) FROM ledger_accounts").fetchone()
                self.seen = min(self.seen, int(row[0]) if row else 0)
