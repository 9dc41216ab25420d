"""A chain of one's own, which can be told what to do. Nothing here can move a clock, and no client's key is near it."""

from __future__ import annotations

from typing import Protocol

from custody.kernel.errors import Refused


class NoFaucet(Refused):
    """The node of a sandbox has nothing of its own to pay from."""

    code = "no-faucet"


class Sandbox(Protocol):
    """A node that does what it is told: there is one for networks of one's own alone (``registry.SANDBOXES``).

    Every method raises ``NodeUnavailable`` where it is silent and ``NodeRefused`` where it says no.
    """

    def mine(self, blocks: int) -> None:
        """Make ``blocks`` blocks of what waits."""

    def pay(self, address: str, units: int) -> str:
        """Send ``units`` of the chain's own asset from the node's own money; the transaction's id, nothing mined.

        Raises ``NoFaucet``.
        """

    def reorganise(self, depth: int) -> None:
        """Undo the newest ``depth`` blocks and put one more empty ones in their place."""
