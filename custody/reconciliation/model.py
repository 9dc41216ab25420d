"""What a reconciliation looks at and what it finds. Amounts are base units of the asset a snapshot is of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

Place = tuple[str, int | None]
"""Where something lies: a coin's (txid, position), or on a chain without coins an address's (locator in hex, None)."""


def name_of(place: Place) -> str:
    """``txid:position``, or the locator."""
    first, position = place
    return first if position is None else f"{first}:{position}"


@dataclass(frozen=True, slots=True)
class InFlight:
    """One named reason why chain and books may differ at this moment. ``units``: what the chain has more."""

    kind: str
    subject: str
    units: int

    def to_json(self) -> dict[str, str]:
        """As runs store it and tables show it."""
        return {"kind": self.kind, "subject": self.subject, "units": str(self.units)}


@dataclass(frozen=True, slots=True)
class VaultTruth:
    """One vault and asset at the pinned block, told three times."""

    vault: str
    kind: str
    clients: tuple[str, ...]
    node: Mapping[Place, int]
    """Coins or balances as the node counts them."""
    indexed: Mapping[Place, int]
    """The same as we indexed them: our coins, or what the movements of each address add up to."""
    movements: int
    """What came in less what went out, over all recorded movements."""
    onchain: int
    """What the ledger says the vault holds, now."""
    suspense: int
    in_flight: tuple[InFlight, ...]

    @property
    def chain_units(self) -> int:
        """What the node holds for the vault."""
        return sum(self.node.values())

    @property
    def indexed_units(self) -> int:
        """What we indexed."""
        return sum(self.indexed.values())

    @property
    def in_flight_units(self) -> int:
        """The sum of what is named as in flight."""
        return sum(item.units for item in self.in_flight)

    @property
    def expected_units(self) -> int:
        """What the chain must hold for the books to be right."""
        return self.onchain + self.in_flight_units


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything the checks read of one asset, as of one block and one moment of the database."""

    chain: str
    asset: str
    has_coins: bool
    """Whether places are coins; else they are addresses with a balance."""
    height: int
    hash: str
    vaults: tuple[VaultTruth, ...]
    owed: Mapping[str, int]
    """Per client: available + held + pledged less what a reorg left it owing."""
    trial: int
    """The signed sum of all accounts of the asset: zero."""
    is_silent: bool = False
    """The asset does not say what anybody has: nothing of the node's is known."""


SUMS: Final = ("ledger-is-the-chain", "every-unit-is-somebodys")
"""Checks whose two sides move with every deposit and payment: a known difference is told by its size."""


@dataclass(frozen=True, slots=True)
class Break:
    """A difference that nothing in flight explains."""

    vault: str
    asset: str
    check: str
    expected: int
    found: int
    detail: str

    @property
    def difference(self) -> int:
        """What is there more than should be, in base units of the asset."""
        return self.found - self.expected

    def is_like(self, other: Break) -> bool:
        """Whether both are one difference: word for word, or by as much where both compare sums that move."""
        if (self.vault, self.asset, self.check) != (other.vault, other.asset, other.check):
            return False
        if (self.expected, self.found, self.detail) == (other.expected, other.found, other.detail):
            return True
        return self.check in SUMS and self.difference == other.difference != 0

    def to_json(self) -> dict[str, str]:
        """As commands print it."""
        return {
            "vault": self.vault,
            "asset": self.asset,
            "check": self.check,
            "expected": str(self.expected),
            "found": str(self.found),
            "detail": self.detail,
        }


@dataclass(frozen=True, slots=True)
class RunResult:
    """One finished run over every asset of a chain."""

    id: str
    kind: str
    snapshots: tuple[Snapshot, ...]
    """One for each asset, the chain's own first, all of the same block."""
    breaks: tuple[Break, ...]
    started_at: datetime
    finished_at: datetime
    known: tuple[Break, ...] = ()
    """Differences that people explained by an intent, unchanged since."""

    @property
    def height(self) -> int:
        """Height of the block compared at."""
        return self.snapshots[0].height

    @property
    def is_balanced(self) -> bool:
        """Whether nothing is left unexplained."""
        return not self.breaks

    def to_json(self) -> dict[str, Any]:
        """The run as commands print it; ``asset`` is the chain's own, each line names its own."""
        first = self.snapshots[0]
        return {
            "id": self.id,
            "kind": self.kind,
            "chain": first.chain,
            "asset": first.asset,
            "height": first.height,
            "hash": first.hash,
            "balanced": self.is_balanced,
            "vaults": [line for snapshot in self.snapshots for line in lines(snapshot)],
            "breaks": [item.to_json() for item in self.breaks],
            "known": [item.to_json() for item in self.known],
        }


def lines(snapshot: Snapshot) -> list[dict[str, Any]]:
    """One line per vault: node, index, movements, ledger, what is in flight, and the difference left."""
    return [
        {
            "vault": item.vault,
            "asset": snapshot.asset,
            "kind": item.kind,
            "node": str(item.chain_units),
            "coins": str(item.indexed_units),
            "movements": str(item.movements),
            "ledger": str(item.onchain),
            "suspense": str(item.suspense),
            "in_flight": [flying.to_json() for flying in item.in_flight],
            "difference": str(item.chain_units - item.expected_units),
        }
        for item in snapshot.vaults
    ]


def sums(snapshot: Snapshot) -> dict[str, str]:
    """All vaults of an asset in one line: node, books, what is in flight, and the difference left."""
    node = sum(item.chain_units for item in snapshot.vaults)
    books = sum(item.onchain for item in snapshot.vaults)
    in_flight = sum(item.in_flight_units for item in snapshot.vaults)
    return {
        "asset": snapshot.asset,
        "vaults": str(len(snapshot.vaults)),
        "node": str(node),
        "books": str(books),
        "in_flight": str(in_flight),
        "difference": str(node - books - in_flight),
    }
