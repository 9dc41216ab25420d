"""A process that serves no Ethereum chain starts without any of its libraries and with next to none of our code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
LIBRARIES = ("web3", "eth_account", "eth_abi", "eth_utils", "eth_keys", "safe_eth", "Crypto", "sha3")
A_TABLE_OF_NAMES = {
    "custody.chains.ethereum",
    "custody.chains.ethereum.offline",
    "custody.chains.ethereum.offline.network",
}
"""What the registry reads to know which networks there are."""
HOUSE = {
    "CUSTODY_DATABASE_URL": "postgresql+psycopg://u:p@127.0.0.1:1/d",
    "CUSTODY_BROKER_URL": "redis://127.0.0.1:1/0",
    "CUSTODY_BITCOIN_RPC_URL": "http://u:p@127.0.0.1:1",
    "CUSTODY_ANVIL_RPC_URL": "http://127.0.0.1:1",
    "CUSTODY_SEAL_KEY": "5e" * 32,
}
PROGRAM = """
import json, sys
import workers.app, workers.tasks, workers.relay, workers.watchdog, custody.api.__main__
from custody.bootstrap import assemble, read_settings
from custody.chains.registry import doorbell
runtime = assemble(read_settings())
for chain in runtime.chains:
    doorbell(chain)
print(json.dumps(sorted(sys.modules)))
"""


@pytest.fixture(scope="module")
def loaded() -> dict[str, set[str]]:
    """The modules of a process that has started with these networks; both start side by side."""
    started = {
        networks: subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            cwd=REPOSITORY,
            env={**os.environ, **HOUSE, "CUSTODY_CHAINS": networks},
            stdout=subprocess.PIPE,
            text=True,
        )
        for networks in ("regtest", "anvil")
    }
    said = {networks: process.communicate(timeout=120)[0] for networks, process in started.items()}
    return {networks: set(json.loads(text.splitlines()[-1])) for networks, text in said.items()}


def of_ethereum(modules: set[str]) -> set[str]:
    return {name for name in modules if name.split(".")[0] in LIBRARIES or name.startswith("custody.chains.ethereum")}


def test_a_process_without_ethereum_loads_a_table_of_names_and_no_more(loaded: dict[str, set[str]]) -> None:
    assert of_ethereum(loaded["regtest"]) == A_TABLE_OF_NAMES


def test_one_with_ethereum_loads_no_library_that_costs_seconds(loaded: dict[str, set[str]]) -> None:
    found = of_ethereum(loaded["anvil"])
    assert "custody.chains.ethereum.adapter" in found
    assert not {name.split(".")[0] for name in found} & {"web3", "safe_eth"}
