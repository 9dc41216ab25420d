"""How soon the command line is there: ``python -m benchmarks.command_line [--quick]``.

CPU time and time of ``custody --help`` and ``custody withdrawal list`` (on a Postgres of its own, and no withdrawals)
beside ``python -c pass``, interleaved in one run, each in a process of its own. Bytecode is written before, as it is
where the program was installed. The goals are times of a quiet machine; the ratio is what two machines can compare.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from custody.db.migrations.run import upgrade
from demo.servers import Postgres

BARE: Final = "python -c pass"
WAYS: Final = {
    BARE: ("-c", "pass"),
    "custody --help": ("-m", "custody.cli.main", "--help"),
    "custody withdrawal list": ("-m", "custody.cli.main", "withdrawal", "list"),
}
GOALS: Final = {"custody --help": 0.35, "custody withdrawal list": 0.6}
"""Seconds on a quiet machine."""


def main() -> int:
    """Start each in turns, then compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer starts")
    rounds = 2 if parser.parse_args().quick else 15
    cpu: dict[str, list[float]] = {name: [] for name in WAYS}
    clock: dict[str, list[float]] = {name: [] for name in WAYS}
    with _settings() as environment:
        for number in range(-1, rounds):  # the first of all writes the bytecode, and counts for nothing
            for name in list(WAYS) if number % 2 == 0 else reversed(list(WAYS)):
                spent, passed = _start(WAYS[name], environment)
                if number >= 0:
                    cpu[name].append(spent)
                    clock[name].append(passed)
    bare = statistics.median(cpu[BARE])
    for name in WAYS:
        spent = statistics.median(cpu[name])
        print(
            f"{name:24} {spent * 1e3:6.0f} ms of CPU (least {min(cpu[name]) * 1e3:.0f}), {spent / bare:5.1f} x; "
            f"{statistics.median(clock[name]) * 1e3:6.0f} ms passed (least {min(clock[name]) * 1e3:.0f})"
        )
    missed = [name for name, goal in GOALS.items() if min(clock[name]) > goal]
    print(
        f"goal: {', '.join(f'{name} {goal} s' for name, goal in GOALS.items())}; missed: {', '.join(missed) or 'none'}"
    )
    return 1 if missed else 0


@contextmanager
def _settings() -> Iterator[Mapping[str, str]]:
    """A house without people or money, and nothing but its database."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o711)
        postgres = Postgres(folder)
        try:
            postgres.start()
            owner_url, app_url = postgres.create_database("bench")
            upgrade(owner_url)
            yield {
                **{key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"},
                "PYTHONPYCACHEPREFIX": str(folder / "bytecode"),
                "CUSTODY_CHAINS": "regtest",
                "CUSTODY_DATABASE_URL": app_url,
                "CUSTODY_BROKER_URL": "redis://127.0.0.1:1/0",
                "CUSTODY_BITCOIN_RPC_URL": "http://u:p@127.0.0.1:1",
                "CUSTODY_SEAL_KEY": "5e" * 32,
            }
        finally:
            postgres.destroy()


def _start(arguments: tuple[str, ...], environment: Mapping[str, str]) -> tuple[float, float]:
    """Seconds of CPU, and seconds, of one process from its start to its end. Raises where it fails."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, check=True)
    passed, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, passed


if __name__ == "__main__":
    sys.exit(main())
