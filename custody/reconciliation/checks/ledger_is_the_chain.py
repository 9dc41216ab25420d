"""What the ledger says a vault holds, with what is named as in flight, is what the node holds, to the unit (I20)."""

from __future__ import annotations

from custody.reconciliation.model import Break, Snapshot, VaultTruth


def ledger_is_the_chain(snapshot: Snapshot) -> list[Break]:
    """A break per vault where they differ."""
    if snapshot.is_silent:
        return []
    return [
        Break(vault.vault, snapshot.asset, "ledger-is-the-chain", vault.expected_units, vault.chain_units, _say(vault))
        for vault in snapshot.vaults
        if vault.chain_units != vault.expected_units
    ]


def _say(vault: VaultTruth) -> str:
    difference = vault.chain_units - vault.expected_units
    way = "more" if difference > 0 else "less"
    return (
        f"the node holds {abs(difference)} base units {way} than the ledger's {vault.onchain} "
        f"and {vault.in_flight_units} in flight explain"
    )
