"""The ledger beside fifty lines of Python that say what it should do: any sequence of operations, same answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from custody.kernel.errors import CustodyError
from tests.integration.ledger.books import Books, transfer
from tests.support.servers import FreshDatabase

CLIENTS = st.sampled_from(["cli_a", "cli_b", "cli_c"])
UNITS = st.integers(1, 120)
NAMES = st.integers(1, 8)


class Model:
    """Plain numbers. Every method is all or nothing and says whether it was accepted."""

    def __init__(self) -> None:
        self.available = dict.fromkeys(("cli_a", "cli_b", "cli_c"), 0)
        self.held = dict.fromkeys(self.available, 0)
        self.owed = dict.fromkeys(self.available, 0)
        self.onchain = 0
        self.deposits: dict[str, tuple[str, int, str, int]] = {}
        self.holds: dict[str, list[Any]] = {}
        self.keys: dict[str, tuple[Any, ...]] = {}

    def credit(self, name: str, client: str, count: int) -> bool:
        if name in self.deposits:
            known = self.deposits[name]
            return known[:3] == (client, count, "credited")
        self.deposits[name] = (client, count, "credited", 0)
        self.available[client] += count
        self.onchain += count
        return True

    def undo(self, name: str) -> bool:
        client, count, state, _ = self.deposits[name]
        if state == "reversed":
            return True
        if count > self.onchain:
            return False
        taken = min(count, self.available[client])
        self.available[client] -= taken
        self.owed[client] += count - taken
        self.onchain -= count
        self.deposits[name] = (client, count, "reversed", count - taken)
        return True

    def hold(self, name: str, client: str, count: int) -> bool:
        if name in self.holds:
            return self.holds[name][:2] == [client, count]
        if count > self.available[client]:
            return False
        self.available[client] -= count
        self.held[client] += count
        self.holds[name] = [client, count, "pending", 0]
        return True

    def settle(self, name: str, count: int) -> bool:
        client, held, state, paid = self.holds[name]
        if state != "pending":
            return bool(state == "posted" and paid == count)
        if count > held or count > self.onchain:
            return False
        self.held[client] -= held
        self.available[client] += held - count
        self.onchain -= count
        self.holds[name][2:] = ["posted", count]
        return True

    def void(self, name: str) -> bool:
        client, held, state, _ = self.holds[name]
        if state == "pending":
            self.held[client] -= held
            self.available[client] += held
            self.holds[name][2] = "voided"
        return bool(state != "posted")

    def transfer(self, key: str, giver: str, taker: str, count: int) -> bool:
        body = (giver, taker, count)
        if key in self.keys:
            return self.keys[key] == body
        if count > self.available[giver]:
            return False
        self.available[giver] -= count
        self.available[taker] += count
        self.keys[key] = body
        return True

    def batch(self, moves: list[tuple[str, str, str, int]]) -> bool:
        before = dict(self.available), dict(self.keys)
        if all(self.transfer(*move) for move in moves):
            return True
        self.available, self.keys = before
        return False


class LedgerMachine(RuleBasedStateMachine):
    """Does the same to both and compares what was accepted and what is left."""

    books: Books

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        with self.books.sql("superuser") as connection:
            connection.execute("SET session_replication_role = replica")
            connection.execute("TRUNCATE postings, journal_entries, ledger_accounts, holds RESTART IDENTITY CASCADE")

    def both(self, expected: bool, act: Callable[[], object]) -> None:
        try:
            act()
        except CustodyError:
            accepted = False
        else:
            accepted = True
        assert accepted == expected

    @rule(name=NAMES, client=CLIENTS, count=UNITS)
    def credit(self, name: int, client: str, count: int) -> None:
        self.both(
            self.model.credit(f"dep_{name}", client, count), lambda: self.books.credit(f"dep_{name}", client, count)
        )

    @rule(name=NAMES)
    def undo(self, name: int) -> None:
        if f"dep_{name}" in self.model.deposits:
            client, count, *_ = self.model.deposits[f"dep_{name}"]
            self.both(self.model.undo(f"dep_{name}"), lambda: self.books.undo(f"dep_{name}", client, count))

    @rule(name=NAMES, client=CLIENTS, count=UNITS)
    def hold(self, name: int, client: str, count: int) -> None:
        self.both(self.model.hold(f"hld_{name}", client, count), lambda: self.books.hold(f"hld_{name}", client, count))

    @rule(name=NAMES, count=UNITS)
    def settle(self, name: int, count: int) -> None:
        if f"hld_{name}" in self.model.holds:
            self.both(self.model.settle(f"hld_{name}", count), lambda: self.books.settle(f"hld_{name}", count))

    @rule(name=NAMES)
    def void(self, name: int) -> None:
        if f"hld_{name}" in self.model.holds:
            self.both(self.model.void(f"hld_{name}"), lambda: self.books.void(f"hld_{name}"))

    @rule(key=NAMES, giver=CLIENTS, taker=CLIENTS, count=UNITS)
    def transfer(self, key: int, giver: str, taker: str, count: int) -> None:
        if giver != taker:
            self.both(
                self.model.transfer(f"k{key}", giver, taker, count),
                lambda: self.books.post(transfer(f"k{key}", giver, taker, count)),
            )

    @rule(moves=st.lists(st.tuples(st.integers(9, 40), CLIENTS, CLIENTS, UNITS), min_size=1, max_size=12))
    def batch(self, moves: list[tuple[int, str, str, int]]) -> None:
        named = [(f"k{key}", giver, taker, count) for key, giver, taker, count in moves if giver != taker]
        self.both(self.model.batch(named), lambda: self.books.post_batch(*(transfer(*move) for move in named)))

    @invariant()
    def agree(self) -> None:
        for client in self.model.available:
            assert self.books.of(client) == (
                self.model.available[client], self.model.held[client], self.model.owed[client],
            )  # fmt: skip
        assert self.books.onchain() == self.model.onchain

    def teardown(self) -> None:
        assert self.books.violations() == []


@pytest.mark.parametrize("steps", [40])
def test_agrees_with_its_model(database: FreshDatabase, steps: int) -> None:
    class Bound(LedgerMachine):
        books = Books(database)

    run_state_machine_as_test(
        Bound,
        settings=settings(
            max_examples=15, stateful_step_count=steps, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
