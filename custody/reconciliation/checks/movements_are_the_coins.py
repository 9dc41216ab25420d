"""What came into a vault less what left it is what its coins add up to.

Where the chain has no coins, balances are made of the movements themselves and there is nothing to compare.
"""

from __future__ import annotations

from custody.reconciliation.model import Break, Snapshot


def movements_are_the_coins(snapshot: Snapshot) -> list[Break]:
    """A break per vault where they differ."""
    return [
        Break(
            vault.vault,
            snapshot.asset,
            "movements-are-the-coins",
            vault.movements,
            vault.indexed_units,
            "movements add up to another sum than the indexed coins",
        )
        for vault in snapshot.vaults
        if vault.movements != vault.indexed_units
    ]
