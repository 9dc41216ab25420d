"""What a reconciliation looks at and what it finds. Amounts are base units of one asset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Outpoint = tuple[str, int]


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
    """One vault at the pinned block, told three times."""

    vault: str
    kind: str
    clients: tuple[str, ...]
    node: Mapping[Outpoint, int]
    """Unspent outputs as the node counts them."""
    coins: Mapping[Outpoint, int]
    """Unspent outputs as we indexed them."""
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
    def coin_units(self) -> int:
        """What we indexed."""
        return sum(self.coins.values())

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
    """Everything the checks read, as of one block and one moment of the database."""

    chain: str
    asset: str
    height: int
    hash: str
    vaults: tuple[VaultTruth, ...]
    owed: Mapping[str, int]
    """Per client: available + held + pledged less what a reorg left it owing."""
    trial: int
    """The signed sum of all accounts of the asset: zero."""


@dataclass(frozen=True, slots=True)
class Break:
    """A difference that nothing in flight explains."""

    vault: str
    check: str
    expected: int
    found: int
    detail: str

    def to_json(self) -> dict[str, str]:
        """As commands print it."""
        return {
            "vault": self.vault,
            "check": self.check,
            "expected": str(self.expected),
            "found": str(self.found),
            "detail": self.detail,
        }


@dataclass(frozen=True, slots=True)
class RunResult:
    """One finished run."""

    id: str
    kind: str
    snapshot: Snapshot
    breaks: tuple[Break, ...]
    started_at: datetime
    finished_at: datetime

    @property
    def is_balanced(self) -> bool:
        """Whether nothing is left unexplained."""
        return not self.breaks

    def to_json(self) -> dict[str, Any]:
        """The run as commands print it."""
        return {
            "id": self.id,
            "kind": self.kind,
            "chain": self.snapshot.chain,
            "asset": self.snapshot.asset,
            "height": self.snapshot.height,
            "hash": self.snapshot.hash,
            "balanced": self.is_balanced,
            "vaults": lines(self.snapshot),
            "breaks": [item.to_json() for item in self.breaks],
        }


def lines(snapshot: Snapshot) -> list[dict[str, Any]]:
    """One line per vault: node, index, movements, ledger, what is in flight, and the difference left."""
    return [
        {
            "vault": item.vault,
            "kind": item.kind,
            "node": str(item.chain_units),
            "coins": str(item.coin_units),
            "movements": str(item.movements),
            "ledger": str(item.onchain),
            "suspense": str(item.suspense),
            "in_flight": [flying.to_json() for flying in item.in_flight],
            "difference": str(item.chain_units - item.expected_units),
        }
        for item in snapshot.vaults
    ]
