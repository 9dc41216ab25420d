"""The table per client and asset: what came, what left, what is there, and what nobody can explain (I4).

All amounts are base units. A segregated client's ``on_chain`` is what its vaults hold, dust and what is in flight
included, and ``difference`` is what I4 leaves unexplained of it; an omnibus client's is its share, and its pool is
compared with the chain in ``pools``. Both also compare a client's balance with its deposits and withdrawals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from custody.clients import queries as clients
from custody.kernel.money import Asset
from custody.ledger import queries as ledger
from custody.ledger.queries import ClientBalance
from custody.reconciliation.checks.every_unit_is_somebodys import groups
from custody.reconciliation.invariants.chain import chains, indexed
from custody.reconciliation.model import Snapshot, VaultTruth


@dataclass(frozen=True, slots=True)
class ClientRow:
    """One client and asset."""

    name: str
    asset: Asset
    deposited: int
    withdrawn: int
    fees: int
    """Network fees the client bore."""
    available: int
    held: int
    on_chain: int
    difference: int

    def to_json(self) -> dict[str, str]:
        """Amounts as strings of base units, the asset by its code."""
        return {item.name: str(getattr(self, item.name)) for item in fields(self)} | {"asset": self.asset.code}


@dataclass(frozen=True, slots=True)
class PoolRow:
    """One pool: all its clients against the chain."""

    vault: str
    asset: Asset
    clients: int
    """Available + held + pledged of all its clients, less what a reorg left them owing."""
    suspense: int
    in_flight: int
    on_chain: int
    difference: int

    def to_json(self) -> dict[str, str]:
        """Amounts as strings of base units, the asset by its code."""
        return {item.name: str(getattr(self, item.name)) for item in fields(self)} | {"asset": self.asset.code}


@dataclass(frozen=True, slots=True)
class ClientTable:
    """Every client and asset, and every pool."""

    clients: tuple[ClientRow, ...]
    pools: tuple[PoolRow, ...]

    @property
    def is_balanced(self) -> bool:
        """Whether nothing is unexplained."""
        return not any(row.difference for row in self.clients) and not any(row.difference for row in self.pools)

    def to_json(self) -> dict[str, Any]:
        """``clients`` and ``pools``, amounts as strings of base units."""
        return {
            "clients": [row.to_json() for row in self.clients],
            "pools": [row.to_json() for row in self.pools],
        }


def client_table(session: Session) -> ClientTable:
    """The table as of now, from the ledger and our own index of coins (reconciliation proves that index)."""
    balances = {(item.client, item.asset): item for item in ledger.client_totals(session)}
    flows = _flows(session)
    found = ClientTable((), ())
    for chain in chains(session):
        for asset, snapshot in indexed(session, chain=chain):
            of_asset = _of_asset(session, snapshot, asset, balances, flows)
            found = ClientTable(found.clients + of_asset.clients, found.pools + of_asset.pools)
    return found


@dataclass
class _Flow:
    """What one client's movements of money add up to."""

    deposited: int = 0
    withdrawn: int = 0
    fees: int = 0


@dataclass
class _Share:
    """One client's part of the chain."""

    on_chain: int = 0
    difference: int = 0
    pooled: bool = False


def _of_asset(
    session: Session,
    snapshot: Snapshot,
    asset: Asset,
    balances: Mapping[tuple[str, str], ClientBalance],
    flows: Mapping[tuple[str, str], _Flow],
) -> ClientTable:
    shares = {client: _share(snapshot, group) for group in groups(snapshot) for client in _members(group)}
    rows, billed = [], ledger.billed_fees(session)
    for client in clients.every(session):
        if client.id not in shares:
            continue
        key = (client.id, asset.id)
        balance = balances.get(key, ClientBalance(client.id, asset.id, 0, 0, 0, 0))
        rows.append(_row(client.name, asset, balance, flows.get(key, _Flow()), shares[client.id], billed.get(key, 0)))
    pools = [row for group in groups(snapshot) for row in _pool_rows(snapshot, group, asset)]
    return ClientTable(tuple(rows), tuple(pools))


def _row(name: str, asset: Asset, balance: ClientBalance, flow: _Flow, share: _Share, billed: int) -> ClientRow:
    net = balance.total - balance.receivable + billed
    unexplained = flow.deposited - flow.withdrawn - flow.fees - net
    return ClientRow(
        name=name,
        asset=asset,
        deposited=flow.deposited,
        withdrawn=flow.withdrawn,
        fees=flow.fees,
        available=balance.available,
        held=balance.held,
        on_chain=net if share.pooled else share.on_chain,
        difference=unexplained if share.pooled else share.difference or unexplained,
    )


def _share(snapshot: Snapshot, group: Sequence[VaultTruth]) -> _Share:
    held = sum(vault.chain_units for vault in group)
    return _Share(
        on_chain=held,
        difference=held - _explained(snapshot, group),
        pooled=any(vault.kind == "pool" for vault in group),
    )


def _pool_rows(snapshot: Snapshot, group: Sequence[VaultTruth], asset: Asset) -> list[PoolRow]:
    if not any(vault.kind == "pool" for vault in group):
        return []
    held = sum(vault.chain_units for vault in group)
    return [
        PoolRow(
            vault=" ".join(vault.vault for vault in group),
            asset=asset,
            clients=sum(snapshot.owed.get(client, 0) for client in _members(group)),
            suspense=sum(vault.suspense for vault in group),
            in_flight=sum(vault.in_flight_units for vault in group),
            on_chain=held,
            difference=held - _explained(snapshot, group),
        )
    ]


def _explained(snapshot: Snapshot, group: Sequence[VaultTruth]) -> int:
    owed = sum(snapshot.owed.get(client, 0) for client in _members(group))
    return owed + sum(vault.suspense + vault.in_flight_units for vault in group)


def _members(group: Sequence[VaultTruth]) -> list[str]:
    return sorted({client for vault in group for client in vault.clients})


def _flows(session: Session) -> dict[tuple[str, str], _Flow]:
    found: dict[tuple[str, str], _Flow] = {}
    for row in session.execute(_FLOWS):
        flow = found.setdefault((row.client_id, row.asset), _Flow())
        flow.deposited += int(row.deposited)
        flow.withdrawn += int(row.withdrawn)
        flow.fees += int(row.fees)
    return found


_FLOWS: Final = text(
    """
    SELECT client_id, asset, sum(units) AS deposited, 0 AS withdrawn, 0 AS fees FROM deposits
    WHERE state = 'credited' GROUP BY 1, 2
    UNION ALL
    SELECT client_id, asset, 0, sum(units), sum(fee_units) FROM withdrawals WHERE state = 'completed' GROUP BY 1, 2
    """
)
