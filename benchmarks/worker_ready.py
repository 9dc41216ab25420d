"""A worker's start: ``python -m benchmarks.worker_ready [--quick]``.

The CPU time a worker that serves a Bitcoin network alone takes from its first import to an assembled runtime: as it is,
beside one from which everything of Ethereum was taken away before it started (the registry is given an empty table of
networks), interleaved in one run, each in a process of its own. Printed too: a worker that serves an Ethereum network
beside it, and what importing web3 and safe_eth alone would cost.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from typing import Final

GOAL: Final = 1.1
HOUSE: Final = {
    "CUSTODY_DATABASE_URL": "postgresql+psycopg://u:p@127.0.0.1:1/d",
    "CUSTODY_BROKER_URL": "redis://127.0.0.1:1/0",
    "CUSTODY_BITCOIN_RPC_URL": "http://u:p@127.0.0.1:1",
    "CUSTODY_ANVIL_RPC_URL": "http://127.0.0.1:1",
    "CUSTODY_SEAL_KEY": "5e" * 32,
}
START: Final = """
import time
began = time.process_time()
import workers.app, workers.tasks, workers.watchdog
from custody.bootstrap import assemble, read_settings
assemble(read_settings())
print(time.process_time() - began)
"""
WITHOUT: Final = """
import sys, types
for name in ("custody.chains.ethereum", "custody.chains.ethereum.offline", "custody.chains.ethereum.offline.network"):
    sys.modules[name] = types.ModuleType(name)
sys.modules["custody.chains.ethereum.offline.network"].NETWORKS = ()
sys.modules["custody.chains.ethereum.offline.network"].why_refused = lambda name: None
"""
LIBRARIES: Final = """
import time
began = time.process_time()
import web3, safe_eth.safe
print(time.process_time() - began)
"""
WAYS: Final = {
    "without Ethereum": (WITHOUT + START, "regtest"),
    "now": (START, "regtest"),
    "now, both chains": (START, "regtest,anvil"),
}


def main() -> int:
    """Start each in turns, then compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer starts")
    rounds = 3 if parser.parse_args().quick else 15
    for program, networks in WAYS.values():
        _seconds(program, networks)
    spent: dict[str, list[float]] = {name: [] for name in WAYS}
    for number in range(rounds):
        for name in list(WAYS) if number % 2 == 0 else reversed(list(WAYS)):
            spent[name].append(_seconds(*WAYS[name]))
    for name, seconds in spent.items():
        print(f"{name:18} {statistics.median(seconds) * 1e3:7.0f} ms, least {min(seconds) * 1e3:.0f} ms")
    print(f"{'web3 and safe_eth':18} {_seconds(LIBRARIES, 'regtest') * 1e3:7.0f} ms more, were they imported")
    pairs = zip(spent["now"], spent["without Ethereum"], strict=True)
    ratios = sorted(now / before for now, before in pairs)
    ratio = statistics.median(ratios)
    print(f"goal: at most {GOAL} x; ratio {ratio:.2f} x ({ratios[0]:.2f} to {ratios[-1]:.2f})")
    return 0 if ratio <= GOAL else 1


def _seconds(program: str, networks: str) -> float:
    environment = {**os.environ, **HOUSE, "CUSTODY_CHAINS": networks}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    sys.exit(main())
