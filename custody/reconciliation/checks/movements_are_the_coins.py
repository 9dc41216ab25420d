"""What came into a vault less what left it is what its coins add up to."""

from __future__ import annotations

from custody.reconciliation.model import Break, Snapshot


def movements_are_the_coins(snapshot: Snapshot) -> list[Break]:
    """A break per vault where they differ."""
    return [
        Break(
            vault.vault,
            "movements-are-the-coins",
            vault.movements,
            vault.coin_units,
            "movements add up to another sum than the indexed coins",
        )
        for vault in snapshot.vaults
        if vault.movements != vault.coin_units
    ]
