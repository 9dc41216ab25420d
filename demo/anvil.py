"""An Ethereum node of our own: its process, and its chain over restarts and kills. What it can do is ``EvmNode``'s."""

from __future__ import annotations

import gzip
import http.client
from collections.abc import Mapping
from pathlib import Path

from demo.child import Child, free_port
from demo.evm.node import EvmNode
from demo.find import anvil_program
from demo.server import Server

# The rules contracts run under; named, so that gas is the same whatever the program's own default is.
HARDFORK = "osaka"
# Balances at old blocks must be there after a restart too, as they are on a node that keeps running.
SWITCHES = ("--quiet", "--no-cors", "--preserve-historical-states")


class Anvil(Server, EvmNode):
    """One node under ``home/NAME``; a chain it finds there goes on, else ``chain``, what another node's ``dump`` gave.

    ``options`` are further settings by their long names: ``{"gas-limit": "…"}``. Snapshots are forgotten by a restart.
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
        self.port = free_port()
        # There is no password, and no secret behind the door.
        EvmNode.__init__(self, f"http://127.0.0.1:{self.port}", name=name)
        self.home, self.chain_id = home, chain_id
        self._chain = chain
        self._options = dict(options or {})

    def await_ready(self, *, seconds: float = 60) -> None:
        """Wait until it answers, and open the faucet."""
        super().await_ready(seconds=seconds)
        self.open_faucet()

    def kill(self, *, keep_chain: bool = True) -> None:
        """SIGKILL, as a power cut would. Without ``keep_chain`` the next start has the chain of the last clean stop."""
        if keep_chain and self.is_ready():
            self._state.write_bytes(self.dump())
        super().kill()

    def dump(self) -> bytes:
        """The chain as it is, with its old states: another node can be started from it."""
        return gzip.decompress(bytes.fromhex(self.rpc("anvil_dumpState", True)[2:]))

    def is_ready(self) -> bool:
        """Whether it answers for its chain."""
        try:
            return bool(self.rpc("eth_chainId") == hex(self.chain_id))
        except (OSError, http.client.HTTPException):
            return False

    @property
    def ws_url(self) -> str:
        """The same door for subscriptions: ``ws://127.0.0.1:PORT``."""
        return f"ws://127.0.0.1:{self.port}"

    @property
    def _state(self) -> Path:
        return self.folder / "state.json"

    def _new_child(self) -> Child:
        """Find the program, make its folder and put there the chain it begins with."""
        self.folder.mkdir(parents=True, exist_ok=True)
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
        return Child(self.name, argv, log=self.log, cwd=self.folder)
