"""Where leaving a keyset stands, and what is to be asked for next. Plain values; amounts are base units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from custody.chains.spending import Candidates
from custody.withdrawals.model import Withdrawal


@dataclass(frozen=True, slots=True)
class Succession:
    """One chain's keysets: the newest, and those that were left for it, oldest first."""

    chain: str
    newest: str
    older: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Opening:
    """A client with a vault of an older keyset and none of the newest: an opening is to be asked for."""

    client: str
    name: str
    segregation: str
    chain: str
    keyset: str
    branch: int
    is_asked: bool
    """Whether people are asked already."""


@dataclass(frozen=True, slots=True)
class Place:
    """What one client may have in one older vault, as money that could leave it now."""

    client: str
    vault: str
    is_shared: bool
    to: str | None
    """The client's vault of the newest keyset; None where it has none yet."""
    asset: str
    stopped: str
    """Why nothing may leave now; empty where it may."""
    candidates: Candidates


@dataclass(frozen=True, slots=True)
class Remaining:
    """What the books say vaults of one older keyset hold of one asset."""

    keyset: str
    asset: str
    units: int
    vaults: int


@dataclass(frozen=True, slots=True)
class Standing:
    """Everything a plan needs of the database, read in one unit."""

    successions: tuple[Succession, ...]
    openings: tuple[Opening, ...]
    places: tuple[Place, ...]
    available: Mapping[tuple[str, str], int]
    """By client and asset: no plan asks for more."""
    remaining: tuple[Remaining, ...]
    sweeps: tuple[Withdrawal, ...]
    """All there ever were, oldest first."""


@dataclass(frozen=True, slots=True)
class Step:
    """One sweep to ask for. ``max_fee_units`` is in the chain's own asset."""

    client: str
    chain: str
    asset: str
    out_of: str
    to: str
    units: int
    max_fee_units: int
    inputs: int
    """How many coins or accounts it empties."""


@dataclass(frozen=True, slots=True)
class Left:
    """What no step moves now, and why."""

    client: str
    vault: str
    asset: str
    units: int
    why: str


@dataclass(frozen=True, slots=True)
class RotationPlan:
    """What to ask for next, in this order."""

    steps: tuple[Step, ...]
    left: tuple[Left, ...]
