"""An Ethereum node of our own, with what tests and the story do to a chain.

No account in it has a key: money comes from the faucet, an address nobody can sign for and this node alone sends
from. Amounts are wei (``_wei``). Every transaction is mined at once, in a block of its own, until ``automine(False)``.
"""

from __future__ import annotations

import gzip
import http.client
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from demo.bitcoind import NodeRefused
from demo.child import Child, ServerFailed, free_port
from demo.find import anvil_program

# The last 20 bytes of sha256("custody demo faucet"): an address without a key.
FAUCET = "0xEE25871219b594eCc305069B01688F65c6d3A7a5"
FAUCET_WEI = 10**27
# The rules contracts run under; named, so that gas is the same whatever the program's own default is.
HARDFORK = "osaka"
# Balances at old blocks must be there after a restart too, as they are on a node that keeps running.
SWITCHES = ("--quiet", "--no-cors", "--preserve-historical-states")
PLAIN_TRANSFER_GAS = 21_000
_RECEIPT_SECONDS = 20


class Anvil:
    """One node under ``home/NAME``; a chain it finds there goes on, else ``chain``, what another node's ``dump`` gave.

    ``options`` are further settings by their long names: ``{"gas-limit": "…"}``.
    """

    def __init__(
        self,
        home: Path,
        *,
        name: str = "anvil",
        chain_id: int = 31337,
        chain: bytes | None = None,
        options: Mapping[str, str] | None = None,
    ) -> None:
        self.home, self.name, self.chain_id = home, name, chain_id
        self.port = free_port()
        self._chain = chain
        self._options = dict(options or {})
        self._child: Child | None = None

    def start(self, *, seconds: float = 60) -> None:
        """Start it and wait until it answers. Raises ``ServerFailed`` and ``MissingComponent``."""
        self.prepare()
        self.launch()
        self.await_ready(seconds=seconds)

    def prepare(self) -> None:
        """Find the program, make its folder and put there the chain it begins with."""
        if self._child:
            return
        folder = self.home / self.name
        folder.mkdir(parents=True, exist_ok=True)
        if self._chain is not None and not self._state.exists():
            self._state.write_bytes(self._chain)
        settings = {
            "host": "127.0.0.1",
            "port": str(self.port),
            "chain-id": str(self.chain_id),
            "accounts": "0",
            "hardfork": HARDFORK,
            # With the default of 32 the tags safe and finalized stay at 0 for 64 blocks.
            "slots-in-an-epoch": "1",
            "state": str(self._state),
            **self._options,
        }
        words = [word for name, value in settings.items() for word in (f"--{name}", value)]
        argv: list[str | Path] = [anvil_program(), *SWITCHES, *words]
        self._child = Child(self.name, argv, log=self.log, cwd=folder)

    def launch(self) -> int:
        """Start the process without waiting for it and return its id."""
        return self._running_child.start()

    def await_ready(self, *, seconds: float = 60) -> None:
        """Wait until it answers, and open the faucet."""
        self._running_child.await_ready(self.is_ready, seconds=seconds)
        self.rpc("anvil_setBalance", FAUCET, hex(FAUCET_WEI))
        self.rpc("anvil_impersonateAccount", FAUCET)

    def stop(self) -> None:
        """Ask it to end; it writes its chain first."""
        if self._child:
            self._child.stop()

    def kill(self, *, keep_chain: bool = True) -> None:
        """SIGKILL, as a power cut would. Without ``keep_chain`` the next start has the chain of the last clean stop."""
        if keep_chain and self.is_ready():
            self._state.write_bytes(self.dump())
        self._running_child.kill()

    def dump(self) -> bytes:
        """The chain as it is, with its old states: another node can be started from it."""
        return gzip.decompress(bytes.fromhex(self.rpc("anvil_dumpState", True)[2:]))

    def restart(self) -> None:
        """Stop and start again, on the same port with the same chain; snapshots are forgotten."""
        self.stop()
        self.start()

    def is_running(self) -> bool:
        """Whether its process is there."""
        return self._child is not None and self._child.is_running()

    def is_ready(self) -> bool:
        """Whether it answers for its chain."""
        try:
            return bool(self.rpc("eth_chainId") == hex(self.chain_id))
        except (OSError, http.client.HTTPException):
            return False

    @property
    def pid(self) -> int:
        """The process id."""
        return self._running_child.pid

    @property
    def log(self) -> Path:
        """Its log file."""
        return self.home / "logs" / f"{self.name}.log"

    @property
    def url(self) -> str:
        """``http://127.0.0.1:PORT``; there is no password, and no secret behind it."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        """The same door for subscriptions: ``ws://127.0.0.1:PORT``."""
        return f"ws://127.0.0.1:{self.port}"

    def rpc(self, method: str, *params: Any) -> Any:
        """Call the node. Raises ``NodeRefused`` with the node's own error, ``OSError`` when nobody answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)})
            connection.request("POST", "/", body, {"Content-Type": "application/json"})
            return _answer(connection.getresponse())
        finally:
            connection.close()

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
        """Whether each transaction is mined at once. What waited before it was switched on waits for ``mine``."""
        self.rpc("evm_setAutomine", on)

    @contextmanager
    def mining_by_hand(self) -> Iterator[None]:
        """Nothing is mined but by ``mine`` inside the block; what still waits at its end is mined then."""
        self.automine(False)
        try:
            yield
        finally:
            self.automine(True)
            if self.rpc("txpool_status")["pending"] != "0x0":
                self.mine()

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

    @property
    def _state(self) -> Path:
        return self.home / self.name / "state.json"

    @property
    def _running_child(self) -> Child:
        if self._child is None:
            raise ServerFailed("was never started", field=self.name)
        return self._child


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
