"""What a signer's device shows of a spend that was proved: the lines are the chain's own, the numbers the proof's."""

from __future__ import annotations

from collections.abc import Sequence

from custody.chains.bitcoin.offline.screens import coins_screen
from custody.chains.ethereum.offline.screens import safe_screens
from custody.cosigner.craft import Effect
from custody.cosigner.crafts.bitcoin import BitcoinEffect
from custody.cosigner.crafts.ethereum import SafeEffect
from custody.cosigner.payments import JudgedPayment
from custody.evidence.screens import Screen


def screens(effect: Effect, payments: Sequence[JudgedPayment]) -> list[Screen]:
    """Every kind of device that may sign this spend."""
    if isinstance(effect, SafeEffect):
        return safe_screens(effect.unsigned)
    if isinstance(effect, BitcoinEffect):
        paid = [(payment.payee.address, payment.request.amount) for payment in payments]
        return [coins_screen(paid, fee_sat=effect.fee_sat, change_sat=effect.change_sat, asset=effect.fee_asset)]
    return []
