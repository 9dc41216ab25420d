"""A withdrawal as other rooms and the doors see it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from custody.chains.spending import Order
from custody.withdrawals.states import State

PREFIXES: Final = ("wdr", "swp")
"""Of the ids: a payment to the outside, and a sweep, which goes the same road."""


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """One withdrawal. Amounts are base units of ``asset``."""

    id: str
    digest: str
    client: str
    vault: str
    kind: str
    """``withdrawal`` or ``sweep``."""
    chain: str
    asset: str
    units: int
    max_fee_units: int
    destination: str
    locator: bytes
    hold: str | None
    state: State
    waiting_for: str | None
    requested_at: datetime
    state_since: datetime
    fee_units: int | None
    """What the client bore of the network fee; None until it is paid."""
    txid: str | None
    respend: str | None
    """Digest of the newest intent to give it up after a signature may exist."""
    reference: str | None = None
    """What the client's own books call it: told beside it, and signed by nobody."""

    def order(self, *, ceiling_units: int) -> Order:
        """What spends is asked to pay; nobody, once it is being given up."""
        return Order(
            withdrawal=self.id,
            vault=self.vault,
            chain=self.chain,
            asset=self.asset,
            locator=self.locator,
            units=self.units,
            ceiling_units=ceiling_units,
            pays_nobody=self.state == State.CANCELLING,
            leaves_nothing=self.kind == "sweep",
        )


NEXT_ACTOR = {
    State.REQUESTED: "nobody",
    State.PENDING_APPROVAL: "operators",
    State.APPROVED: "nobody",
    State.AWAITING_SIGNATURES: "cosigners",
    State.SIGNED: "nobody",
    State.BROADCAST: "chain",
    State.CONFIRMED: "chain",
    State.CANCELLING: "cosigners",
}
"""Who is awaited in each state; final states await nobody."""


@dataclass(frozen=True, slots=True)
class Step:
    """One move of a withdrawal's state."""

    step: int
    from_state: str
    to_state: str
    event: str
    actor: str
    at: datetime
