"""The ceiling on a network fee (I16), one rule for the builder, the cosigner and the extracted transaction.

A fee must stay under each of: an absolute cap, a rate cap, a share of what is paid, and the requester's own
ceiling. All amounts are satoshi, rates satoshi per 1000 virtual bytes; comparisons are exact, nothing rounds up.
"""

from __future__ import annotations

from dataclasses import dataclass

from custody.kernel.errors import Refused


class FeeOverCap(Refused):
    """The fee is above a cap, or is no fee at all; ``facts`` name the cap, its limit and the fee."""

    code = "fee-over-cap"


@dataclass(frozen=True, slots=True)
class FeeCaps:
    """The house's three caps on one transaction's whole fee."""

    absolute_sat: int
    rate_sat_kvb: int
    share_bps: int
    """Of what is paid; of the value moved where nobody is paid. 10,000 is all of it."""

    def limits_sat(self, *, vsize: int, paid_sat: int, ceiling_sat: int | None = None) -> dict[str, int]:
        """The highest fee each cap allows for a transaction of ``vsize`` virtual bytes, by the cap's name."""
        limits = {
            "absolute": self.absolute_sat,
            "rate": self.rate_sat_kvb * vsize // 1000,
            "share": paid_sat * self.share_bps // 10_000,
        }
        return limits if ceiling_sat is None else {**limits, "ceiling": ceiling_sat}


def check_fee(*, fee_sat: int, vsize: int, paid_sat: int, caps: FeeCaps, ceiling_sat: int | None) -> None:
    """Pass only a fee of 0 or more under every cap; ``ceiling_sat`` is the requester's, ``None`` where nobody set one.

    Raises ``FeeOverCap`` naming the cap with the smallest limit. A negative fee (more out than in) is refused too.
    """
    if fee_sat < 0:
        raise FeeOverCap("the outputs are worth more than the inputs", field="fee", cap="none", fee_sat=fee_sat)
    limits = caps.limits_sat(vsize=vsize, paid_sat=paid_sat, ceiling_sat=ceiling_sat)
    cap, limit_sat = min(limits.items(), key=lambda item: item[1])
    if fee_sat > limit_sat:
        raise FeeOverCap(
            f"a fee of {fee_sat} sat is above the {cap} cap of {limit_sat} sat",
            field="fee",
            cap=cap,
            limit_sat=limit_sat,
            fee_sat=fee_sat,
        )
