"""How fees are chosen on a Bitcoin network, and the caps none may pass. Rates are satoshi per 1000 virtual bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from custody.chains.bitcoin.offline import fees
from custody.chains.bitcoin.offline.fees import FeeCaps
from custody.chains.spending import FeeOverCap, SpendRules


@dataclass(frozen=True, slots=True)
class BitcoinTerms:
    """The caps, and what an estimate is asked for and held between."""

    caps: FeeCaps
    target_blocks: int
    floor_sat_kvb: int
    cap_sat_kvb: int
    fallback_sat_kvb: int

    @classmethod
    def from_block(cls, block: Mapping[str, Any]) -> BitcoinTerms:
        """Read the ``caps`` and ``fee`` of the network's block of ``chains.toml``."""
        caps, fee = block["caps"], block["fee"]
        return cls(
            caps=FeeCaps(caps["absolute_sat"], caps["rate_sat_kvb"], caps["share_bps"]),
            target_blocks=fee["target_blocks"],
            floor_sat_kvb=fee["floor_sat_kvb"],
            cap_sat_kvb=fee["cap_sat_kvb"],
            fallback_sat_kvb=fee["fallback_sat_kvb"],
        )

    def check_fee(self, *, fee_units: int, weight: int, paid_units: int | None, ceiling_units: int | None) -> None:
        """Pass only a fee under every cap; ``weight`` is virtual bytes. Raises ``FeeOverCap``, and ``TypeError`` for a
        payment in another asset: there is none on this chain.
        """
        if paid_units is None:
            raise TypeError("a payment in another asset than the fee")
        with over_cap():
            fees.check_fee(
                fee_sat=fee_units, vsize=weight, paid_sat=paid_units, caps=self.caps, ceiling_sat=ceiling_units
            )


def terms_of(rules: SpendRules) -> BitcoinTerms:
    """The rules' own terms. Raises ``TypeError`` where they are another chain's."""
    if not isinstance(rules.terms, BitcoinTerms):
        raise TypeError("the terms of another chain")
    return rules.terms


@contextmanager
def over_cap() -> Iterator[None]:
    """Raise the house's ``FeeOverCap`` where the rule that the cosigner shares raises its own."""
    try:
        yield
    except fees.FeeOverCap as over:
        raise FeeOverCap(over.message, field=over.field, **over.facts) from over
