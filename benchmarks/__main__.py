"""All measurements one after the other: ``python -m benchmarks [--quick]``; what ``make bench`` runs.

Each starts its own real servers and stops them again. Exits 1 if any of them missed what it judges itself by.
"""

from __future__ import annotations

import subprocess
import sys
import time

MEASUREMENTS = (
    "ledger", "scan", "addresses", "safe_addresses", "evm_holdings", "reconcile", "windows", "withdrawal",
    "worker_ready", "command_line", "cosigner", "policy", "policy_prove", "policy_simulate", "console", "api",
    "webhooks",
)  # fmt: skip


def main() -> int:
    """Run every measurement in a process of its own, with the arguments given here."""
    missed = []
    for name in MEASUREMENTS:
        print(f"\n=== {name}", flush=True)
        began = time.monotonic()
        done = subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *sys.argv[1:]], check=False)
        print(f"=== {name}: {time.monotonic() - began:.0f} s", flush=True)
        if done.returncode != 0:
            missed.append(name)
    print(f"\nmissed: {', '.join(missed) or 'nothing'}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
