"""Safe addresses: ``python -m benchmarks.safe_addresses [--quick]``.

Where CREATE2 will put a Safe, with its EIP-55 checksum, one core: ours beside safe-eth-py's
``calculate_create2_address`` (its question to the node for the creation code answered from memory, so only computing is
timed), interleaved in one run after both and our second computation gave the same addresses. Also printed: deriving
the salt nonce as well, and confirming an address by the second computation, as is done before one is handed out.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace

from safe_eth.eth.contracts import get_safe_V1_4_1_contract, load_contract_interface
from safe_eth.safe.safe_create2_tx import SafeCreate2TxBuilder
from web3 import Web3

from custody.chains.ethereum.offline.deployments import PROXY_FACTORY, SAFE_L2
from custody.chains.ethereum.offline.ecdsa import address_of_key
from custody.chains.ethereum.offline.keccak import keccak
from custody.chains.ethereum.offline.network import network
from custody.chains.ethereum.offline.proxy import Safes, SafeSetup, salt_nonce
from custody.chains.ethereum.second_address import confirmed_address

GOAL = 10
MAINNET = network("ethereum")
Way = Callable[[list[int]], list[str]]


def main() -> int:
    """Compare, then time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds of fewer addresses")
    quick = parser.parse_args().quick
    safes = Safes(SafeSetup.of([_owner(number) for number in range(3)], 2))
    nonces = [_nonce(index) for index in range(200 if quick else 2_000)]
    ways: dict[str, Way] = {
        "ours": lambda given: [safes.address(nonce) for nonce in given],
        "safe-eth-py": partial(_by_safe_eth_py, _builder(), safes.initializer),
        "ours, salt nonce too": lambda given: [safes.address(_nonce(index)) for index in range(len(given))],
        "ours, confirmed": lambda given: [confirmed_address(safes, nonce) for nonce in given],
    }
    expected = ways["ours"](nonces)
    for name, way in ways.items():
        if way(nonces) != expected:
            raise RuntimeError(f"{name} gives other addresses")
    rounds = 3 if quick else 9
    print(f"the same {len(nonces)} addresses from {len(ways)} ways; now {rounds} rounds, interleaved")
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds):
        for name in list(ways) if number % 2 == 0 else reversed(list(ways)):
            began = time.perf_counter()
            ways[name](nonces)
            spent[name].append((time.perf_counter() - began) * 1e6 / len(nonces))
    return 0 if _report(spent) else 1


def _owner(number: int) -> str:
    import coincurve

    return address_of_key(coincurve.PrivateKey(keccak(b"owner %d" % number)).public_key.format())


def _nonce(index: int) -> int:
    return salt_nonce(keyset="benchmark", client="acme", index=index, network=MAINNET)


def _builder() -> SafeCreate2TxBuilder:
    """Theirs, with the factory's answer to ``proxyCreationCode`` kept instead of asked for each time."""
    web3 = Web3()
    creation_code = bytes.fromhex(load_contract_interface("Proxy_V1_4_1.json")["bytecode"][2:])
    answer = SimpleNamespace(call=lambda: creation_code)
    builder = SafeCreate2TxBuilder.__new__(SafeCreate2TxBuilder)
    builder.w3 = web3
    builder.master_copy_address = SAFE_L2.address
    builder.safe_contract = get_safe_V1_4_1_contract(web3, SAFE_L2.address)
    builder.proxy_factory_contract = SimpleNamespace(
        address=PROXY_FACTORY.address, functions=SimpleNamespace(proxyCreationCode=lambda: answer)
    )
    return builder


def _by_safe_eth_py(builder: SafeCreate2TxBuilder, initializer: bytes, nonces: list[int]) -> list[str]:
    return [builder.calculate_create2_address(initializer, nonce) for nonce in nonces]


def _report(spent: dict[str, list[float]]) -> bool:
    """Times, then the ratio per round with its spread; whether the goal was met."""
    for name, found in spent.items():
        print(f"  {name:22} {statistics.median(found):8.2f} us an address ({min(found):.2f} - {max(found):.2f})")
    ratios = [theirs / mine for theirs, mine in zip(spent["safe-eth-py"], spent["ours"], strict=True)]
    middle = statistics.median(ratios)
    met = middle >= GOAL
    print(f"  ours is {middle:.1f} x as fast as safe-eth-py ({min(ratios):.1f} - {max(ratios):.1f}), "
          f"goal >={GOAL}: {'met' if met else 'MISSED'}")  # fmt: skip
    return met


if __name__ == "__main__":
    sys.exit(main())
