"""What a device that signs PSBTs shows of one. Amounts are satoshi."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from custody.evidence.codes import amount_in_words
from custody.evidence.screens import Screen, grouped
from custody.kernel.money import Asset

_LOUD_FEE_PERCENT: Final = 5
"""From this share of what is paid on, devices warn of the fee."""


def coins_screen(paid: Sequence[tuple[str, int]], *, fee_sat: int, change_sat: int, asset: Asset) -> Screen:
    """``paid`` are the addresses and amounts that are nobody's change, in the order they are compared in."""
    lines = []
    for address, amount_sat in paid:
        lines.append(("Amount", amount_in_words(amount_sat, asset)))
        lines.append(("To", grouped(address)))
    lines.append(("Network fee", amount_in_words(fee_sat, asset)))
    if fee_sat * 100 >= sum(amount_sat for _, amount_sat in paid) * _LOUD_FEE_PERCENT:
        lines.append(("Warning", f"the fee is {_LOUD_FEE_PERCENT} % of what is paid or more"))
    hidden = ["whose money it is, and why"]
    if change_sat:
        change = amount_in_words(change_sat, asset)
        hidden.insert(0, f"change of {change}: the device compares it with the wallet that is registered in it")
    return Screen("device that signs PSBTs (vault registered in it)", tuple(lines), tuple(hidden))
