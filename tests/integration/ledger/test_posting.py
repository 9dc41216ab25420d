from __future__ import annotations

import dataclasses

import pytest

from custody.kernel.money import MAX_UNITS
from custody.ledger.model import Entry, Posting, Reason
from custody.ledger.operations import IdempotencyMismatch, InsufficientFunds, VaultOverdrawn
from custody.ledger.queries import entries_of, trial_balance, vault_totals
from custody.ledger.reasons import AccountKind
from tests.integration.ledger.books import ASSET, Books, account, moving, transfer

OTHER = "eip155:1/slip44:60"


def test_moves_units_and_counts_versions(books: Books) -> None:
    books.credit("dep_1", "cli_a", 100)
    books.post(transfer("k1", "cli_a", "cli_b", 30))
    assert books.accounts() == {
        account("available", "cli_a"): (70, 2),
        account("available", "cli_b"): (30, 1),
        account("onchain", "vlt_a"): (-100, 1),
    }


def test_gives_the_same_entry_for_the_same_key_and_body(books: Books) -> None:
    books.credit("dep_1", "cli_a", 100)
    assert books.post(transfer("k1", "cli_a", "cli_b", 30)) == books.post(transfer("k1", "cli_a", "cli_b", 30))
    assert books.of("cli_a") == (70, 0, 0)


def test_gives_the_same_entry_to_another_actor(books: Books) -> None:
    books.credit("dep_1", "cli_a", 100)
    entry = transfer("k1", "cli_a", "cli_b", 30)
    assert books.post(entry) == books.post(dataclasses.replace(entry, actor="another worker"))


@pytest.mark.parametrize("single", [True, False])
def test_refuses_another_body_under_a_used_key(books: Books, single: bool) -> None:
    books.credit("dep_1", "cli_a", 100)
    books.post(transfer("k1", "cli_a", "cli_b", 30))
    before = books.accounts()
    with pytest.raises(IdempotencyMismatch):
        (books.post if single else books.post_batch)(transfer("k1", "cli_a", "cli_b", 31))
    with pytest.raises(IdempotencyMismatch):
        (books.post if single else books.post_batch)(transfer("k1", "cli_a", "cli_c", 30))
    assert books.accounts() == before


def test_repeats_an_entry_whose_money_is_gone_meanwhile(books: Books) -> None:
    books.credit("dep_1", "cli_a", 100)
    first = books.post(transfer("k1", "cli_a", "cli_b", 100))
    assert books.post(transfer("k1", "cli_a", "cli_b", 100)) == first
    assert books.post_batch(transfer("k1", "cli_a", "cli_b", 100)) == first


@pytest.mark.parametrize("single", [True, False])
def test_refuses_to_overdraw_and_writes_nothing(books: Books, single: bool) -> None:
    books.credit("dep_1", "cli_a", 100)
    before = books.accounts()
    with pytest.raises(InsufficientFunds):
        (books.post if single else books.post_batch)(transfer("k1", "cli_a", "cli_b", 101))
    assert books.accounts() == before
    assert books.run(lambda session, now: entries_of(session, subject="sub_1")) == []


def test_a_refused_key_can_be_used_when_there_is_money(books: Books) -> None:
    with pytest.raises(InsufficientFunds):
        books.post(transfer("k1", "cli_a", "cli_b", 10))
    books.credit("dep_1", "cli_a", 10)
    books.post(transfer("k1", "cli_a", "cli_b", 10))
    assert books.of("cli_b") == (10, 0, 0)


def test_refuses_to_pay_out_more_than_a_vault_holds(books: Books) -> None:
    books.credit("dep_1", "cli_a", 100, vault="vlt_a")
    books.hold("hld_1", "cli_a", 60)
    with pytest.raises(VaultOverdrawn):
        books.settle("hld_1", 60, vault="vlt_b")
    assert books.of("cli_a") == (40, 60, 0)


def test_a_batch_posts_in_order_and_every_step_is_above_zero(books: Books) -> None:
    books.credit("dep_1", "cli_a", 100)
    entries = [transfer(f"k{n}", "cli_a", "cli_b", 10) for n in range(10)]
    books.post_batch(*entries, transfer("back", "cli_b", "cli_a", 100))
    assert books.accounts()[account("available", "cli_a")] == (100, 12)
    assert books.accounts()[account("available", "cli_b")] == (0, 11)


def test_a_batch_may_not_dip_below_zero_on_the_way(books: Books) -> None:
    books.credit("dep_1", "cli_a", 100)
    before = books.accounts()
    with pytest.raises(InsufficientFunds):
        books.post_batch(transfer("k1", "cli_b", "cli_a", 10), transfer("k2", "cli_a", "cli_b", 10))
    assert books.accounts() == before


def test_a_batch_is_all_or_nothing(books: Books) -> None:
    books.credit("dep_1", "cli_a", 100)
    before = books.accounts()
    with pytest.raises(InsufficientFunds):
        books.post_batch(transfer("k1", "cli_a", "cli_b", 10), transfer("k2", "cli_a", "cli_b", 91))
    assert books.accounts() == before


def test_a_batch_posts_a_repeated_key_once(books: Books) -> None:
    books.credit("dep_1", "cli_a", 100)
    one, two = transfer("k1", "cli_a", "cli_b", 1), transfer("k2", "cli_a", "cli_b", 2)
    first = books.post_batch(one, two, one)
    assert first[0] == first[2] != first[1]
    three = transfer("k3", "cli_a", "cli_b", 4)
    second = books.post_batch(two, three, one)
    assert (second[0], second[2]) == (first[1], first[0])
    assert books.of("cli_b") == (7, 0, 0)


def test_a_batch_refuses_two_bodies_under_one_key(books: Books) -> None:
    books.credit("dep_1", "cli_a", 100)
    with pytest.raises(IdempotencyMismatch):
        books.post_batch(transfer("k1", "cli_a", "cli_b", 1), transfer("k1", "cli_a", "cli_b", 2))
    assert books.of("cli_b") == (0, 0, 0)


def test_an_empty_batch_is_nothing(books: Books) -> None:
    assert books.post_batch() == []


def test_an_entry_may_have_legs_in_two_assets(books: Books) -> None:
    books.credit("dep_1", "cli_a", 100)
    books.post(
        moving("d", account("onchain", "vlt_e", OTHER), account("available", "cli_b", OTHER), 7,
               reason=Reason.DEPOSIT_CREDITED)
    )  # fmt: skip
    swap = Entry(
        "swap", Reason.INTERNAL_TRANSFER, "sub_1", "t",
        (
            Posting(account("available", "cli_a"), -100), Posting(account("available", "cli_b"), 100),
            Posting(account("available", "cli_b", OTHER), -7), Posting(account("available", "cli_a", OTHER), 7),
        ),
        {"cli_a": "i", "cli_b": "i"},
    )  # fmt: skip
    books.post(swap)
    assert books.accounts()[account("available", "cli_a", OTHER)] == (7, 1)
    assert books.accounts()[account("available", "cli_b")] == (100, 1)


def test_counts_to_seventy_eight_digits(books: Books) -> None:
    books.credit("dep_1", "cli_a", MAX_UNITS)
    books.post(transfer("k1", "cli_a", "cli_b", MAX_UNITS - 1))
    assert books.of("cli_a") == (1, 0, 0)
    assert books.of("cli_b") == (MAX_UNITS - 1, 0, 0)


def test_keeps_pledges_apart(books: Books) -> None:
    books.credit("dep_1", "cli_a", 100)
    one, two = account("pledged", "cli_a", pledge="plg_1"), account("pledged", "cli_a", pledge="plg_2")
    for key, pledged, count in (("p1", one, 10), ("p2", two, 20)):
        books.post(
            moving(key, account("available", "cli_a"), pledged, count, reason=Reason.PLEDGE, by={"cli_a": "intent"})
        )
    assert (books.accounts()[one], books.accounts()[two]) == ((10, 1), (20, 1))
    with pytest.raises(InsufficientFunds):
        books.post(
            moving("r", one, account("available", "cli_a"), 11, reason=Reason.PLEDGE_RELEASE, by={"cli_a": "intent"})
        )


def test_totals_and_trial_balance_agree(books: Books) -> None:
    books.credit("dep_1", "cli_a", 100)
    books.credit("dep_2", "cli_b", 50, vault="vlt_b")
    books.hold("hld_1", "cli_a", 40)
    lines = {line.kind: (line.debit, line.credit) for line in books.run(lambda session, now: trial_balance(session))}
    assert lines == {
        AccountKind.AVAILABLE: (0, 110),
        AccountKind.HELD: (0, 40),
        AccountKind.ONCHAIN: (150, 0),
    }
    totals = books.run(lambda session, now: vault_totals(session))
    assert [(total.vault, total.asset, total.onchain, total.suspense) for total in totals] == [
        ("vlt_a", ASSET, 100, 0),
        ("vlt_b", ASSET, 50, 0),
    ]
