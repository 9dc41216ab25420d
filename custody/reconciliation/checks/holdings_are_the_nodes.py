"""What the node holds for a vault is what we indexed, coin by coin, or address by address where there are no coins."""

from __future__ import annotations

from custody.reconciliation.model import Break, Place, Snapshot, VaultTruth, name_of

_SHOWN = 5


def holdings_are_the_nodes(snapshot: Snapshot) -> list[Break]:
    """A break per vault whose coins or balances differ, naming them."""
    if snapshot.is_silent:
        return []
    return [found for vault in snapshot.vaults if (found := _differing(snapshot, vault))]


def _differing(snapshot: Snapshot, vault: VaultTruth) -> Break | None:
    odd = sorted(
        (
            place
            for place in vault.node.keys() | vault.indexed.keys()
            if vault.node.get(place) != vault.indexed.get(place)
        ),
        key=lambda place: (place[0], place[1] or 0),
    )
    if not odd:
        return None
    named = "; ".join(_say(vault, place) for place in odd[:_SHOWN])
    more = f"; and {len(odd) - _SHOWN} more" if len(odd) > _SHOWN else ""
    check = "coins-are-the-nodes" if snapshot.has_coins else "balances-are-the-nodes"
    return Break(vault.vault, snapshot.asset, check, vault.indexed_units, vault.chain_units, named + more)


def _say(vault: VaultTruth, place: Place) -> str:
    if place not in vault.indexed:
        return f"{name_of(place)} is not indexed"
    if place not in vault.node:
        return f"{name_of(place)} is not the node's"
    return f"{name_of(place)} has another amount"
