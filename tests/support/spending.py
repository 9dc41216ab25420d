"""Other ways of spending than the real chain's, put in its place for a test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from custody.chains import registry
from custody.chains.bitcoin.spending import BitcoinSpending
from custody.chains.spending import Composed, Plan, Spending
from custody.evidence.keysets import Keyset
from tests.cosigner.builders import REGTEST

CHAIN = REGTEST.chain


class FeesApart(BitcoinSpending):
    """The real chain's, as if somebody else bore its fees."""

    fees_from_vault = False


class ByTurns(FeesApart):
    """As if vaults were accounts: what is composed says no more than which turns it uses up."""

    def compose(self, plan: Plan, *, keyset: Keyset, branch: int, change_index: int | None) -> Composed:
        """Named by its order and its weight, so that another weight is another attempt."""
        del keyset, branch, change_index
        name = f"{plan.order.withdrawal}/{plan.weight}"
        return Composed(f"unsigned {name}", f"spend {name}", 0, plan.weight)


@contextmanager
def spending_as(found: Spending) -> Iterator[None]:
    """Have the registry answer with ``found`` for its chain."""
    before = registry.SPENDINGS[found.chain]
    registry.SPENDINGS[found.chain] = lambda _chain: found
    try:
        yield
    finally:
        registry.SPENDINGS[found.chain] = before
