"""Reading what we stored, as of a height, in one snapshot of the database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy.exc import OperationalError, ProgrammingError
from sqlalchemy.orm import Session

from custody.chains.registry import spending
from custody.db import Database
from custody.db.unit import DatabaseUnavailable
from custody.kernel.errors import Unavailable
from custody.ledger.reasons import CLIENT_KINDS
from custody.reconciliation import statements
from custody.reconciliation.model import InFlight, Outpoint, Snapshot, VaultTruth


class SchemaMissing(Unavailable):
    """The database has not the tables this program reads."""

    code = "schema-missing"


_UNDEFINED_TABLE = "42P01"
_OWED = frozenset(kind.value for kind in CLIENT_KINDS)


@dataclass
class Books:
    """Everything stored about one chain and asset at one height."""

    vaults: list[tuple[str, str, tuple[str, ...]]] = field(default_factory=list)
    coins: dict[str, dict[Outpoint, int]] = field(default_factory=dict)
    scripts: set[bytes] = field(default_factory=set)
    """Scripts of those coins."""
    movements: dict[str, int] = field(default_factory=dict)
    onchain: dict[str, int] = field(default_factory=dict)
    suspense: dict[str, int] = field(default_factory=dict)
    owed: dict[str, int] = field(default_factory=dict)
    trial: int = 0
    in_flight: dict[str, list[InFlight]] = field(default_factory=dict)


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


def read_books(session: Session, *, chain: str, asset: str, height: int) -> Books:
    """What is stored of ``chain`` as of ``height``; the ledger is read as it is now, with what is in flight named."""
    books = Books()
    where = {"chain": chain, "height": height}
    books.vaults = [
        (row.id, row.kind, tuple(row.clients)) for row in session.execute(statements.VAULTS, {"chain": chain})
    ]
    for row in session.execute(statements.COINS, where):
        books.coins.setdefault(row.vault_id, {})[(row.txid, row.vout)] = int(row.units)
        books.scripts.add(bytes(row.script_pubkey))
    books.movements = {row.vault_id: int(row.units) for row in session.execute(statements.MOVEMENTS, where)}
    _read_ledger(session, books, asset)
    paid = where | {"fees_from_vault": spending(chain).fees_from_vault}
    for statement, values in (
        (statements.DEPOSITS, where),
        (statements.UNTAKEN, where),
        (statements.PAYMENTS, paid),
    ):
        for row in session.execute(statement, values):
            item = InFlight(row.kind, row.subject, row.sign * int(row.units))
            books.in_flight.setdefault(row.vault_id, []).append(item)
    return books


def snapshot(
    books: Books, *, node: Mapping[str, Mapping[Outpoint, int]], chain: str, asset: str, height: int, block_hash: str
) -> Snapshot:
    """The stored side and the node's coins per vault, side by side."""
    return Snapshot(
        chain=chain,
        asset=asset,
        height=height,
        hash=block_hash,
        vaults=tuple(
            VaultTruth(
                vault=vault,
                kind=kind,
                clients=clients,
                node=node.get(vault, {}),
                coins=books.coins.get(vault, {}),
                movements=books.movements.get(vault, 0),
                onchain=books.onchain.get(vault, 0),
                suspense=books.suspense.get(vault, 0),
                in_flight=tuple(books.in_flight.get(vault, ())),
            )
            for vault, kind, clients in books.vaults
        ),
        owed=books.owed,
        trial=books.trial,
    )


def _read_ledger(session: Session, books: Books, asset: str) -> None:
    for row in session.execute(statements.ACCOUNTS, {"asset": asset}):
        balance = int(row.balance)
        books.trial += balance
        if row.kind == "onchain":
            books.onchain[row.owner] = -balance
        elif row.kind == "suspense":
            books.suspense[row.owner] = balance
        elif row.kind in _OWED:
            books.owed[row.owner] = books.owed.get(row.owner, 0) + balance
