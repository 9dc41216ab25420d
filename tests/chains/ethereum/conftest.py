"""Fixtures for tests of the Ethereum adapter on a real node, and nodes that offer less than this one does."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import pytest
from eth_account import Account

from custody.chains.ethereum.adapter import EthereumAdapter
from custody.chains.ethereum.offline.network import network
from custody.chains.ethereum.rpc import Rpc
from custody.chains.port import Block, NodeRefused
from demo.servers import Anvil
from tests.support.evm import Contract

ANVIL = network("anvil")
ETHER = 10**18
NATIVE = ANVIL.asset.id

NO_TRACES = ("trace_block", "debug_traceBlockByHash")


class Limited(Rpc):
    """A node that has no method of ``missing``, and refuses those of ``refusing`` with the words given."""

    def __init__(self, url: str, *, missing: Collection[str] = (), refusing: Mapping[str, str] | None = None) -> None:
        super().__init__(url)
        self.missing, self.refusing = set(missing), dict(refusing or {})
        self.ignores_overrides = False
        self.requests: list[list[str]] = []

    def call(self, method: str, *params: Any, timeout_seconds: float | None = None) -> Any:
        refused = self._refusal(method)
        if refused is not None:
            raise refused
        self.requests.append([method])
        if self.ignores_overrides and method == "eth_call":
            params = params[:2]
        return super().call(method, *params, timeout_seconds=timeout_seconds)

    def batch(self, calls: Sequence[Any], *, timeout_seconds: float | None = None) -> list[Any]:
        self.requests.append([method for method, _ in calls])
        if self.ignores_overrides:
            calls = [(method, params[:2] if method == "eth_call" else params) for method, params in calls]
        answers = super().batch(calls, timeout_seconds=timeout_seconds)
        return [self._refusal(method) or answer for (method, _), answer in zip(calls, answers, strict=True)]

    def _refusal(self, method: str) -> NodeRefused | None:
        if method in self.missing:
            return NodeRefused("no", rpc_code=-32601, rpc_message=f"the method {method} does not exist")
        if method in self.refusing:
            return NodeRefused("no", rpc_code=-32000, rpc_message=self.refusing[method])
        return None


def token_id(token: Contract | str) -> str:
    address = token if isinstance(token, str) else token.address
    return f"{ANVIL.chain}/erc20:{address}"


def adapter_for(anvil: Anvil, *tokens: Contract | str, rpc: Rpc | None = None, **options: Any) -> EthereumAdapter:
    assets = [token_id(token) for token in tokens]
    return EthereumAdapter(rpc or Rpc(anvil.url), network=ANVIL, assets=assets, **options)


def raw(address: str) -> bytes:
    return bytes.fromhex(address[2:])


def newest(node: EthereumAdapter) -> Block:
    return node.block(node.status().hash)


def credited(block: Block, address: str, asset: str = NATIVE) -> list[int]:
    """What the block brings to an address, move by move."""
    return [
        credit.units
        for transaction in block.transactions
        for credit in transaction.credits
        if (credit.locator, credit.asset) == (raw(address), asset)
    ]


def debited(block: Block, address: str, asset: str = NATIVE) -> list[tuple[int, str]]:
    """What the block takes from an address, and by which spend."""
    return [
        (debit.units or 0, debit.spend)
        for transaction in block.transactions
        for debit in transaction.debits
        if (debit.locator, debit.asset) == (raw(address), asset)
    ]


class EthereumDriver:
    """Somebody with money and a key, on a node that mines when it is told to."""

    asset = NATIVE
    remembers_lost_blocks = False

    def __init__(self, anvil: Anvil) -> None:
        self.anvil = anvil
        self.node = adapter_for(anvil)
        self._account = Account.create()
        self._places = itertools.count()
        self._sent: dict[str, str] = {}
        anvil.rpc("anvil_setBalance", self._account.address, hex(10**6 * ETHER))
        anvil.automine(False)

    def new_locator(self) -> bytes:
        """20 bytes nobody has a key of."""
        return raw(Account.create().address)[:16] + next(self._places).to_bytes(4, "big")

    def pay(self, locator: bytes, units: int) -> str:
        return self._send(self._payment(locator, units))

    def signed(self) -> bytes:
        return self._payment(self.new_locator(), 50_000)

    def confirm(self, blocks: int = 1) -> None:
        self.anvil.mine(blocks)

    def reorganise(self, depth: int) -> None:
        """As a node does it: what left the chain waits again, which anvil alone forgets."""
        self.anvil.reorg(depth)
        self.anvil.mine(1)
        for txid, sent in self._sent.items():
            if self.anvil.rpc("eth_getTransactionReceipt", txid) is None:
                self.anvil.rpc("eth_sendRawTransaction", sent)

    def _payment(self, locator: bytes, units: int) -> bytes:
        payment = {
            "to": locator,
            "value": units,
            "nonce": int(self.anvil.rpc("eth_getTransactionCount", self._account.address, "pending"), 16),
            "gas": 21_000,
            "chainId": self.anvil.chain_id,
            "maxFeePerGas": 10**10,
            "maxPriorityFeePerGas": 10**9,
        }
        return bytes(self._account.sign_transaction(payment).raw_transaction)

    def _send(self, payment: bytes) -> str:
        sent = f"0x{payment.hex()}"
        txid: str = self.anvil.rpc("eth_sendRawTransaction", sent)
        self._sent[txid] = sent
        return txid


@pytest.fixture
def driver(anvil: Anvil) -> Iterator[EthereumDriver]:
    yield EthereumDriver(anvil)
