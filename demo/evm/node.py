"""What tests and the story do to an Ethereum chain, through the door of a development node (anvil).

No account in it has a key: money comes from the faucet, an address nobody can sign for and this node alone sends
from. Amounts are wei (``_wei``). Every transaction is mined at once, in a block of its own, until ``automine(False)``.
"""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from demo.bitcoind import NodeRefused
from demo.child import ServerFailed

# The last 20 bytes of sha256("custody demo faucet"): an address without a key.
FAUCET = "0xEE25871219b594eCc305069B01688F65c6d3A7a5"
FAUCET_WEI = 10**27
PLAIN_TRANSFER_GAS = 21_000
_RECEIPT_SECONDS = 20


class EvmNode:
    """A development node that answers at ``url``; who started it does not matter."""

    def __init__(self, url: str, *, name: str = "anvil") -> None:
        self.url, self.name = url, name

    def rpc(self, method: str, *params: Any) -> Any:
        """Call the node. Raises ``NodeRefused`` with the node's own error, ``OSError`` when nobody answers."""
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=60)
        try:
            body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)})
            connection.request("POST", "/", body, {"Content-Type": "application/json"})
            return _answer(connection.getresponse())
        finally:
            connection.close()

    def open_faucet(self) -> None:
        """Fill the faucet and let the node send from it."""
        self.open_account(FAUCET, FAUCET_WEI)

    def height(self) -> int:
        """The number of the newest block."""
        return int(self.rpc("eth_blockNumber"), 16)

    def balance_wei(self, address: str) -> int:
        """What an address has at the newest block, in wei."""
        return int(self.rpc("eth_getBalance", address, "latest"), 16)

    def send(
        self, to: str | None, amount_wei: int = 0, data: bytes = b"", *, sender: str = FAUCET, gas: int | None = None
    ) -> str:
        """Send from the faucet and return the transaction's hash; ``to=None`` makes a contract.

        It is mined a moment after this returns: ``receipt`` waits for it, and ``transact`` does both.

        Without ``gas`` it is estimated, and what would fail is refused (``NodeRefused`` with the reason); with it the
        transaction is sent as it is. ``sender`` is another address that was opened with ``open_account``.
        """
        request = {"from": sender, "value": hex(amount_wei), "data": f"0x{data.hex()}"}
        if to is not None:
            request["to"] = to
        request["gas"] = hex(self._ample_gas(request) if gas is None else gas)
        sent: str = self.rpc("eth_sendTransaction", request)
        return sent

    def transact(
        self, to: str | None, amount_wei: int = 0, data: bytes = b"", *, sender: str = FAUCET, gas: int | None = None
    ) -> dict[str, Any]:
        """``send`` and wait for the receipt; raises ``ServerFailed`` when it says that the transaction failed."""
        receipt = self.receipt(self.send(to, amount_wei, data, sender=sender, gas=gas))
        if receipt["status"] != "0x1":
            raise ServerFailed(f"transaction {receipt['transactionHash']} failed", field=self.name)
        return receipt

    def receipt(self, transaction: str, *, seconds: float = _RECEIPT_SECONDS) -> dict[str, Any]:
        """The receipt of a transaction, as soon as it is mined; raises ``ServerFailed`` after ``seconds``."""
        limit = time.monotonic() + seconds
        while True:
            found: dict[str, Any] | None = self.rpc("eth_getTransactionReceipt", transaction)
            if found:
                return found
            if time.monotonic() > limit:
                raise ServerFailed(f"transaction {transaction} not mined after {seconds:g} s", field=self.name)
            time.sleep(0.005)

    def open_account(self, address: str, amount_wei: int = 10**20) -> str:
        """Let this node send from ``address`` without its key, with at least ``amount_wei``; returns the address."""
        if self.balance_wei(address) < amount_wei:
            self.rpc("anvil_setBalance", address, hex(amount_wei))
        self.rpc("anvil_impersonateAccount", address)
        return address

    def credit(self, address: str, amount_wei: int) -> None:
        """Add to a balance as a block withdrawal does: no transaction, no log and no trace shows it."""
        self.rpc("anvil_setBalance", address, hex(self.balance_wei(address) + amount_wei))

    def mine(self, blocks: int = 1) -> int:
        """Mine what waits, then empty blocks, ``blocks`` in all; returns the new height."""
        self.rpc("anvil_mine", hex(blocks))
        return self.height()

    def automine(self, on: bool) -> None:
        """Whether each transaction is mined at once. Switched on, what waits is mined a moment later, by itself."""
        self.rpc("evm_setAutomine", on)

    @contextmanager
    def mining_by_hand(self) -> Iterator[None]:
        """Nothing is mined but by ``mine`` inside the block; what still waits at its end is mined then."""
        self.automine(False)
        try:
            yield
        finally:
            # Before automining is on: it would mine them as well, and there would be an empty block more.
            if self.rpc("txpool_status")["pending"] != "0x0":
                self.mine()
            self.automine(True)

    def reorg(self, depth: int, *, transactions: Sequence[tuple[str, int]] = ()) -> list[str]:
        """Replace the last ``depth`` blocks by others and return their hashes; the height stays.

        What stood in the undone blocks is dropped and does not come back by itself, not even to the pool: only
        ``transactions`` are mined, each raw transaction in the rival block of its number, counted from 0.
        """
        self.rpc("anvil_reorg", depth, [list(pair) for pair in transactions])
        first = self.height() - depth + 1
        return [self.rpc("eth_getBlockByNumber", hex(first + number), False)["hash"] for number in range(depth)]

    def snapshot(self) -> str:
        """Remember the chain as it is; ``revert`` uses the snapshot up."""
        remembered: str = self.rpc("evm_snapshot")
        return remembered

    def revert(self, snapshot: str) -> None:
        """Bring the chain back to ``snapshot``; what waits in the pool, and ``automine``, stay as they are.

        Raises ``ServerFailed`` when the node no longer has it: used up, before a restart, or above a reorg.
        """
        try:
            done = self.rpc("evm_revert", snapshot)
        except NodeRefused:
            done = False
        if not done:
            raise ServerFailed("the snapshot is gone", field=self.name)

    def _ample_gas(self, request: Mapping[str, str]) -> int:
        # An estimate is the least with which nothing fails visibly: a call inside may still be starved of gas.
        estimate = int(self.rpc("eth_estimateGas", request), 16)
        return estimate + 2 * (estimate - PLAIN_TRANSFER_GAS)


def _answer(response: http.client.HTTPResponse) -> Any:
    text = response.read().decode()
    try:
        answer = json.loads(text)
    except ValueError:
        raise NodeRefused(f"HTTP {response.status}", number=-response.status, field="anvil") from None
    if "error" in answer:
        error = answer["error"]
        raise NodeRefused(error["message"], number=error["code"], field="anvil", data=error.get("data"))
    return answer["result"]
