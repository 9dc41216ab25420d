"""Values of a spend: its attempts as they are stored."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from custody.chains.spending import Coin, Earlier, Input, Turn


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt as stored. ``spend`` is the id by which movements name what took its inputs."""

    id: str
    withdrawal: str
    sequence: int
    chain: str
    vault: str
    inputs: tuple[Input, ...]
    spend: str
    fee_units: int
    weight: int
    change_index: int | None
    unsigned: str
    pays: bool
    """False: it uses the claims up for nothing, and gives the withdrawal up."""
    state: str
    final: bytes | None
    composed_at: datetime
    sent_at: datetime | None
    confirmed_height: int | None

    @property
    def claims(self) -> tuple[str, ...]:
        """What is reserved for it; any two attempts of a withdrawal share one (I6)."""
        return tuple(item.claim for item in self.inputs)

    @property
    def coins(self) -> tuple[Coin, ...]:
        """Those of its inputs that are coins."""
        return tuple(item for item in self.inputs if isinstance(item, Coin))

    @property
    def turns(self) -> tuple[Turn, ...]:
        """Those of its inputs that are turns."""
        return tuple(item for item in self.inputs if isinstance(item, Turn))

    @property
    def earlier(self) -> Earlier:
        """As a replacement sees it."""
        return Earlier(self.spend, self.inputs, self.fee_units, self.weight)


@dataclass(frozen=True, slots=True)
class Overtaken:
    """A withdrawal none of whose attempts can be carried out: something else used its turn, at this height."""

    withdrawal: str
    height: int
