"""Short words for tests of the books: one call, one unit, and every test ends with ``check``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import psycopg
from sqlalchemy.orm import Session

from custody.db import Database
from custody.kernel.money import Amount
from custody.ledger import operations, queries
from custody.ledger.invariants import Violation, check
from custody.ledger.model import AccountKind, AccountRef, Entry, Hold, Posting, Reason, Restored
from tests.support.servers import FreshDatabase

ASSET = "bip122:000000000019d6689c085ae165831e93/slip44:0"
COIN = 100_000_000
T = TypeVar("T")


def units(count: int, asset: str = ASSET) -> Amount:
    return Amount(asset, count)


def account(kind: str, owner: str, asset: str = ASSET, pledge: str = "") -> AccountRef:
    return AccountRef(AccountKind(kind), owner, asset, pledge)


def moving(
    key: str, giving: AccountRef, taking: AccountRef, count: int, *, reason: Reason, by: dict[str, str] | None = None
) -> Entry:
    return Entry(key, reason, "sub_1", "tester", (Posting(giving, -count), Posting(taking, count)), by or {})


def transfer(key: str, giver: str, taker: str, count: int, asset: str = ASSET) -> Entry:
    return moving(
        key, account("available", giver, asset), account("available", taker, asset), count,
        reason=Reason.INTERNAL_TRANSFER, by={giver: "intent"},
    )  # fmt: skip


@dataclass
class Books:
    """The ledger of one fresh database, through the application's role."""

    database: FreshDatabase
    asset: str = ASSET

    @property
    def db(self) -> Database:
        return self.database.db

    def run(self, act: Callable[[Session, datetime], T]) -> T:
        with self.db.unit() as unit:
            return act(unit.session, unit.now)

    def credit(self, deposit: str, client: str, count: int, *, vault: str = "vlt_a", **more: Any) -> int:
        return self.run(
            lambda session, now: operations.credit_deposit(
                session, deposit_id=deposit, client=client, vault=vault, amount=units(count), actor="t", now=now, **more
            )
        )

    def undo(self, deposit: str, client: str, count: int, *, vault: str = "vlt_a", **more: Any) -> Any:
        return self.run(
            lambda session, now: operations.reverse_deposit(
                session, deposit_id=deposit, client=client, vault=vault, amount=units(count), actor="t", now=now, **more
            )
        )

    def hold(self, hold_id: str, client: str, count: int, subject: str | None = None) -> Hold:
        return self.run(
            lambda session, now: operations.hold(
                session, hold_id=hold_id, client=client, amount=units(count, self.asset),
                subject=subject or f"wdr_{hold_id}", actor="t", now=now,
            )
        )  # fmt: skip

    def settle(self, hold_id: str, count: int, *, vault: str = "vlt_a", **more: Any) -> Any:
        return self.run(
            lambda session, now: operations.settle_hold(
                session, hold_id=hold_id, vault=vault, paid=units(count), actor="t", now=now, **more
            )
        )

    def void(self, hold_id: str) -> Hold:
        return self.run(lambda session, now: operations.void_hold(session, hold_id=hold_id, actor="t", now=now))

    def restore(self, hold_id: str) -> Restored:
        return self.run(lambda session, now: operations.restore_hold(session, hold_id=hold_id, actor="t", now=now))

    def unsettle(self, hold_id: str, **more: Any) -> Hold:
        return self.run(
            lambda session, now: operations.reverse_settlement(session, hold_id=hold_id, actor="t", now=now, **more)
        )

    def post(self, *entries: Entry) -> list[int]:
        return self.run(lambda session, now: [operations.post(session, entry=entry, now=now) for entry in entries])

    def post_batch(self, *entries: Entry) -> list[int]:
        return self.run(lambda session, now: operations.post_batch(session, entries=entries, now=now))

    def of(self, client: str) -> tuple[int, int, int]:
        """Available, held and receivable of one client."""
        found = self.run(lambda session, now: queries.balances(session, client=client))
        return (found[0].available, found[0].held, found[0].receivable) if found else (0, 0, 0)

    def onchain(self, vault: str = "vlt_a") -> int:
        return self.run(lambda session, now: queries.account_balance(session, account=account("onchain", vault)))

    def accounts(self) -> dict[AccountRef, tuple[int, int]]:
        found = self.run(lambda session, now: queries.accounts(session))
        return {line.account: (line.balance, line.version) for line in found}

    def violations(self) -> list[Violation]:
        return self.run(lambda session, now: check(session))

    @contextmanager
    def sql(self, role: str) -> Iterator[psycopg.Connection[Any]]:
        """A bare connection as ``app``, ``owner`` or ``superuser``."""
        url: str = getattr(self.database, f"{role}_url")
        with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
            yield connection

    def break_by(self, *statements: str) -> None:
        """What only somebody with the superuser's rights can do: change rows with every guard switched off."""
        with self.sql("superuser") as connection:
            connection.execute("SET session_replication_role = replica")
            for statement in statements:
                connection.execute(statement)


def at_once(acts: Sequence[Callable[[], T]], *, threads: int = 8) -> list[T | Exception]:
    """Run them in parallel; each one's result or the error it raised."""

    def guarded(act: Callable[[], T]) -> T | Exception:
        try:
            return act()
        except Exception as error:  # noqa: BLE001 - the error is the result; the test asserts its type
            return error

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(guarded, acts))
