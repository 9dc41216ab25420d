from __future__ import annotations

import pytest

from custody.ledger.model import Reason, UnauthorisedEntry
from custody.ledger.operations import (
    DepositNotCredited,
    DepositReversed,
    DepositStillCredited,
    IdempotencyMismatch,
    VaultOverdrawn,
    reverse_suspense,
    to_suspense,
)
from custody.ledger.queries import vault_totals
from tests.integration.ledger.books import Books, units


def test_credits_exactly_what_arrived_once(books: Books) -> None:
    assert books.credit("dep_1", "cli_a", 100) == books.credit("dep_1", "cli_a", 100)
    assert books.of("cli_a") == (100, 0, 0)
    assert books.onchain() == 100


def test_refuses_another_value_for_the_same_deposit(books: Books) -> None:
    books.credit("dep_1", "cli_a", 100)
    for client, count, vault in (("cli_a", 101, "vlt_a"), ("cli_b", 100, "vlt_a"), ("cli_a", 100, "vlt_b")):
        with pytest.raises(IdempotencyMismatch):
            books.credit("dep_1", client, count, vault=vault)


def test_a_reversal_takes_it_back_once(books: Books) -> None:
    books.credit("dep_1", "cli_a", 100)
    first = books.undo("dep_1", "cli_a", 100)
    assert (first.taken.units, first.deficit.units) == (100, 0)
    assert books.undo("dep_1", "cli_a", 100) == first
    assert books.of("cli_a") == (0, 0, 0)
    assert books.onchain() == 0


def test_a_deficit_is_a_receivable_of_that_client_and_nobody_elses(books: Books) -> None:
    books.credit("dep_1", "cli_a", 100)
    books.credit("dep_2", "cli_b", 100)
    books.hold("hld_1", "cli_a", 70)
    others = {name: state for name, state in books.accounts().items() if name.owner == "cli_b"}
    result = books.undo("dep_1", "cli_a", 100)
    assert (result.taken.units, result.deficit.units) == (30, 70)
    assert books.of("cli_a") == (0, 70, 70)
    assert {name: state for name, state in books.accounts().items() if name.owner == "cli_b"} == others
    books.credit("dep_3", "cli_a", 100)
    assert books.undo("dep_1", "cli_a", 100) == result


def test_refuses_to_reverse_what_was_not_credited_so(books: Books) -> None:
    with pytest.raises(DepositNotCredited):
        books.undo("dep_1", "cli_a", 100)
    books.credit("dep_1", "cli_a", 100)
    for client, count, vault in (("cli_a", 99, "vlt_a"), ("cli_b", 100, "vlt_a"), ("cli_a", 100, "vlt_b")):
        with pytest.raises(IdempotencyMismatch):
            books.undo("dep_1", client, count, vault=vault)


def test_a_stale_credit_does_not_credit_again_after_a_reversal(books: Books) -> None:
    books.credit("dep_1", "cli_a", 100)
    books.undo("dep_1", "cli_a", 100)
    with pytest.raises(DepositReversed):
        books.credit("dep_1", "cli_a", 100)


def test_a_deposit_that_comes_back_is_a_new_occurrence(books: Books) -> None:
    books.credit("dep_1", "cli_a", 100)
    with pytest.raises(DepositStillCredited):
        books.credit("dep_1", "cli_a", 100, occurrence=2)
    books.undo("dep_1", "cli_a", 100)
    assert books.credit("dep_1", "cli_a", 100, occurrence=2) == books.credit("dep_1", "cli_a", 100, occurrence=2)
    assert books.of("cli_a") == (100, 0, 0)


def test_a_deposit_that_comes_back_repays_its_own_deficit_only(books: Books) -> None:
    books.credit("dep_1", "cli_a", 100)
    books.credit("dep_2", "cli_a", 40)
    books.hold("hld_1", "cli_a", 120)
    books.undo("dep_1", "cli_a", 100)
    assert books.of("cli_a") == (0, 120, 80)
    books.undo("dep_2", "cli_a", 40)
    assert books.of("cli_a") == (0, 120, 120)
    books.credit("dep_1", "cli_a", 100, occurrence=2)
    assert books.of("cli_a") == (20, 120, 40)
    books.credit("dep_2", "cli_a", 40, occurrence=2)
    assert books.of("cli_a") == (20, 120, 0)


def test_settlements_are_reversed_before_the_deposits_they_spent(books: Books) -> None:
    books.credit("dep_1", "cli_a", 100)
    books.hold("hld_1", "cli_a", 100)
    books.settle("hld_1", 100)
    with pytest.raises(VaultOverdrawn):
        books.undo("dep_1", "cli_a", 100)
    books.unsettle("hld_1")
    books.undo("dep_1", "cli_a", 100)
    assert books.of("cli_a") == (0, 100, 100)
    assert books.onchain() == 0


def test_dust_is_in_suspense_until_a_reorg_takes_it(books: Books) -> None:
    def suspend(occurrence: int) -> int:
        return books.run(
            lambda session, now: to_suspense(
                session, subject="dep_1", vault="vlt_a", amount=units(300), reason=Reason.DEPOSIT_DUST, actor="t",
                now=now, occurrence=occurrence,
            )
        )  # fmt: skip

    def suspended() -> tuple[int, int]:
        total = books.run(lambda session, now: vault_totals(session))[0]
        return total.onchain, total.suspense

    assert suspend(1) == suspend(1)
    assert suspended() == (300, 300)
    books.run(
        lambda session, now: reverse_suspense(
            session, subject="dep_1", vault="vlt_a", amount=units(300), actor="t", now=now
        )
    )
    assert suspended() == (0, 0)
    with pytest.raises(DepositReversed):
        suspend(1)
    suspend(2)
    assert suspended() == (300, 300)


def test_suspense_takes_no_other_reason(books: Books) -> None:
    with pytest.raises(UnauthorisedEntry):
        books.run(
            lambda session, now: to_suspense(
                session, subject="dep_1", vault="vlt_a", amount=units(1), reason=Reason.DEPOSIT_CREDITED, actor="t",
                now=now,
            )
        )  # fmt: skip
