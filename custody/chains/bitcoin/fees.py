"""Which fee rate to pay: the node's estimate, held between a floor and a cap, never believed blindly (P-041)."""

from __future__ import annotations

from typing import Protocol


class FeeSource(Protocol):
    """The one thing asked of a node here; the adapter is one."""

    def fee_rate_sat_kvb(self, *, target_blocks: int) -> int | None:
        """The node's unchecked estimate, or ``None``."""


def estimate(
    reader: FeeSource, *, target_blocks: int, floor_sat_kvb: int, cap_sat_kvb: int, fallback_sat_kvb: int
) -> int:
    """Satoshi per 1000 virtual bytes to pay for confirmation within ``target_blocks``.

    No estimate, zero and below zero mean the fallback; everything, the fallback too, is held between floor and
    cap. Raises ``NodeUnavailable`` when the node is silent and ``ValueError`` when the bounds contradict.
    """
    if not 0 < floor_sat_kvb <= cap_sat_kvb:
        raise ValueError("the floor is above 0 and not above the cap")
    said = reader.fee_rate_sat_kvb(target_blocks=target_blocks)
    rate = said if said is not None and said > 0 else fallback_sat_kvb
    return max(floor_sat_kvb, min(rate, cap_sat_kvb))
