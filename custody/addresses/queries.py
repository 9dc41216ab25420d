"""Reading addresses: whose a locator is, what a client was given, how much stock is left."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from sqlalchemy import Row, func, select, text
from sqlalchemy.orm import Session

from custody.addresses.model import AddressState, DepositAddress, OwnedAddress, Place, Ruled
from custody.addresses.sealing import Sealer
from custody.addresses.tables import STOCK, AddressRow
from custody.chains.addressing import AddressSource, Rules
from custody.chains.registry import addressing
from custody.kernel.errors import NotFound
from custody.vaults import queries as vaults
from custody.vaults.model import Vault


class UnknownAddress(NotFound):
    """No address of that id was given to anybody."""

    code = "unknown-address"


# One index probe per locator, whatever the planner thinks of the table's size: rows read are rows found.
_BY_LOCATORS: Final = text(
    """
    SELECT found.id, found.vault_id, found.client_id, found.kept_for, found.change, found.index AS position,
      found.state, found.locator, v.chain
    FROM unnest(CAST(:locators AS bytea[])) AS asked (locator)
    CROSS JOIN LATERAL (
      SELECT * FROM addresses WHERE addresses.locator = asked.locator LIMIT 1
    ) AS found
    JOIN vaults v ON v.id = found.vault_id
    """
)
_OWNED: Final = """
    SELECT a.id, a.vault_id, a.client_id, a.kept_for, a.change, a.index AS position, a.state, a.locator, v.chain
    FROM addresses a JOIN vaults v ON v.id = a.vault_id
"""
_BY_IDS: Final = text(_OWNED + "WHERE a.id = ANY(CAST(:ids AS bigint[]))")
_BY_VAULT: Final = text(_OWNED + "WHERE a.vault_id = :vault")
_BY_CHAIN: Final = text(_OWNED + "WHERE v.chain = :chain")


def by_locators(session: Session, locators: Collection[bytes]) -> dict[bytes, OwnedAddress]:
    """Those of ``locators`` that are ours, in one statement that reads no row of any other."""
    if not locators:
        return {}
    rows = session.execute(_BY_LOCATORS, {"locators": sorted(set(locators))})
    return {bytes(row.locator): _owned(row) for row in rows}


def of_chain(session: Session, *, chain: str) -> dict[bytes, OwnedAddress]:
    """Every locator ever derived for a vault of the chain, stock and burned ones too."""
    return {bytes(row.locator): _owned(row) for row in session.execute(_BY_CHAIN, {"chain": chain})}


def ruled(session: Session, *, chain: str, locators: Collection[bytes] | None = None) -> list[Ruled]:
    """Those of ``locators`` (None: all) that are of a vault of ``chain``, with their proved keysets' word on them.

    Raises ``KeysetTampered``.
    """
    if locators is None:
        rows = session.execute(_BY_CHAIN, {"chain": chain}).all()
    elif locators:
        rows = session.execute(_BY_LOCATORS, {"locators": sorted(set(locators))}).all()
    else:
        return []
    found, sources = [], dict[str, AddressSource]()
    for row in rows:
        if row.chain != chain or row.state == AddressState.HOUSE:
            continue
        if row.vault_id not in sources:
            sources[row.vault_id] = vaults.source_of(session, vault=vaults.get(session, vault=row.vault_id))
        place = Rules(bytes(row.locator), sources[row.vault_id], row.kept_for or None, row.change, row.position)
        found.append(Ruled(row.vault_id, place))
    return found


def by_ids(session: Session, ids: Collection[int]) -> dict[int, OwnedAddress]:
    """What is known of these address ids."""
    if not ids:
        return {}
    return {row.id: _owned(row) for row in session.execute(_BY_IDS, {"ids": sorted(set(ids))})}


def of_client(session: Session, *, client: str, seal_key: bytes) -> list[DepositAddress]:
    """Every address the client was given, oldest first. Raises ``AddressTampered`` rather than show a wrong one."""
    rows = session.execute(select(AddressRow).where(AddressRow.client_id == client).order_by(AddressRow.id)).scalars()
    sealer = Sealer(session, seal_key)
    return [sealer.checked(row) for row in rows]


def newest_of_client(
    session: Session, *, client: str, seal_key: bytes, limit: int, before: int = 0
) -> list[DepositAddress]:
    """What the client was given last, newest first; what was given before the one numbered ``before``, where named.

    Raises ``AddressTampered`` rather than show a wrong one.
    """
    newest = select(AddressRow).where(AddressRow.client_id == client).order_by(AddressRow.id.desc()).limit(limit)
    if before:
        newest = newest.where(AddressRow.id < before)
    sealer = Sealer(session, seal_key)
    return [sealer.checked(row) for row in session.execute(newest).scalars()]


def given_out(session: Session, *, address: int, seal_key: bytes) -> tuple[DepositAddress, str]:
    """An address that a client was given, and for whom it was made (empty: for nobody before).

    Raises ``UnknownAddress``, and ``AddressTampered`` rather than show a wrong one.
    """
    row = session.get(AddressRow, address)
    if row is None or row.client_id is None or row.change:
        raise UnknownAddress("no such address", field="address")
    return Sealer(session, seal_key).checked(row), row.kept_for


def page(session: Session, *, client: str, seal_key: bytes, after: int = 0, limit: int) -> list[DepositAddress]:
    """The next ``limit`` addresses the client was given, behind the one with the id ``after``, oldest first.

    Raises ``AddressTampered`` rather than show a wrong one.
    """
    rows = session.execute(
        select(AddressRow)
        .where(AddressRow.client_id == client, AddressRow.id > after)
        .order_by(AddressRow.id)
        .limit(limit)
    ).scalars()
    sealer = Sealer(session, seal_key)
    return [sealer.checked(row) for row in rows]


def given_by_ids(session: Session, *, ids: Collection[int], seal_key: bytes) -> dict[int, DepositAddress]:
    """These addresses, by their rows' numbers, each still under its seal. Raises ``AddressTampered``."""
    if not ids:
        return {}
    rows = session.execute(select(AddressRow).where(AddressRow.id.in_(sorted(set(ids))))).scalars()
    sealer = Sealer(session, seal_key)
    return {row.id: sealer.checked(row) for row in rows}


def placed(session: Session, *, ids: Collection[int]) -> list[Place]:
    """Where these addresses are, the first handed out first. Their seals are not checked."""
    if not ids:
        return []
    query = select(AddressRow).where(AddressRow.id.in_(sorted(set(ids)))).order_by(AddressRow.index, AddressRow.id)
    return [
        Place(row.id, row.address, row.locator, row.index, row.client_id) for row in session.execute(query).scalars()
    ]


def locators_of(session: Session, *, vault: str) -> Mapping[bytes, OwnedAddress]:
    """Every locator of the vault that was ever derived, stock and burned ones too: what reconciliation asks for."""
    return {bytes(row.locator): _owned(row) for row in session.execute(_BY_VAULT, {"vault": vault})}


def series(session: Session, *, vault: Vault, kept_for: str = "") -> list[tuple[str, bool]]:
    """Every run of indexes the vault has, as (kept for, change); that of one client alone where one is named."""
    where = addressing(vault.chain)
    keepers = [""]
    if where.personal:
        keepers = [kept_for] if kept_for else [member.client for member in vaults.members(session, vault=vault.id)]
    return [(keeper, change) for keeper in keepers for change in ((False, True) if where.makes_change else (False,))]


def stock_level(session: Session, *, vault: str, change: bool, kept_for: str = "", limit: int = 2**31 - 1) -> int:
    """How many addresses are in stock, for one client where they are kept for one, counted up to ``limit``."""
    some = (
        select(AddressRow.id)
        .where(AddressRow.vault_id == vault, AddressRow.kept_for == kept_for, AddressRow.change.is_(change), STOCK)
        .limit(limit)
        .subquery()
    )
    return session.execute(select(func.count()).select_from(some)).scalar_one()


def highest_issued(session: Session, *, vault: str, change: bool, kept_for: str = "") -> int | None:
    """The highest index ever taken out of stock (a burned one may have been shown before a restore), or None."""
    return session.execute(
        select(func.max(AddressRow.index)).where(
            AddressRow.vault_id == vault,
            AddressRow.kept_for == kept_for,
            AddressRow.change.is_(change),
            AddressRow.state != AddressState.STOCK,
        )
    ).scalar_one()


def _owned(row: Row[Any]) -> OwnedAddress:
    return OwnedAddress(
        row.id, row.vault_id, row.client_id, row.change, row.position, AddressState(row.state), row.chain
    )
