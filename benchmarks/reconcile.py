"""Reconciliation's scan from stored scripts beside a ranged scan of the same scripts, on one real node, in one run.

Both ask one node for the unspents of N scripts of one 2-of-3 vault: as ``raw()`` descriptors out of our table, and as
the vault's ranged descriptor, which the node derives. Rounds alternate, so the machine's other work hits both; the
ratio is of medians per script, and the spread is of every round. The walk of the UTXO set itself, the same for both,
is nearly nothing on a young chain: on mainnet it is added to each.

    .venv/bin/python -m benchmarks.reconcile [--quick]
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from custody.chains.addressing import Series
from custody.chains.bitcoin.addressing import DescriptorSource
from custody.chains.bitcoin.offline.descriptor import BranchDescriptor
from custody.chains.bitcoin.offline.network import network
from custody.chains.port import ChainReader, Holdings
from custody.chains.registry import NodeAddress, open_chain
from demo.servers import Bitcoind
from tests.cosigner.builders import cosigner_key

REGTEST = network("regtest")
ASSETS = (REGTEST.asset.id,)
FUNDED = 20
ROUNDS = 3
GOAL = 15


def main() -> int:
    """Print one line per size; 1 where unspents differ, or a full run's ratio is below the goal."""
    is_quick = "--quick" in sys.argv
    with tempfile.TemporaryDirectory(prefix="custody-bench-") as folder:
        node = Bitcoind(Path(folder))
        node.start()
        try:
            node.fund(coins=FUNDED * 3)
            results = [_measure(node, size) for size in ([2_000] if is_quick else [10_000, 100_000])]
        finally:
            node.stop()
    is_same, is_fast = all(same for same, _ in results), all(ratio >= GOAL for _, ratio in results)
    return 0 if is_same and (is_fast or is_quick) else 1


def _measure(node: Bitcoind, size: int) -> tuple[bool, float]:
    keys = tuple(cosigner_key(name).header.account_key for name in ("north", "south", "east"))
    descriptor = BranchDescriptor(2, keys, size, REGTEST)
    derived = [descriptor.derive(change=False, index=index) for index in range(size)]
    for place in range(0, size, size // FUNDED):
        node.send(derived[place].address, 100_000 + place)
    node.mine()
    reader = open_chain(REGTEST.chain, NodeAddress(node.url, scan_timeout_seconds=3600))
    stored, ranged, is_same = _side_by_side(reader, [item.script_pubkey for item in derived], descriptor)
    ratio = statistics.median(ranged) / statistics.median(stored)
    low, high = min(ranged) / max(stored), max(ranged) / min(stored)
    print(
        f"{size:>7} scripts: stored {_told(stored, size)}; ranged {_told(ranged, size)}; "
        f"ratio {ratio:.1f} x (goal {GOAL}, rounds {low:.1f} to {high:.1f}); "
        f"unspents {'equal' if is_same else 'DIFFER'}",
        flush=True,
    )
    return is_same, ratio


def _side_by_side(
    reader: ChainReader, scripts: list[bytes], descriptor: BranchDescriptor
) -> tuple[list[float], list[float], bool]:
    stored, ranged, is_same = [], [], True
    run = Series(DescriptorSource(descriptor), len(scripts) - 1)
    for _ in range(ROUNDS):
        took, mine = _timed(lambda: reader.holdings(scripts, assets=ASSETS))
        stored.append(took)
        took, theirs = _timed(lambda: reader.holdings_of([run], assets=ASSETS))
        ranged.append(took)
        is_same = is_same and mine.holdings == theirs.holdings and len(mine.holdings) == FUNDED
    return stored, ranged, is_same


def _told(seconds: list[float], size: int) -> str:
    middle = statistics.median(seconds)
    return f"{middle:.3f} s ({min(seconds):.3f} to {max(seconds):.3f}, {middle / size * 1e6:.0f} us each)"


def _timed(act: Callable[[], Holdings]) -> tuple[float, Holdings]:
    began = time.perf_counter()
    found = act()
    return time.perf_counter() - began, found


if __name__ == "__main__":
    sys.exit(main())
