"""Entries by hand: each of a kind of its own, authorised, and backed by what is there."""

from __future__ import annotations

import pytest

from custody.approvals.asking import Denied
from custody.corrections.operations import NotBacked
from custody.evidence.requests import ManualEntryRequest
from custody.kernel.errors import InvalidInput, NotFound
from custody.kernel.money import Amount
from custody.ledger import operations as ledger
from custody.ledger import queries as books
from custody.ledger.model import AccountKind, AccountRef, Entry, Posting
from custody.reconciliation import queries as breaks
from custody.reconciliation.model import Break
from custody.reconciliation.operations import record_run
from tests.cosigner.builders import DEMO_POLICY, World
from tests.integration.reconciliation.stage import Stage
from tests.support.governing import agree, carry_out, entry, file, govern, resolution
from tests.support.oracle import plays
from tests.support.servers import FreshDatabase
from tests.support.world import REGTEST, House

DUST = 900


@pytest.fixture
def stage(stage: Stage) -> Stage:
    """Two clients with money; dust that is nobody's lies in the vault of one."""
    for client in ("acme", "birch"):
        stage.open(client)
        stage.fund(client)
    stage.deposit("acme", DUST)
    stage.mine(6)
    assert suspense(stage) == DUST
    return stage


def suspense(stage: Stage) -> int:
    with stage.db.unit() as unit:
        return sum(each.suspense for each in books.vault_totals(unit.session) if each.vault == stage.vault("acme"))


def available(stage: Stage, client: str = "acme") -> int:
    with stage.db.unit() as unit:
        return sum(each.available for each in books.balances(unit.session, client=client))


def to_acme(stage: Stage, amount: int) -> ManualEntryRequest:
    found: ManualEntryRequest = entry(stage.db, amount, f"suspense/{stage.vault('acme')}", "available", client="acme")
    return found


def test_gives_what_was_nobodys_to_its_client_and_takes_it_back(stage: Stage) -> None:
    before = available(stage)
    asked = file(stage.db, to_acme(stage, DUST))
    agree(stage.db, asked.digest, "bob")
    carry_out(stage.db, asked.digest)
    assert available(stage) == before
    agree(stage.db, asked.digest, "carol")
    for _ in range(2):
        carry_out(stage.db, asked.digest)
    assert (available(stage), suspense(stage)) == (before + DUST, 0)
    with stage.db.unit() as unit:
        (posted,) = books.entries_of(unit.session, subject=asked.digest)
    assert (posted.reason, dict(posted.authorised_by)) == ("suspense_resolved", {stage.vault("acme"): asked.digest})
    back = entry(stage.db, DUST, "available", f"suspense/{stage.vault('acme')}", client="acme")
    govern(stage.db, back, "bob", "carol")
    assert (available(stage), suspense(stage)) == (before, DUST)
    assert stage.reconcile().is_balanced
    stage.expect_whole()


@plays("P-102")
def test_p102_no_quorum_credits_what_is_not_there(stage: Stage) -> None:
    before = stage.dump()
    with pytest.raises(NotBacked, match=r"request\.amount"):
        file(stage.db, to_acme(stage, 620_000))
    assert stage.dump() == before
    rivals = [file(stage.db, to_acme(stage, DUST)) for _ in range(2)]
    for each in rivals:
        agree(stage.db, each.digest, "bob", "carol")
    assert [carry_out(stage.db, each.digest).state for each in rivals] == ["approved", "withdrawn"]
    assert suspense(stage) == 0
    stage.expect_whole()


def test_p102_a_ceiling_of_the_policy_refuses_as_well(database: FreshDatabase) -> None:
    ceiling = DEMO_POLICY + (
        '  - forbid: entries by hand above a hundredth\n    match: {kind: manual_entry, amount: {above: "0.01 BTC"}}\n'
    )
    house = House.found(database, ceremony=World(policy=ceiling))
    vault = house.open_client("acme", branch=4)
    with house.db.unit() as unit:
        ledger.to_suspense(
            unit.session,
            subject="dep_1",
            vault=vault,
            amount=Amount(REGTEST.asset.id, 5_000_000),
            reason=ledger_reason(),
            actor="test",
            now=unit.now,
        )
    before = house.row_counts()
    with pytest.raises(Denied, match="above a hundredth"):
        file(house.db, entry(house.db, 1_000_001, f"suspense/{vault}", "available", client="acme"))
    assert house.row_counts() == before
    assert (
        file(house.db, entry(house.db, 1_000_000, f"suspense/{vault}", "available", client="acme")).state == "pending"
    )
    house.close()


WRONG: list[tuple[str, str, str, type[Exception], str]] = [
    ("available", "available", "acme", InvalidInput, r"request\.credit"),
    ("available", "fees", "acme", InvalidInput, r"request\.credit"),
    ("available", "onchain/ACME", "acme", InvalidInput, r"request\.credit"),
    ("held", "available", "acme", InvalidInput, r"request\.debit"),
    ("pledged/plg_1", "available", "acme", InvalidInput, r"request\.debit"),
    ("capital", "available", "acme", InvalidInput, r"request\.debit"),
    ("available/birch", "suspense/ACME", "acme", InvalidInput, r"request\.debit"),
    ("onchain/ACME", "suspense/BIRCH", "house", InvalidInput, r"request\.credit"),
    ("suspense/ACME", "available", "birch", InvalidInput, r"request\.client"),
    ("suspense/ACME", "available", "house", InvalidInput, r"request\.credit"),
    ("onchain/ACME", "suspense/ACME", "acme", InvalidInput, r"request\.client"),
    ("suspense/none/1", "available", "acme", NotFound, "vault"),
    ("suspense/ACME", "available", "nobody", NotFound, "client"),
    ("onchain/ACME", "suspense/ACME", "house", NotBacked, r"request\.amount"),
    ("suspense/ACME", "onchain/ACME", "house", NotBacked, r"request\.amount"),
    ("available", "receivable", "acme", NotBacked, r"request\.amount"),
]
"""Debited, credited, whose, and what is said of it."""


def test_names_what_cannot_be_posted_and_writes_nothing(stage: Stage) -> None:
    places = {"ACME": stage.vault("acme"), "BIRCH": stage.vault("birch")}
    before = stage.dump()
    for debit, credit, client, error, field in WRONG:
        accounts = [_named(each, places) for each in (debit, credit)]
        with pytest.raises(error, match=field):
            file(stage.db, entry(stage.db, 100, *accounts, client=client))
    with pytest.raises(InvalidInput, match=r"request\.asset"):
        file(stage.db, entry(stage.db, 100, "suspense/x/1", "available", client="acme", asset="bip122:00/slip44:9"))
    assert stage.dump() == before


def test_what_the_chain_holds_more_is_found_once_and_no_more_than_that(stage: Stage) -> None:
    """The books forgot what arrived: the break says how much, an entry books it, and the vault goes on."""
    vault = stage.vault("acme")
    with stage.db.unit() as unit:
        ledger.reverse_suspense(
            unit.session,
            subject=_dust(stage),
            vault=vault,
            amount=Amount(stage.asset, DUST),
            actor="test",
            now=unit.now,
        )
    assert "ledger-is-the-chain" in {each.check for each in stage.reconcile().breaks}
    found = (f"onchain/{vault}", f"suspense/{vault}")
    with pytest.raises(NotBacked):
        file(stage.db, entry(stage.db, DUST + 1, *found))
    govern(stage.db, entry(stage.db, DUST, *found), "bob", "carol")
    with pytest.raises(NotBacked):
        file(stage.db, entry(stage.db, 1, *found))
    with stage.db.unit() as unit:
        open_ = breaks.open_breaks(unit.session)
    for each in open_:
        govern(stage.db, resolution(stage.db, each.id, "corrected"), "bob", "carol")
    assert stage.reconcile().is_balanced
    assert suspense(stage) == DUST


def test_what_the_chain_holds_less_is_taken_out_of_what_is_nobodys(stage: Stage) -> None:
    vault = stage.vault("acme")
    snapshots = stage.reconcile().snapshots
    short = Break(vault, stage.asset, "ledger-is-the-chain", 1_000, 400, "six hundred less")
    with stage.db.unit() as unit:
        record_run(
            unit.session,
            kind="scripts",
            snapshots=snapshots,
            breaks=(short,),
            actor="test",
            started_at=unit.now,
            now=unit.now,
        )
    lost = (f"suspense/{vault}", f"onchain/{vault}")
    with pytest.raises(NotBacked, match="600 base units"):
        file(stage.db, entry(stage.db, 601, *lost))
    govern(stage.db, entry(stage.db, 600, *lost), "bob", "carol")
    assert suspense(stage) == DUST - 600


def test_the_check_is_red_for_an_entry_that_nobody_asked_for(stage: Stage) -> None:
    stage.expect_whole()
    with stage.db.unit() as unit:
        ledger.post(
            unit.session,
            entry=Entry(
                key="manual:none",
                reason=books.Reason.SUSPENSE_RESOLVED,
                subject="none",
                actor="thief",
                postings=(
                    Posting(AccountRef(AccountKind.SUSPENSE, stage.vault("acme"), stage.asset), -1),
                    Posting(AccountRef(AccountKind.AVAILABLE, "acme", stage.asset), 1),
                ),
                authorised_by={stage.vault("acme"): "none"},
            ),
            now=unit.now,
        )
    assert [name for name, holds in stage.check().results.items() if not holds] == ["I5"]


def _named(account: str, places: dict[str, str]) -> str:
    for name, vault in places.items():
        account = account.replace(name, vault)
    return account


def ledger_reason() -> books.Reason:
    return books.Reason.DEPOSIT_QUARANTINED


def _dust(stage: Stage) -> str:
    from custody.deposits import queries as deposits

    with stage.db.unit() as unit:
        return next(each.id for each in deposits.every(unit.session) if each.units == DUST)
