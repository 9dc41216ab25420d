"""What is stuck: since when, why, what it means for the money, who can mend it and which runbook says how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy.orm import Session

from custody.reconciliation import stuck as queue
from custody.reconciliation.stuck import Deadlines, StuckRow
from custody.views.objects import when


@dataclass(frozen=True, slots=True)
class Advice:
    """What a kind of stuck thing means and asks for. ``runbook`` is a file of docs/runbooks."""

    money: str
    who: str
    runbook: str


_PAYMENT: Final = "stuck-withdrawal.md"
_SENT: Final = Advice("The payment is sent; the chain decides when it lands.", "operators", _PAYMENT)
ADVICE: Final[Mapping[tuple[str, str], Advice]] = {
    ("withdrawal", "pending_approval"): Advice("Nothing is sent; the amount is held.", "the people asked", _PAYMENT),
    ("withdrawal", "awaiting_signatures"): Advice("Nothing is sent; cosigners may sign it.", "cosigners", _PAYMENT),
    ("withdrawal", "broadcast"): _SENT,
    ("withdrawal", "confirmed"): _SENT,
    ("bundle", "open"): Advice("Nothing is sent; the quorum is not reached.", "cosigners", "cosigner-lost.md"),
    ("deposit", "unbacked"): Advice("Money in the books is not on the chain.", "operators", "break-found.md"),
}
"""By kind and state, where the state matters."""
_BY_KIND: Final[Mapping[str, Advice]] = {
    "withdrawal": Advice("Nothing is sent; the amount is held.", "the daemon, then operators", _PAYMENT),
    "deposit": Advice("The money is not credited yet.", "the chain, then operators", "node-down.md"),
    "intent": Advice("Nothing is changed.", "the people asked", _PAYMENT),
    "message": Advice("Nothing is lost; a worker has not taken it up.", "operators", _PAYMENT),
    "asset": Advice("Nothing of the asset is credited or paid.", "operators", "break-found.md"),
    "carriage": Advice("The payment is signed; its carrier is not on the chain.", "operators", "payer.md"),
    "spend": Advice("The payment is signed and not sent.", "operators", "payer.md"),
    "payer": Advice("What is signed on this chain is not sent.", "operators", "payer.md"),
    "comparison": Advice("Arrivals may be on the chain and in nobody's books.", "operators", "node-down.md"),
}
_OTHER: Final = Advice("Nothing moves until somebody looks.", "operators", _PAYMENT)


def stuck(
    session: Session, *, deadlines: Mapping[str, Deadlines], now: datetime, limit: int | None = None
) -> dict[str, Any]:
    """What is past its deadline, the oldest ``limit`` of it first (None: all), and how much there is."""
    shown, number = queue.oldest(session, deadlines=deadlines, now=now, limit=limit)
    return {"rows": [_line(row, now) for row in shown], "number": number, "more": number > len(shown)}


def advice(kind: str, state: str) -> Advice:
    """What that means for the money, who can mend it, and by which runbook."""
    return ADVICE.get((kind, state)) or _BY_KIND.get(kind, _OTHER)


def _line(row: StuckRow, now: datetime) -> dict[str, Any]:
    said = advice(row.kind, row.state)
    return row.to_json() | {
        "since": when(now - timedelta(seconds=row.age_seconds)),
        "money": said.money,
        "who": said.who,
        "runbook": said.runbook,
    }
