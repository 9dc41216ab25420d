"""A payment that was judged: asked for, permitted and agreed to. What remains is to prove that the bytes make it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from custody.cosigner.reasons import CosignerRefusal, Reason
from custody.cosigner.remembered import KnownOpening, PaidIntent
from custody.evidence.intents import Intent, VaultName
from custody.evidence.requests import (
    RespendRequest,
    StrayReturnRequest,
    SweepRequest,
    WithdrawalRequest,
    request_message,
)
from custody.kernel.money import Asset
from policies.decision import Decision
from policies.facts import Facts


@dataclass(frozen=True, slots=True)
class Destination:
    """Whom a request pays: the address in its canonical form, and as the chain itself calls it."""

    address: str
    locator: bytes


@dataclass(frozen=True, slots=True)
class JudgedPayment:
    """A payment that may be made, and where it goes; or a payment that is given up, and nobody is paid."""

    intent: Intent
    request: WithdrawalRequest | RespendRequest | StrayReturnRequest | SweepRequest
    opening: KnownOpening
    destination: Destination | None
    """``None`` where nobody is paid."""
    decision: Decision
    facts: Facts
    asset: Asset
    """The registered asset, for words."""
    nonces: tuple[tuple[str, str, str], ...]
    """Approver, nonce and statement (hex) of every approval that was counted."""

    @property
    def payee(self) -> Destination:
        """Whom it pays. Raises ``TypeError`` where nobody is paid."""
        if self.destination is None:
            raise TypeError("nobody is paid")
        return self.destination

    @property
    def max_fee(self) -> int:
        """What the vault may bear of the fee: nothing where its requester was not asked."""
        return 0 if isinstance(self.request, StrayReturnRequest) else self.request.max_fee

    @property
    def paid(self) -> PaidIntent:
        """As the memory keeps it."""
        pays_nobody = isinstance(self.request, RespendRequest | SweepRequest)
        return PaidIntent(
            digest=self.intent.digest,
            request_digest=request_message(self.request).hex(),
            asset=self.asset.id,
            units=0 if pays_nobody else self.request.amount,
            facts=self.facts.to_json(),
            of=self.request.of if isinstance(self.request, RespendRequest) else None,
            stray=self.request.stray(self.intent.chain) if isinstance(self.request, StrayReturnRequest) else None,
        )


def one_vault(payments: Sequence[JudgedPayment]) -> VaultName:
    """The vault that all payments come out of. Raises ``CosignerRefusal`` where there are two."""
    vault = payments[0].intent.vault
    if any(payment.intent.vault != vault for payment in payments):
        raise CosignerRefusal(Reason.VAULT_NOT_THE_CLIENTS, "the payments come out of different vaults")
    return vault
