"""Balances on Ethereum: ``python -m benchmarks.evm_holdings [--quick]``.

What 10,000 accounts hold at one block, ether and a token, on one real node: ours with code put in place for the call,
ours by Multicall3 packed by hand, and Multicall3 with calldata and answers through eth_abi, interleaved in one run
after all three gave the same. And what a block's deposit scan asks of the node beside 1,000 and 100,000 issued
addresses: requests and calls are counted, and must be the same.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from eth_abi.abi import decode, encode

from custody.chains.ethereum.adapter import EthereumAdapter
from custody.chains.ethereum.holdings import Way
from custody.chains.ethereum.offline.address import checksum_address
from custody.chains.ethereum.offline.keccak import keccak
from custody.chains.ethereum.offline.network import network
from custody.chains.ethereum.rpc import Rpc, at_block
from demo.evm import contracts
from demo.servers import Anvil

ANVIL = network("anvil")
NATIVE = ANVIL.asset.id
PER_CALL = 2_000
"""Accounts that one Multicall3 call of the peer asks for."""

GOALS = {"override": 12, "multicall": 4}
PAYMENTS = 50

Held = list[tuple[str, bytes, int]]


class Counting(Rpc):
    """A node whose requests and calls are counted."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.requests = self.calls = 0

    def call(self, method: str, *params: Any, timeout_seconds: float | None = None) -> Any:
        self.requests += 1
        self.calls += 1
        return super().call(method, *params, timeout_seconds=timeout_seconds)

    def batch(self, calls: Sequence[Any], *, timeout_seconds: float | None = None) -> list[Any]:
        self.requests += 1
        self.calls += len(calls)
        return super().batch(calls, timeout_seconds=timeout_seconds)


def main() -> int:
    """Compare, then time and count; 1 where results differ, counts grow, or a full run misses a goal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer accounts and rounds")
    quick = parser.parse_args().quick
    with tempfile.TemporaryDirectory(prefix="custody-bench-") as folder:
        anvil = Anvil(Path(folder), options={"gas-limit": "100000000"})
        anvil.start()
        try:
            contracts.place(anvil)
            is_fast = _holdings(anvil, accounts=1_000 if quick else 10_000, rounds=3 if quick else 5)
            is_flat = _scan(anvil)
        finally:
            anvil.stop()
    return 0 if is_flat and (is_fast or quick) else 1


def _place(number: int) -> bytes:
    return keccak(b"account %d" % number)[12:]


def _holdings(anvil: Anvil, *, accounts: int, rounds: int) -> bool:
    token = contracts.token(anvil, "TUSD", 6)
    places = [_place(number) for number in range(accounts)]
    rpc = Rpc(anvil.url)
    for start in range(0, accounts, 100):
        rpc.batch(
            [("anvil_setBalance", ("0x" + place.hex(), hex(10**15 + start))) for place in places[start : start + 100]]
        )
    for number in range(0, accounts, max(1, accounts // 100)):
        contracts.give_token(anvil, token, checksum_address(places[number]), 7 + number)
    anvil.mine()
    asset = f"{ANVIL.chain}/erc20:{token}"
    node = EthereumAdapter(rpc, network=ANVIL, assets=[asset])
    tip = node.require_ready().hash
    ways: dict[str, Callable[[], Held]] = {
        "override": lambda: _ours(node, places, (NATIVE, asset), tip, Way.OVERRIDE),
        "multicall": lambda: _ours(node, places, (NATIVE, asset), tip, Way.MULTICALL),
        "eth_abi": lambda: _peer(rpc, places, token, (NATIVE, asset), tip),
    }
    expected = ways["eth_abi"]()
    for name, way in ways.items():
        if way() != expected or len(expected) < accounts:
            raise RuntimeError(f"{name} gives other balances")
    print(
        f"the same {len(expected)} balances of {accounts} accounts from {len(ways)} ways; {rounds} rounds, interleaved"
    )
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds):
        for name in list(ways) if number % 2 == 0 else reversed(list(ways)):
            began = time.perf_counter()
            ways[name]()
            spent[name].append(time.perf_counter() - began)
    return _report(spent, accounts)


def _ours(node: EthereumAdapter, places: list[bytes], assets: Sequence[str], tip: str, way: Way) -> Held:
    return [(item.asset, item.locator, item.units) for item in node.holdings_at(tip, places, assets=assets, way=way)]


def _peer(rpc: Rpc, places: list[bytes], token: str, assets: Sequence[str], tip: str) -> Held:
    multicall = contracts.MULTICALL3.address
    found: Held = []
    for asset, target, question in (
        (assets[0], multicall, keccak(b"getEthBalance(address)")[:4]),
        (assets[1], token, keccak(b"balanceOf(address)")[:4]),
    ):
        for start in range(0, len(places), PER_CALL):
            chunk = places[start : start + PER_CALL]
            calls = [(target, True, question + bytes(12) + place) for place in chunk]
            data = keccak(b"aggregate3((address,bool,bytes)[])")[:4] + encode(["(address,bool,bytes)[]"], [calls])
            call = {"to": multicall, "data": "0x" + data.hex(), "gas": hex(50_000_000)}
            answer = bytes.fromhex(rpc.call("eth_call", call, at_block(tip))[2:])
            (results,) = decode(["(bool,bytes)[]"], answer)
            for place, (done, said) in zip(chunk, results, strict=True):
                units = int.from_bytes(said, "big") if done else 0
                if units:
                    found.append((asset, place, units))
    return sorted(found)


def _report(spent: dict[str, list[float]], accounts: int) -> bool:
    for name, found in spent.items():
        middle = statistics.median(found)
        print(f"  {name:10} {middle * 1000:8.1f} ms ({min(found) * 1000:.1f} - {max(found) * 1000:.1f}), "
              f"{2 * accounts / middle:10,.0f} balances/s")  # fmt: skip
    is_met = True
    for name, goal in GOALS.items():
        ratios = [theirs / mine for theirs, mine in zip(spent["eth_abi"], spent[name], strict=True)]
        middle = statistics.median(ratios)
        is_met = is_met and middle >= goal
        print(f"  {name} is {middle:.1f} x Multicall3 through eth_abi ({min(ratios):.1f} - {max(ratios):.1f}), "
              f"goal >={goal}: {'met' if middle >= goal else 'MISSED'}")  # fmt: skip
    return is_met


def _scan(anvil: Anvil) -> bool:
    token = contracts.token(anvil, "TUSD", 6)
    rpc = Counting(anvil.url)
    node = EthereumAdapter(rpc, network=ANVIL, assets=[f"{ANVIL.chain}/erc20:{token}"])
    node.require_ready()
    costs = {}
    for issued in (1_000, 100_000):
        ours = {_place(number) for number in range(issued)}
        with anvil.mining_by_hand():
            for number in range(PAYMENTS):
                to = checksum_address(_place(number * (issued // PAYMENTS)))
                anvil.send(to, 5, gas=21_000)
                data = bytes.fromhex("a9059cbb") + contracts.encode(["address", "uint256"], [to, 5])
                anvil.send(token, data=data, gas=100_000)
            anvil.mine()
        tip = node.status().hash
        rpc.requests = rpc.calls = 0
        began = time.perf_counter()
        found = node.settle(node.block(tip), ours)
        took = time.perf_counter() - began
        arrived = [each for part in found.block.transactions for each in part.credits if each.locator in ours]
        if len(arrived) != 2 * PAYMENTS or found.doubts:
            raise RuntimeError(f"{len(arrived)} of {2 * PAYMENTS} deposits found")
        costs[issued] = (rpc.requests, rpc.calls)
        print(f"  a block with {2 * PAYMENTS} deposits beside {issued:>7,} addresses: {rpc.requests} requests, "
              f"{rpc.calls} calls, {took * 1000:.1f} ms")  # fmt: skip
    is_flat = len(set(costs.values())) == 1
    print(f"  node calls of a scan: {'flat' if is_flat else 'NOT FLAT'}")
    return is_flat


if __name__ == "__main__":
    sys.exit(main())
