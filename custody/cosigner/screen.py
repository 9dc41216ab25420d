"""What a person is shown before anything is signed: what each intent says, and what the transaction does."""

from __future__ import annotations

from collections.abc import Sequence

from custody.cosigner.craft import Effect
from custody.cosigner.payments import JudgedPayment
from custody.evidence.words import say
from policies.decision import Outcome
from policies.obligations import obligation_words


def describe(effect: Effect, payments: Sequence[JudgedPayment]) -> list[str]:
    """What will happen, one sentence a line; every number comes from the transaction that was checked."""
    lines: list[str] = []
    for payment in payments:
        lines += [*say(payment.intent, asset=payment.asset, fee_asset=effect.fee_asset), _people(payment)]
    return [*lines, *effect.words()]


def _people(payment: JudgedPayment) -> str:
    decision = payment.decision
    if decision.outcome is Outcome.ALLOW:
        return "policy asks for nobody's approval"
    names = ", ".join(sorted({approver for approver, _, _ in payment.nonces}))
    return f"policy asks that {obligation_words(decision.obligations)}: {names or 'nobody'} did"
