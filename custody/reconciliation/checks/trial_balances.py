"""All accounts of the asset add up to zero (I1)."""

from __future__ import annotations

from custody.reconciliation.model import Break, Snapshot


def trial_balances(snapshot: Snapshot) -> list[Break]:
    """A break for every vault when they do not: nobody can say whose the difference is."""
    if snapshot.trial == 0:
        return []
    said = f"all accounts of {snapshot.asset} add up to {snapshot.trial}"
    return [Break(vault.vault, snapshot.asset, "trial-balances", 0, snapshot.trial, said) for vault in snapshot.vaults]
