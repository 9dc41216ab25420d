"""A return as others see it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """How far a return is. What people say of it stands at its intent."""

    ASKED = "asked"
    AWAITING_SIGNATURES = "awaiting_signatures"
    SIGNED = "signed"
    RETURNED = "returned"
    FAILED = "failed"
    """Its turn is used up and nobody was paid: the stray is still there."""
    REFUSED = "refused"
    """No quorum of cosigners is left: it can be asked for anew."""


@dataclass(frozen=True, slots=True)
class Return:
    """One stray on its way to somebody."""

    id: str
    digest: str
    chain: str
    txid: str
    position: int
    vault: str
    client: str
    asset: str
    units: int
    state: State
    spend: str | None
    ended_height: int | None

    def to_json(self) -> dict[str, Any]:
        """As the API and commands show it."""
        return {
            "id": self.id,
            "intent_digest": self.digest,
            "chain": self.chain,
            "txid": self.txid,
            "position": self.position,
            "vault": self.vault,
            "client": self.client,
            "asset": self.asset,
            "units": str(self.units),
            "status": self.state.value,
            "spend": self.spend,
            "height": self.ended_height,
        }
