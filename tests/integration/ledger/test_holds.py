from __future__ import annotations

import pytest

from custody.kernel.errors import InvalidInput
from custody.ledger.model import HoldState
from custody.ledger.operations import (
    HoldEnded,
    HoldExceeded,
    HoldNotFound,
    HoldNotSettled,
    IdempotencyMismatch,
    InsufficientFunds,
)
from tests.integration.ledger.books import Books


@pytest.fixture(autouse=True)
def funded(books: Books) -> None:
    books.credit("dep_1", "cli_a", 100)


def test_sets_money_aside_once(books: Books) -> None:
    first = books.hold("hld_1", "cli_a", 60)
    assert books.hold("hld_1", "cli_a", 60) == first
    assert first.state is HoldState.PENDING
    assert books.of("cli_a") == (40, 60, 0)


def test_refuses_more_than_is_available(books: Books) -> None:
    books.hold("hld_1", "cli_a", 60)
    with pytest.raises(InsufficientFunds):
        books.hold("hld_2", "cli_a", 41)
    assert books.of("cli_a") == (40, 60, 0)


@pytest.mark.parametrize("count", [0, -1])
def test_refuses_an_amount_that_is_not_positive(books: Books, count: int) -> None:
    with pytest.raises(InvalidInput, match="amount"):
        books.hold("hld_1", "cli_a", count)


def test_refuses_another_amount_under_the_same_hold(books: Books) -> None:
    books.hold("hld_1", "cli_a", 60)
    with pytest.raises(IdempotencyMismatch):
        books.hold("hld_1", "cli_a", 61)
    with pytest.raises(IdempotencyMismatch):
        books.hold("hld_1", "cli_b", 60)


def test_settling_pays_and_gives_the_rest_back(books: Books) -> None:
    books.hold("hld_1", "cli_a", 60)
    settled = books.settle("hld_1", 50)
    assert (settled.released.units, settled.deficit.units) == (10, 0)
    assert settled.hold.state is HoldState.POSTED
    assert books.of("cli_a") == (50, 0, 0)
    assert books.onchain() == 50


def test_settling_all_of_it_leaves_no_rest(books: Books) -> None:
    books.hold("hld_1", "cli_a", 60)
    assert books.settle("hld_1", 60).released.units == 0
    assert books.of("cli_a") == (40, 0, 0)


def test_settling_twice_is_settling_once(books: Books) -> None:
    books.hold("hld_1", "cli_a", 60)
    first = books.settle("hld_1", 50)
    assert books.settle("hld_1", 50) == first
    assert books.onchain() == 50


def test_refuses_to_settle_again_with_another_payment(books: Books) -> None:
    books.hold("hld_1", "cli_a", 60)
    books.settle("hld_1", 50)
    with pytest.raises(IdempotencyMismatch):
        books.settle("hld_1", 49)
    with pytest.raises(IdempotencyMismatch):
        books.settle("hld_1", 50, vault="vlt_b")


def test_refuses_to_settle_more_than_was_set_aside(books: Books) -> None:
    books.hold("hld_1", "cli_a", 60)
    with pytest.raises(HoldExceeded):
        books.settle("hld_1", 61)


def test_voiding_gives_everything_back_once(books: Books) -> None:
    books.hold("hld_1", "cli_a", 60)
    first = books.void("hld_1")
    assert books.void("hld_1") == first
    assert first.state is HoldState.VOIDED
    assert books.of("cli_a") == (100, 0, 0)


def test_a_hold_ends_one_way_only(books: Books) -> None:
    books.hold("hld_1", "cli_a", 30)
    books.hold("hld_2", "cli_a", 30)
    books.void("hld_1")
    books.settle("hld_2", 30)
    with pytest.raises(HoldEnded):
        books.settle("hld_1", 30)
    with pytest.raises(HoldEnded):
        books.void("hld_2")


def test_knows_no_other_hold(books: Books) -> None:
    for act in (lambda: books.settle("hld_9", 1), lambda: books.void("hld_9"), lambda: books.unsettle("hld_9")):
        with pytest.raises(HoldNotFound):
            act()


def test_a_reversed_settlement_is_held_again(books: Books) -> None:
    books.hold("hld_1", "cli_a", 60)
    books.settle("hld_1", 50)
    held = books.unsettle("hld_1")
    assert books.unsettle("hld_1") == held
    assert (held.state, held.amount.units, held.ceiling.units) == (HoldState.PENDING, 50, 60)
    assert books.of("cli_a") == (50, 50, 0)
    assert books.onchain() == 100


def test_a_stale_settlement_does_not_settle_again_after_a_reversal(books: Books) -> None:
    books.hold("hld_1", "cli_a", 60)
    books.settle("hld_1", 50)
    books.unsettle("hld_1")
    with pytest.raises(HoldEnded):
        books.settle("hld_1", 50)
    assert books.settle("hld_1", 50, occurrence=2).hold.settlements == 2
    with pytest.raises(HoldNotSettled):
        books.unsettle("hld_1", occurrence=1)
    books.unsettle("hld_1", occurrence=2)
    assert books.of("cli_a") == (50, 50, 0)


def test_a_dearer_variant_after_a_reorg_takes_the_difference_from_available(books: Books) -> None:
    books.hold("hld_1", "cli_a", 60)
    books.settle("hld_1", 50)
    books.unsettle("hld_1")
    settled = books.settle("hld_1", 58, occurrence=2)
    assert (settled.released.units, settled.deficit.units) == (0, 0)
    assert books.of("cli_a") == (42, 0, 0)


def test_a_dearer_variant_that_available_cannot_cover_becomes_a_receivable(books: Books) -> None:
    books.credit("dep_2", "cli_b", 20)
    books.hold("hld_1", "cli_a", 60)
    books.settle("hld_1", 50)
    books.unsettle("hld_1")
    books.hold("hld_2", "cli_a", 47)
    settled = books.settle("hld_1", 58, occurrence=2)
    assert settled.deficit.units == 5
    assert books.of("cli_a") == (0, 47, 5)
    assert books.of("cli_b") == (20, 0, 0)


def test_only_a_settled_hold_can_be_reversed(books: Books) -> None:
    books.hold("hld_1", "cli_a", 60)
    with pytest.raises(HoldNotSettled):
        books.unsettle("hld_1")
    books.void("hld_1")
    with pytest.raises(HoldNotSettled):
        books.unsettle("hld_1")


def test_a_voided_hold_is_set_aside_again_as_often_as_it_takes(books: Books) -> None:
    books.hold("hld_1", "cli_a", 60)
    for _ in range(2):
        books.void("hld_1")
        assert books.of("cli_a") == (100, 0, 0)
        restored = books.restore("hld_1")
        assert books.restore("hld_1").hold == restored.hold
        assert (restored.hold.state, restored.hold.amount.units, restored.deficit.units) == (HoldState.PENDING, 60, 0)
        assert books.of("cli_a") == (40, 60, 0)
    books.settle("hld_1", 60)
    assert (books.of("cli_a"), books.onchain()) == ((40, 0, 0), 40)
    with pytest.raises(HoldEnded):
        books.restore("hld_1")


@pytest.mark.parametrize("left", [0, 25])
def test_what_was_used_meanwhile_becomes_a_receivable(books: Books, left: int) -> None:
    books.hold("hld_1", "cli_a", 60)
    books.void("hld_1")
    books.hold("hld_2", "cli_a", 100 - left)
    restored = books.restore("hld_1")
    assert (restored.hold.amount.units, restored.deficit.units) == (60, 60 - left)
    assert books.of("cli_a") == (0, 160 - left, 60 - left)
