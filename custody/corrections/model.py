"""Which entries can be posted by hand: from which account to which, for which typed reason (I5).

Accounts are written as the ledger shows them: ``available`` and ``receivable`` of the client the request names,
``suspense/<vault>`` and ``onchain/<vault>``. No pair touches two clients, and none moves what is a client's to the
house.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from custody.evidence.requests import ManualEntryRequest
from custody.kernel.errors import InvalidInput
from custody.ledger.model import HOUSE, AccountKind, AccountRef, Posting, Reason

REASONS: Final = {
    (AccountKind.SUSPENSE, AccountKind.AVAILABLE): Reason.SUSPENSE_RESOLVED,
    (AccountKind.AVAILABLE, AccountKind.SUSPENSE): Reason.SUSPENSE_RESTORED,
    (AccountKind.AVAILABLE, AccountKind.RECEIVABLE): Reason.RECEIVABLE_REPAID,
    (AccountKind.ONCHAIN, AccountKind.SUSPENSE): Reason.FOUND_ON_CHAIN,
    (AccountKind.SUSPENSE, AccountKind.ONCHAIN): Reason.LOST_ON_CHAIN,
}
"""Debited and credited account to why: what was nobody's is somebody's, and back; a deficit is repaid; the chain holds
more than was booked, or less."""

OF_CLIENTS: Final = (AccountKind.AVAILABLE, AccountKind.RECEIVABLE)
OF_VAULTS: Final = (AccountKind.SUSPENSE, AccountKind.ONCHAIN)


@dataclass(frozen=True, slots=True)
class Correction:
    """One entry by hand, its accounts read."""

    reason: Reason
    debit: AccountRef
    credit: AccountRef
    units: int

    @property
    def client(self) -> str | None:
        """The client whose account it moves; None where it is nobody's."""
        return next((each.owner for each in (self.debit, self.credit) if each.kind in OF_CLIENTS), None)

    @property
    def vault(self) -> str | None:
        """The vault whose account it moves; None where both accounts are the client's."""
        return next((each.owner for each in (self.debit, self.credit) if each.kind in OF_VAULTS), None)

    @property
    def postings(self) -> tuple[Posting, ...]:
        """Debited first."""
        return (Posting(self.debit, -self.units), Posting(self.credit, self.units))


def read(request: ManualEntryRequest) -> Correction:
    """The entry a request asks for. Raises ``InvalidInput`` naming the field, and what is accepted."""
    debit, credit = (_account(request, name) for name in ("debit", "credit"))
    reason = REASONS.get((debit.kind, credit.kind))
    if reason is None:
        accepted = "; ".join(f"{one} to {other}" for one, other in REASONS)
        raise InvalidInput(f"cannot be posted to from {debit.kind}; accepted are {accepted}", field="request.credit")
    found = Correction(reason, debit, credit, request.amount)
    if debit.kind in OF_VAULTS and credit.kind in OF_VAULTS and debit.owner != credit.owner:
        raise InvalidInput("is of another vault than the debited account", field="request.credit")
    if (found.client is None) != (request.client == HOUSE):
        raise InvalidInput(f"accepted is {HOUSE} where no client's account is moved", field="request.client")
    return found


def _account(request: ManualEntryRequest, name: str) -> AccountRef:
    field = f"request.{name}"
    kind, _, owner = str(getattr(request, name)).partition("/")
    if kind in OF_VAULTS and owner:
        return AccountRef(AccountKind(kind), owner, request.asset)
    if kind in OF_CLIENTS and not owner:
        if request.client == HOUSE:
            raise InvalidInput("a client's account, of no client", field=field)
        return AccountRef(AccountKind(kind), request.client, request.asset)
    named = ", ".join([*OF_CLIENTS, *(f"{each}/<vault>" for each in OF_VAULTS)])
    raise InvalidInput(f"not an account that is posted to by hand; accepted are {named}", field=field)
