"""Who bears how much of one transaction's fee: each payment its own output's part and an equal part of the rest."""

from __future__ import annotations

from collections.abc import Sequence


def fee_shares(*, fee_sat: int, vsize: int, output_scripts: Sequence[bytes]) -> tuple[int, ...]:
    """Split ``fee_sat`` among payments by virtual bytes, to the satoshi, in their order.

    A payment weighs its own output and an equal part of everything else; what division leaves goes one satoshi
    each to the largest remainders, earlier payments first among equals.
    """
    own = [8 + 1 + len(script) for script in output_scripts]
    rest = vsize - sum(own)
    weights = [len(own) * each + rest for each in own]
    whole = sum(weights)
    shares = [fee_sat * weight // whole for weight in weights]
    by_remainder = sorted(range(len(own)), key=lambda place: (-(fee_sat * weights[place] % whole), place))
    for place in by_remainder[: fee_sat - sum(shares)]:
        shares[place] += 1
    return tuple(shares)
