"""The caps no fee on an Ethereum network may pass (I16). Amounts are wei, rates wei per unit of gas."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from custody.chains.spending import FeeOverCap


@dataclass(frozen=True, slots=True)
class EthereumTerms:
    """The house's three caps on one whole fee; what is paid per unit of gas is EIP-1559's base fee and tip together."""

    absolute_wei: int
    rate_wei_gas: int
    share_bps: int
    """Of what is paid, where that is the chain's own coin. 10,000 is all of it."""

    @classmethod
    def from_block(cls, block: Mapping[str, Any]) -> EthereumTerms:
        """Read the ``caps`` of the network's block of ``chains.toml``."""
        caps = block["caps"]
        return cls(caps["absolute_wei"], caps["rate_wei_gas"], caps["share_bps"])

    def limits_wei(self, *, weight: int, paid_units: int | None, ceiling_units: int | None) -> dict[str, int]:
        """The highest fee each cap allows for ``weight`` gas, by the cap's name."""
        limits = {"absolute": self.absolute_wei, "rate": self.rate_wei_gas * weight}
        if paid_units is not None:
            limits["share"] = paid_units * self.share_bps // 10_000
        return limits if ceiling_units is None else {**limits, "ceiling": ceiling_units}

    def check_fee(self, *, fee_units: int, weight: int, paid_units: int | None, ceiling_units: int | None) -> None:
        """Pass only a fee of 0 or more under every cap; a replacement's fee counts whole. Raises ``FeeOverCap``."""
        if fee_units < 0:
            raise FeeOverCap("a fee below nothing", field="fee", cap="none", fee_wei=fee_units)
        limits = self.limits_wei(weight=weight, paid_units=paid_units, ceiling_units=ceiling_units)
        cap, limit_wei = min(limits.items(), key=lambda item: item[1])
        if fee_units > limit_wei:
            raise FeeOverCap(
                f"a fee of {fee_units} wei is above the {cap} cap of {limit_wei} wei",
                field="fee",
                cap=cap,
                limit_wei=limit_wei,
                fee_wei=fee_units,
            )
