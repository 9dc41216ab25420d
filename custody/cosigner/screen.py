"""What a person is shown before anything is signed: what each intent says, and what the transaction does."""

from __future__ import annotations

from collections.abc import Sequence

from custody.cosigner.effect import Effect
from custody.cosigner.judgement import JudgedPayment
from custody.evidence.words import amount_in_words, digest_code, say
from custody.kernel.money import Asset
from policies.decision import Outcome, obligation_words


def describe(effect: Effect, payments: Sequence[JudgedPayment]) -> list[str]:
    """What will happen, one sentence a line; every number comes from the transaction that was checked."""
    asset = payments[0].asset
    lines = [line for payment in payments for line in (*say(payment.intent, asset=asset), _people(payment))]
    return [*lines, *_transaction(effect, asset)]


def _people(payment: JudgedPayment) -> str:
    decision = payment.decision
    if decision.outcome is Outcome.ALLOW:
        return "policy asks for nobody's approval"
    names = ", ".join(sorted({approver for approver, _, _ in payment.nonces}))
    return f"policy asks that {obligation_words(decision.obligations)}: {names or 'nobody'} did"


def _transaction(effect: Effect, asset: Asset) -> list[str]:
    coins = f"{len(effect.inputs)} coin" + ("s" if len(effect.inputs) != 1 else "")
    spent = sum(entry.amount_sat for entry in effect.inputs)
    back = (
        f"{amount_in_words(effect.change_sat, asset)} comes back to it" if effect.change_sat else "nothing comes back"
    )
    share_bps = effect.fee_sat * 10_000 // effect.paid_sat
    share = f"{share_bps // 100}.{share_bps % 100:02d} %"
    tenths = effect.fee_sat * 10 // effect.vsize
    rate = f"{tenths // 10}.{tenths % 10} sat/vB"
    return [
        f"The transaction spends {coins} of vault {effect.vault}, {amount_in_words(spent, asset)}; {back}",
        f"network fee {amount_in_words(effect.fee_sat, asset)}, {share} of what is paid, {rate}",
        f"transaction {effect.psbt.txid}, code {digest_code(effect.psbt.txid)}",
    ]
