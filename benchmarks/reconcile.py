"""Reconciliation from stored scripts beside a ranged scan per script, on one real node, in one run.

The peer is what one does without a table of scripts: for each script, ask the node to scan its descriptor's range
up to that script's index. It is measured on a sample, each scan alone, and multiplied: a hundred thousand of them
would take hours. Ours is measured whole: reading the scripts from Postgres, the scan, and the comparison of unspents.
For fairness the cheapest way for the peer is printed too: one ranged scan of the whole range at once.

    .venv/bin/python -m benchmarks.reconcile [--quick]
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from custody.chains.bitcoin.offline.descriptor import BranchDescriptor
from custody.chains.bitcoin.offline.keys import AccountKey
from custody.chains.bitcoin.offline.network import network
from custody.chains.port import ChainReader, UtxoSnapshot
from custody.chains.registry import NodeAddress, open_chain
from demo.servers import Bitcoind
from tests.cosigner.builders import cosigner_key

REGTEST = network("regtest")
FUNDED = 20
SAMPLE = 12
ROUNDS = 5
GOAL = 15


@dataclass(frozen=True)
class Measured:
    """Seconds of each round."""

    seconds: tuple[float, ...]

    @property
    def middle(self) -> float:
        """The median."""
        return statistics.median(self.seconds)

    @property
    def spread(self) -> str:
        """Lowest to highest."""
        return f"{min(self.seconds):.3f} to {max(self.seconds):.3f} s"


def main() -> int:
    """Print one line per size; 1 where a ratio is below the goal or the unspents differ."""
    sizes = [2_000] if "--quick" in sys.argv else [10_000, 100_000]
    with tempfile.TemporaryDirectory(prefix="custody-bench-") as folder:
        node = Bitcoind(Path(folder))
        node.start()
        try:
            return max(_measure(node, size) for size in sizes)
        finally:
            node.stop()


def _measure(node: Bitcoind, size: int) -> int:
    descriptor = BranchDescriptor(2, _keys(), size, REGTEST)
    scripts = [descriptor.derive(change=False, index=index).script_pubkey for index in range(size)]
    places = [size * step // FUNDED for step in range(FUNDED)]
    node.fund(coins=FUNDED * 3)
    for place in places:
        node.send(descriptor.derive(change=False, index=place).address, 100_000 + place)
    node.mine()
    reader = open_chain(REGTEST.chain, NodeAddress(node.url, scan_timeout_seconds=3600))
    mine, found = _timed(lambda: reader.scan_scripts(scripts), ROUNDS)
    whole, ranged = _timed(lambda: reader.scan_ranges([(descriptor.receive_text, size - 1)]), 1)
    each = _per_script(reader, descriptor, size)
    is_same = found.unspents == ranged.unspents and len(found.unspents) == FUNDED
    ratio = each.middle * size / mine.middle
    print(
        f"{size:>7} scripts: stored {mine.middle:.3f} s ({mine.spread}); ranged scan per script {each.middle:.4f} s "
        f"({each.spread}, {SAMPLE} sampled) x {size} = {each.middle * size:.0f} s; ratio {ratio:.0f} x "
        f"(goal {GOAL}); one ranged scan of all {whole.middle:.3f} s = {whole.middle / mine.middle:.1f} x; "
        f"unspents {'equal' if is_same else 'DIFFER'}"
    )
    return 0 if is_same and ratio >= GOAL else 1


def _per_script(reader: ChainReader, descriptor: BranchDescriptor, size: int) -> Measured:
    """One script each, spread over the range; the node derives from 0 up to it."""
    places = [(size - 1) * step // (SAMPLE - 1) for step in range(SAMPLE)]
    timed = [_timed(lambda place=place: reader.scan_ranges([(descriptor.receive_text, place)]), 1) for place in places]  # type: ignore[misc]
    return Measured(tuple(measured.middle for measured, _ in timed))


def _timed(act: Callable[[], UtxoSnapshot], rounds: int) -> tuple[Measured, UtxoSnapshot]:
    seconds = []
    for _ in range(rounds):
        began = time.perf_counter()
        found = act()
        seconds.append(time.perf_counter() - began)
    return Measured(tuple(seconds)), found


def _keys() -> tuple[AccountKey, ...]:
    return tuple(cosigner_key(name).header.account_key for name in ("north", "south", "east"))


if __name__ == "__main__":
    sys.exit(main())
