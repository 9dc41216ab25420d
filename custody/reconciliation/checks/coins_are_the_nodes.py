"""The node's unspent outputs of a vault are the coins we indexed, outpoint by outpoint."""

from __future__ import annotations

from custody.reconciliation.model import Break, Outpoint, Snapshot, VaultTruth

_SHOWN = 5


def coins_are_the_nodes(snapshot: Snapshot) -> list[Break]:
    """A break per vault whose coins differ, naming the outpoints."""
    return [found for vault in snapshot.vaults if (found := _differing(vault))]


def _differing(vault: VaultTruth) -> Break | None:
    odd = sorted(
        outpoint
        for outpoint in vault.node.keys() | vault.coins.keys()
        if vault.node.get(outpoint) != vault.coins.get(outpoint)
    )
    if not odd:
        return None
    named = "; ".join(_say(vault, outpoint) for outpoint in odd[:_SHOWN])
    more = f"; and {len(odd) - _SHOWN} more" if len(odd) > _SHOWN else ""
    return Break(vault.vault, "coins-are-the-nodes", vault.coin_units, vault.chain_units, named + more)


def _say(vault: VaultTruth, outpoint: Outpoint) -> str:
    name = f"{outpoint[0]}:{outpoint[1]}"
    if outpoint not in vault.coins:
        return f"{name} is not indexed"
    if outpoint not in vault.node:
        return f"{name} is not the node's"
    return f"{name} has another amount"
