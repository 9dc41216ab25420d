"""Deposit addresses: ``python -m benchmarks.addresses [--quick]``.

First, what handing one out of stock costs: every call into a curve or Bitcoin library is counted while it happens, and
there must be none; its time stands beside deriving the same address twice, as stocking does. Then deriving, one core:
ours beside bdkpython (``Descriptor.derive_address``, the second derivation; ``Wallet.peek_address``, its fastest way)
and the node's ``deriveaddresses``, interleaved in one run after all of them gave the same addresses. Exits 1 if a
library is called while an address is handed out.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import bdkpython

from benchmarks.house import House, house
from custody.addresses import operations as addresses
from custody.chains.addressing import AddressSource, confirm
from custody.chains.bitcoin.addressing import descriptor_of
from custody.chains.bitcoin.offline.descriptor import BranchDescriptor
from custody.vaults import queries as vaults

LIBRARIES = ("bdkpython", "bitcoin", "coincurve", "embit")
LAST = 999
Way = Callable[[range], list[str]]


@dataclass(frozen=True)
class Goal:
    """Ours must derive at least ``least`` times as fast as ``peer``."""

    peer: str
    least: float


GOALS = (Goal("node deriveaddresses", 1.5), Goal("bdk Wallet.peek_address", 2.5), Goal("bdk Descriptor", 2.5))


def main() -> int:
    """Run both parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds of fewer addresses")
    quick = parser.parse_args().quick
    with tempfile.TemporaryDirectory(prefix="custody-bench-") as folder, house(Path(folder)) as here:
        client = here.open_client("Acme", branch=0)
        vault = f"{here.outcome.keyset.id}/0"
        with here.runtime.database.unit() as unit:
            source = vaults.source_of(unit.session, vault=vaults.get(unit.session, vault=vault))
            descriptor = descriptor_of(vaults.keyset(unit.session, keyset_id=here.outcome.keyset.id), 0)
        calls = handing_out(here, vault, client, source, count=5 if quick else 30)
        missed = deriving(here, descriptor, rounds=3 if quick else 9, count=100 if quick else 1_000)
    return 1 if calls or missed else 0


def handing_out(here: House, vault: str, client: str, source: AddressSource, *, count: int) -> int:
    """Hand ``count`` addresses out; print what it cost and return how often a library was called."""
    times, seen = [], Counter[str]()
    for _ in range(count):
        statements, began = here.count.statements, time.perf_counter()
        hand_out(here, vault, client)
        times.append((time.perf_counter() - began) * 1000)
        statements = here.count.statements - statements
    with counting(seen):
        hand_out(here, vault, client)
    twice = [timed(partial(derive_twice, source, place)) for place in range(count)]
    control = Counter[str]()
    with counting(control):
        derive_twice(source, 0)
    calls = sum(seen.values())
    print("handing an address out of stock")
    print(f"  calls into {', '.join(LIBRARIES)}: {calls} (goal 0: {'met' if not calls else 'MISSED'}); "
          f"the same counter while deriving one twice: {sum(control.values())}")  # fmt: skip
    print(f"  {statements} SQL statements, one unit, fsync on: {spread(times, 'ms')}")
    print(f"  deriving it by two libraries instead would add {spread(twice, 'ms')}")
    return calls


def derive_twice(source: AddressSource, index: int) -> None:
    """One address, as stocking derives and confirms it."""
    confirm(source.derive(client=None, change=False, index=index), source, client=None, change=False)


def hand_out(here: House, vault: str, client: str) -> str:
    """One address, as ``POST /v1/clients/ID/addresses`` does it."""
    with here.runtime.database.unit() as unit:
        found = addresses.allocate(
            unit.session, vault=vault, client=client, seal_key=here.runtime.seal_key,
            low_mark=here.runtime.settings.stock_low_mark, actor="exchange", now=unit.now,
        )  # fmt: skip
    return found.address


@contextmanager
def counting(found: Counter[str]) -> Iterator[None]:
    """Count every call of a function that one of ``LIBRARIES`` defines, in Python or in C."""

    def note(frame: FrameType, kind: str, argument: Any) -> None:
        if kind == "call":
            name = str(frame.f_globals.get("__name__", ""))
        elif kind == "c_call":
            name = str(getattr(argument, "__module__", "") or "")
        else:
            return
        if name.partition(".")[0] in LIBRARIES:
            found[name] += 1

    sys.setprofile(note)
    try:
        yield
    finally:
        sys.setprofile(None)


def deriving(here: House, descriptor: BranchDescriptor, *, rounds: int, count: int) -> bool:
    """Every way over the same indexes, interleaved; ratios per round. Whether a goal was missed."""
    ways = ways_to_derive(here, descriptor)
    expected = ways["ours"](range(LAST + 1))
    for name, way in ways.items():
        if way(range(LAST + 1)) != expected:
            raise RuntimeError(f"{name} gives other addresses")
    print(f"\nthe same {LAST + 1} addresses from {len(ways)} ways; now {rounds} rounds of {count}, interleaved")
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds):
        for name in list(ways) if number % 2 == 0 else reversed(list(ways)):
            spent[name].append(timed(partial(ways[name], range(count))) * 1000 / count)
    return report(spent)


def ways_to_derive(here: House, descriptor: BranchDescriptor) -> dict[str, Way]:
    """Name to a function from indexes to addresses of the receive chain."""
    ours_text, kind, network = descriptor.receive_text, bdkpython.NetworkKind.TEST, bdkpython.Network.REGTEST
    foreign = bdkpython.Descriptor(ours_text, kind)
    wallet = bdkpython.Wallet(
        bdkpython.Descriptor(ours_text, kind), bdkpython.Descriptor(descriptor.change_text, kind), network,
        bdkpython.Persister.new_in_memory(),
    )  # fmt: skip
    external = bdkpython.KeychainKind.EXTERNAL

    def by_the_node(indexes: range) -> list[str]:
        found: list[str] = here.bitcoind.rpc("deriveaddresses", ours_text, [indexes[0], indexes[-1]])
        return found

    return {
        "ours": lambda indexes: [descriptor.derive(change=False, index=index).address for index in indexes],
        "bdk Descriptor": lambda indexes: [str(foreign.derive_address(index, network)) for index in indexes],
        "bdk Wallet.peek_address": lambda indexes: [
            str(wallet.peek_address(external, index).address) for index in indexes
        ],
        "node deriveaddresses": by_the_node,
    }


def report(spent: dict[str, list[float]]) -> bool:
    """Times, then ratios per round with their spread. Whether a goal was missed."""
    missed = False
    for name, found in spent.items():
        print(f"  {name:26} {spread(found, 'us')}")
    for goal in GOALS:
        ratios = [theirs / mine for theirs, mine in zip(spent[goal.peer], spent["ours"], strict=True)]
        middle = statistics.median(ratios)
        missed |= middle < goal.least
        print(f"  ours is {middle:5.2f} x as fast as {goal.peer} ({min(ratios):.2f} - {max(ratios):.2f}), "
              f"goal >={goal.least}: {'met' if middle >= goal.least else 'MISSED'}")  # fmt: skip
    return missed


def timed(work: Callable[[], object]) -> float:
    """Milliseconds ``work`` takes."""
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def spread(found: list[float], unit: str) -> str:
    """Median and range."""
    return f"{statistics.median(found):.2f} {unit} ({min(found):.2f} - {max(found):.2f})"


if __name__ == "__main__":
    sys.exit(main())
