"""Reading what we stored, as of a height, in one snapshot of the database."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy.exc import OperationalError, ProgrammingError
from sqlalchemy.orm import Session

from custody.chains.registry import addressing, spending
from custody.db import Database
from custody.db.unit import DatabaseUnavailable
from custody.kernel.errors import Unavailable
from custody.ledger.queries import billed_fees
from custody.ledger.reasons import CLIENT_KINDS
from custody.reconciliation import statements
from custody.reconciliation.model import InFlight, Place, Snapshot, VaultTruth


class SchemaMissing(Unavailable):
    """The database has not the tables this program reads."""

    code = "schema-missing"


_UNDEFINED_TABLE = "42P01"
_OWED = frozenset(kind.value for kind in CLIENT_KINDS)


@dataclass
class AssetBooks:
    """Everything stored about one asset, by vault."""

    indexed: dict[str, dict[Place, int]] = field(default_factory=dict)
    movements: dict[str, int] = field(default_factory=dict)
    onchain: dict[str, int] = field(default_factory=dict)
    suspense: dict[str, int] = field(default_factory=dict)
    owed: dict[str, int] = field(default_factory=dict)
    trial: int = 0
    in_flight: dict[str, list[InFlight]] = field(default_factory=dict)


@dataclass
class Books:
    """Everything stored about one chain at one height."""

    has_coins: bool
    assets: dict[str, AssetBooks]
    vaults: list[tuple[str, str, tuple[str, ...]]] = field(default_factory=list)
    locators: set[bytes] = field(default_factory=set)
    """Where what we indexed lies."""


@contextmanager
def still(database: Database) -> Iterator[Session]:
    """A session in which every statement sees the same moment. Nothing is to be written in it.

    Raises ``DatabaseUnavailable`` or ``SchemaMissing``.
    """
    engine = database.engine.execution_options(isolation_level="REPEATABLE READ")
    try:
        with Session(engine) as session, session.begin():
            yield session
    except OperationalError as error:
        raise DatabaseUnavailable("Postgres does not answer") from error
    except ProgrammingError as error:
        if getattr(error.orig, "sqlstate", None) != _UNDEFINED_TABLE:
            raise
        raise SchemaMissing("the database has no schema of ours; run custody db upgrade") from error


def read_books(session: Session, *, chain: str, assets: Sequence[str], has_coins: bool, height: int) -> Books:
    """What is stored of ``chain`` as of ``height``; the ledger is read as it is now, with what is in flight named.

    Only ``assets`` are told, each apart, in their order.
    """
    books = Books(has_coins, {asset: AssetBooks() for asset in assets})
    where = {"chain": chain, "height": height, "native": addressing(chain).native.id}
    books.vaults = [
        (row.id, row.kind, tuple(row.clients)) for row in session.execute(statements.VAULTS, {"chain": chain})
    ]
    if has_coins:
        _read_coins(session, books, where)
    else:
        _read_balances(session, books, where)
    _read_ledger(session, books)
    paid = where | {"fees_from_vault": spending(chain).fees_from_vault}
    for statement, values in (
        (statements.DEPOSITS, where),
        (statements.UNTAKEN, where),
        (statements.CAPITAL, where),
        (statements.PAYMENTS, paid),
    ):
        for row in session.execute(statement, values):
            if row.asset in books.assets:
                item = InFlight(row.kind, row.subject, row.sign * int(row.units))
                books.assets[row.asset].in_flight.setdefault(row.vault_id, []).append(item)
    return books


def snapshots(
    books: Books,
    *,
    node: Mapping[str, Mapping[str, Mapping[Place, int]]],
    chain: str,
    height: int,
    block_hash: str,
    silent: Collection[str] = (),
) -> tuple[Snapshot, ...]:
    """The stored side and the node's, by asset and vault. Of ``silent`` assets the node's is not known."""
    return tuple(
        Snapshot(
            chain=chain,
            asset=asset,
            has_coins=books.has_coins,
            height=height,
            hash=block_hash,
            vaults=tuple(_truths(books, own, node.get(asset, {}))),
            owed=own.owed,
            trial=own.trial,
            is_silent=asset in silent,
        )
        for asset, own in books.assets.items()
    )


def _truths(books: Books, own: AssetBooks, node: Mapping[str, Mapping[Place, int]]) -> Iterator[VaultTruth]:
    for vault, kind, clients in books.vaults:
        yield VaultTruth(
            vault=vault,
            kind=kind,
            clients=clients,
            node=node.get(vault, {}),
            indexed=own.indexed.get(vault, {}),
            movements=own.movements.get(vault, 0),
            onchain=own.onchain.get(vault, 0),
            suspense=own.suspense.get(vault, 0),
            in_flight=tuple(own.in_flight.get(vault, ())),
        )


def _read_coins(session: Session, books: Books, where: Mapping[str, object]) -> None:
    for row in session.execute(statements.COINS, where):
        if row.asset in books.assets:
            books.assets[row.asset].indexed.setdefault(row.vault_id, {})[(row.txid, row.position)] = int(row.units)
            books.locators.add(bytes(row.locator))
    for row in session.execute(statements.MOVEMENTS, where):
        if row.asset in books.assets:
            books.assets[row.asset].movements[row.vault_id] = int(row.units)


def _read_balances(session: Session, books: Books, where: Mapping[str, object]) -> None:
    for row in session.execute(statements.BALANCES, where):
        if row.asset in books.assets:
            own, locator = books.assets[row.asset], bytes(row.locator)
            own.indexed.setdefault(row.vault_id, {})[(locator.hex(), None)] = int(row.units)
            own.movements[row.vault_id] = own.movements.get(row.vault_id, 0) + int(row.units)
            books.locators.add(locator)


def _read_ledger(session: Session, books: Books) -> None:
    for row in session.execute(statements.ACCOUNTS, {"assets": list(books.assets)}):
        own, balance = books.assets[row.asset], int(row.balance)
        own.trial += balance
        if row.kind == "onchain":
            own.onchain[row.owner] = -balance
        elif row.kind == "suspense":
            own.suspense[row.owner] = balance
        elif row.kind in _OWED:
            own.owed[row.owner] = own.owed.get(row.owner, 0) + balance
    # Whoever owes a billed fee has its coins all the same: of what it owes, only a reorg's deficit is missing there.
    for (client, asset), units in billed_fees(session).items():
        if asset in books.assets:
            books.assets[asset].owed[client] = books.assets[asset].owed.get(client, 0) + units
