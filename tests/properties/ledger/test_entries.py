"""An entry is made only if it balances and its reason permits it: I1 and I5, before any database is asked."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from custody.ledger.model import (
    HOUSE,
    AccountRef,
    Entry,
    MalformedEntry,
    Posting,
    Reason,
    UnauthorisedEntry,
    UnbalancedEntry,
)
from custody.ledger.reasons import CLIENT_KINDS, HOUSE_KINDS, RULES, AccountKind

A, B = "asset-a", "asset-b"


def owners(kind: AccountKind) -> st.SearchStrategy[str]:
    if kind in HOUSE_KINDS:
        return st.just(HOUSE)
    return st.sampled_from(["cli_a", "cli_b"] if kind in CLIENT_KINDS else ["vlt_a", "vlt_b"])


@st.composite
def accounts(draw: st.DrawFn) -> AccountRef:
    kind = draw(st.sampled_from(list(AccountKind)))
    pledge = "plg_1" if kind is AccountKind.PLEDGED else ""
    return AccountRef(kind, draw(owners(kind)), draw(st.sampled_from([A, B])), pledge)


def postings() -> st.SearchStrategy[list[Posting]]:
    line = st.builds(Posting, accounts(), st.integers(-3, 3).filter(bool))
    return st.lists(line, min_size=2, max_size=5, unique_by=lambda posting: posting.account)


def make(reason: Reason, lines: list[Posting], by: dict[str, str] | None = None) -> Entry:
    return Entry("key", reason, "sub", "act", tuple(lines), by or {})


@given(st.sampled_from(list(Reason)), postings())
def test_whatever_is_made_balances_and_is_permitted(reason: Reason, lines: list[Posting]) -> None:
    try:
        entry = make(reason, lines)
    except (UnbalancedEntry, UnauthorisedEntry):
        return
    for asset in (A, B):
        assert sum(line.units for line in entry.postings if line.account.asset == asset) == 0
    clients = {line.account.owner for line in entry.postings if line.account.kind in CLIENT_KINDS}
    assert len(clients) <= 1
    for line in entry.postings:
        assert line.account.kind in (RULES[reason].falls if line.units < 0 else RULES[reason].rises)


@given(postings())
def test_value_leaves_a_client_for_another_or_the_house_only_on_authority(lines: list[Posting]) -> None:
    losing = {line.account.owner for line in lines if line.account.kind in CLIENT_KINDS and line.units < 0}
    gaining = {
        line.account.owner
        for line in lines
        if line.account.kind in CLIENT_KINDS | {AccountKind.FEES, AccountKind.CAPITAL} and line.units > 0
    }
    assume(any(loser != gainer for loser in losing for gainer in gaining))
    for reason in Reason:
        with pytest.raises((UnbalancedEntry, UnauthorisedEntry)):
            make(reason, lines)


@given(st.integers(1, 10**30), st.integers(1, 10**30))
def test_an_entry_that_is_off_by_anything_is_refused(given_units: int, taken_units: int) -> None:
    lines = [
        Posting(AccountRef(AccountKind.AVAILABLE, "cli_a", A), -given_units),
        Posting(AccountRef(AccountKind.HELD, "cli_a", A), taken_units),
    ]
    if given_units == taken_units:
        make(Reason.HOLD, lines)
    else:
        with pytest.raises(UnbalancedEntry):
            make(Reason.HOLD, lines)


def pair(units: int = 5) -> list[Posting]:
    return [
        Posting(AccountRef(AccountKind.AVAILABLE, "cli_a", A), -units),
        Posting(AccountRef(AccountKind.AVAILABLE, "cli_b", A), units),
    ]


def test_a_transfer_needs_the_debited_clients_authority() -> None:
    make(Reason.INTERNAL_TRANSFER, pair(), {"cli_a": "intent"})
    for by in ({}, {"cli_b": "intent"}):
        with pytest.raises(UnauthorisedEntry, match="authority"):
            make(Reason.INTERNAL_TRANSFER, pair(), by)


def test_units_that_cancel_across_assets_do_not_balance() -> None:
    with pytest.raises(UnbalancedEntry):
        make(
            Reason.HOLD,
            [
                Posting(AccountRef(AccountKind.AVAILABLE, "cli_a", A), -5),
                Posting(AccountRef(AccountKind.HELD, "cli_a", B), 5),
            ],
        )


def test_refuses_what_is_no_entry() -> None:
    with pytest.raises(MalformedEntry):
        make(Reason.HOLD, pair()[:1])
    with pytest.raises(MalformedEntry):
        make(Reason.HOLD, [pair()[0], dataclasses.replace(pair()[0], units=5)])
    with pytest.raises(MalformedEntry):
        Posting(pair()[0].account, 0)
    with pytest.raises(TypeError):
        Posting(pair()[0].account, 1.0)  # type: ignore[arg-type]  # what a float does is the test


def test_refuses_what_is_no_account() -> None:
    for kind, owner, asset, pledge in (
        (AccountKind.AVAILABLE, HOUSE, A, ""),
        (AccountKind.FEES, "cli_a", A, ""),
        (AccountKind.PLEDGED, "cli_a", A, ""),
        (AccountKind.HELD, "cli_a", A, "plg_1"),
        (AccountKind.HELD, "", A, ""),
        (AccountKind.HELD, "cli_a", "", ""),
    ):
        with pytest.raises(MalformedEntry):
            AccountRef(kind, owner, asset, pledge)


@given(st.integers(1, 9), st.sampled_from(["reason", "subject", "by", "units", "reverses"]))
def test_the_body_hash_covers_everything_but_who_and_when(units: int, change: str) -> None:
    entry = make(Reason.INTERNAL_TRANSFER, pair(units), {"cli_a": "i"})
    changed = {
        "reason": lambda: dataclasses.replace(make(Reason.HOLD, _held(units)), subject="sub"),
        "subject": lambda: dataclasses.replace(entry, subject="other"),
        "by": lambda: dataclasses.replace(entry, authorised_by={"cli_a": "j"}),
        "units": lambda: make(Reason.INTERNAL_TRANSFER, pair(units + 1), {"cli_a": "i"}),
        "reverses": lambda: dataclasses.replace(entry, reverses=7),
    }[change]()
    assert changed.body_hash() != entry.body_hash()
    reordered = dataclasses.replace(entry, postings=entry.postings[::-1], actor="other", key="another")
    assert reordered.body_hash() == entry.body_hash()


def _held(units: int) -> list[Posting]:
    return [
        Posting(AccountRef(AccountKind.AVAILABLE, "cli_a", A), -units),
        Posting(AccountRef(AccountKind.HELD, "cli_a", A), units),
    ]
