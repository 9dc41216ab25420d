"""Every base unit in a vault is a client's or stands in the vault's suspense account (I4).

A segregated client is compared with its own vaults, a pool with all its clients; clients and vaults that are
joined by membership are one group, compared as a whole.
"""

from __future__ import annotations

from custody.reconciliation.model import Break, Snapshot, VaultTruth
from custody.vaults.model import HOUSE


def every_unit_is_somebodys(snapshot: Snapshot) -> list[Break]:
    """A break per vault of each group whose clients and suspense do not add up to what the vaults hold.

    What lies at a place of the house's own is the house's: that the ledger says so is another check's.
    """
    if snapshot.is_silent:
        return []
    return [
        found
        for group in groups(snapshot)
        if any(vault.kind != HOUSE for vault in group)
        for found in _compare(snapshot, group)
    ]


def groups(snapshot: Snapshot) -> list[list[VaultTruth]]:
    """Vaults that share a client, directly or through others, in the snapshot's order."""
    found: dict[int, list[VaultTruth]] = {}
    group_of: dict[str, int] = {}
    for number, vault in enumerate(snapshot.vaults):
        members = [vault]
        for joined in sorted({group_of[client] for client in vault.clients if client in group_of}):
            members = found.pop(joined) + members
        found[number] = members
        group_of |= {client: number for member in members for client in member.clients}
    return list(found.values())


def _compare(snapshot: Snapshot, group: list[VaultTruth]) -> list[Break]:
    clients = {client for vault in group for client in vault.clients}
    owed = sum(snapshot.owed.get(client, 0) for client in clients)
    expected = owed + sum(vault.suspense + vault.in_flight_units for vault in group)
    held = sum(vault.chain_units for vault in group)
    if held == expected:
        return []
    said = f"clients have {owed}, suspense and items in flight {expected - owed}, the node holds {held}"
    return [Break(vault.vault, snapshot.asset, "every-unit-is-somebodys", expected, held, said) for vault in group]
