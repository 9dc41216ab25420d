"""An asset says what each place has of it. One that does not stops the vaults that hold it, and no other asset."""

from __future__ import annotations

from custody.reconciliation.model import Break, Snapshot


def assets_answer(snapshot: Snapshot) -> list[Break]:
    """A break per vault that has some of a silent asset, as far as we indexed."""
    if not snapshot.is_silent:
        return []
    said = "the asset does not say what anybody has: it is paused, or is there no more"
    return [
        Break(vault.vault, snapshot.asset, "assets-answer", vault.indexed_units, 0, said)
        for vault in snapshot.vaults
        if vault.indexed_units
    ]
