"""Stopping and letting go, by intents: who may, what is lifted, and what stays."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import text

from custody.approvals.asking import Denied
from custody.clients import operations as clients
from custody.clients import queries as client_queries
from custody.deposits import queries as deposits
from custody.evidence.check import RequestRefused
from custody.freezes.operations import CannotLift, NotFrozen
from custody.kernel.errors import InvalidInput, NotFound
from custody.kernel.money import Amount
from custody.ledger import operations as ledger
from custody.stops import queries as stops
from custody.vaults import operations as vault_operations
from custody.vaults import queries as vaults
from custody.withdrawals.states import State
from tests.support import governing
from tests.support.governing import agree, carry_out, entry, file, freeze, govern, unfreeze
from tests.support.oracle import plays
from tests.support.processes import wait_until
from tests.support.servers import FreshDatabase
from tests.support.world import BTC, REGTEST, House


@pytest.fixture
def house(database: FreshDatabase) -> Iterator[House]:
    """Two clients, whose money is not there yet."""
    built = House.found(database)
    for client, branch in (("acme", 4), ("birch", 5)):
        built.open_client(client, branch=branch)
    yield built
    built.close()


def names(house: House) -> tuple[str, ...]:
    with house.db.unit() as unit:
        return stops.names(unit.session)


def status(house: House, client: str) -> str:
    with house.db.unit() as unit:
        return client_queries.get(unit.session, client=client).status


@pytest.mark.parametrize(
    ("scope", "subject"),
    [("client", "acme"), ("vault", "kst_demo/4"), ("asset", REGTEST.asset.id), ("everything", "everything")],
)
def test_one_operator_stops_it_at_once_and_two_let_it_go(house: House, scope: str, subject: str) -> None:
    asked = file(house.db, freeze(house.db, scope, subject))
    assert asked.state == "approved"
    name = "everything" if scope == "everything" else f"{scope}:{subject}"
    assert names(house) == (name,)
    let_go = file(house.db, unfreeze(house.db, scope, subject))
    assert let_go.state == "pending"
    agree(house.db, let_go.digest, "bob")
    assert carry_out(house.db, let_go.digest).carried_out_at is None
    assert names(house) == (name,)
    agree(house.db, let_go.digest, "carol")
    assert carry_out(house.db, let_go.digest).carried_out_at is not None
    assert names(house) == ()
    assert status(house, "acme") == "active"
    house.expect_whole()


def test_a_frozen_client_asks_in_vain_and_an_approved_request_waits(house: House) -> None:
    house.credit("acme", BTC)
    house.credit("birch", BTC)
    waiting = house.withdraw(house.withdrawal_request("acme", BTC // 10))
    house.approve(waiting.digest, "alice")
    file(house.db, freeze(house.db, "client", "acme"))
    assert house.withdraw(house.withdrawal_request("acme", 1_000_000)).state is State.DENIED
    assert house.withdraw(house.withdrawal_request("birch", 1_000_000)).state is State.APPROVED
    house.approve(waiting.digest, "bob")
    carry_out(house.db, waiting.digest)
    found = next(item for item in house.withdrawals() if item.id == waiting.id)
    assert found.state is State.APPROVED
    house.expect_ledger()


def test_an_approved_freeze_that_is_told_again_stops_nothing_again(house: House) -> None:
    asked = file(house.db, freeze(house.db, "client", "acme"))
    govern(house.db, unfreeze(house.db, "client", "acme"), "bob", "carol")
    carry_out(house.db, asked.digest)
    assert names(house) == ()
    assert status(house, "acme") == "active"
    house.expect_whole()


def test_letting_go_lifts_nothing_that_began_after_it_was_asked_for(house: House) -> None:
    file(house.db, freeze(house.db, "client", "acme"))
    let_go = file(house.db, unfreeze(house.db, "client", "acme"))
    file(house.db, freeze(house.db, "client", "acme", requester="bob", purpose="another reason"))
    agree(house.db, let_go.digest, "bob", "carol")
    carry_out(house.db, let_go.digest)
    with house.db.unit() as unit:
        left = stops.standing(unit.session)
    assert [stop.reason for stop in left] == ["another reason (bob)"]
    assert status(house, "acme") == "frozen"
    govern(house.db, unfreeze(house.db, "client", "acme"), "bob", "carol")
    assert status(house, "acme") == "active"
    house.expect_whole()


def test_an_agreement_that_ran_out_lets_nothing_go(house: House) -> None:
    file(house.db, freeze(house.db, "vault", "kst_demo/4"))
    let_go = file(house.db, unfreeze(house.db, "vault", "kst_demo/4"))
    agree(house.db, let_go.digest, "bob", "carol")
    assert carry_out(house.db, let_go.digest, later=timedelta(days=2)).state == "expired"
    assert names(house) == ("vault:kst_demo/4",)


@plays("P-057")
def test_p057_a_veto_ends_it_whoever_agrees_afterwards(house: House) -> None:
    file(house.db, freeze(house.db, "everything", "everything"))
    let_go = file(house.db, unfreeze(house.db, "everything", "everything"))
    agree(house.db, let_go.digest, "bob", verdict="reject")
    for person in ("carol", "alice"):
        with pytest.raises(Exception, match=r"rejected|requester"):
            agree(house.db, let_go.digest, person)
    assert carry_out(house.db, let_go.digest).state == "rejected"
    assert names(house) == ("everything",)
    house.expect_whole()


def test_lets_a_client_go_whom_a_reorg_left_owing_nothing(house: House) -> None:
    house.credit("acme", BTC)
    with house.db.unit() as unit:
        found = ledger.reverse_deposit(
            unit.session,
            deposit_id=_deposit(house),
            client="acme",
            vault="kst_demo/4",
            amount=Amount(REGTEST.asset.id, BTC),
            actor="chain",
            now=unit.now,
        )
        assert found.deficit.units == 0
        clients.freeze(unit.session, client="acme", reason="a reorg", actor="chain", now=unit.now)
    govern(house.db, unfreeze(house.db, "client", "acme"), "bob", "carol")
    assert status(house, "acme") == "active"


def test_a_client_that_owes_stays_frozen(house: House) -> None:
    house.credit("acme", BTC)
    house.withdraw(house.withdrawal_request("acme", 2_000_000))
    with house.db.unit() as unit:
        ledger.reverse_deposit(
            unit.session,
            deposit_id=_deposit(house),
            client="acme",
            vault="kst_demo/4",
            amount=Amount(REGTEST.asset.id, BTC),
            actor="chain",
            now=unit.now,
        )
        clients.freeze(unit.session, client="acme", reason="a reorg", actor="chain", now=unit.now)
    before = house.row_counts()
    with pytest.raises(CannotLift, match="owing 2020000 base units"):
        file(house.db, unfreeze(house.db, "client", "acme"))
    assert house.row_counts() == before
    assert status(house, "acme") == "frozen"
    house.credit("acme", BTC)
    govern(house.db, entry(house.db, 2_020_000, "available", "receivable", client="acme"), "bob", "carol")
    govern(house.db, unfreeze(house.db, "client", "acme"), "bob", "carol")
    assert (status(house, "acme"), house.balance("acme")) == ("active", (BTC - 2_020_000, 2_020_000))
    house.expect_ledger()


def test_a_break_is_lifted_by_no_unfreeze_and_changed_rules_are(house: House) -> None:
    vault = "kst_demo/4"
    with house.db.unit() as unit:
        vault_operations.freeze_changed(
            unit.session, vault=vault, locator=b"\x01", sentences=["an owner is another"], actor="test", now=unit.now
        )
    file(house.db, freeze(house.db, "vault", vault))
    with house.db.unit() as unit:
        assert vaults.get(unit.session, vault=vault).is_in_doubt
    let_go = file(house.db, unfreeze(house.db, "vault", vault))
    with house.db.unit() as unit:
        vault_operations.freeze_vault(unit.session, vault=vault, reason="break", actor="test", now=unit.now)
    agree(house.db, let_go.digest, "bob", "carol")
    assert carry_out(house.db, let_go.digest).state == "withdrawn"
    with pytest.raises(CannotLift, match="break_resolution"):
        file(house.db, unfreeze(house.db, "vault", vault))
    with house.db.unit() as unit:
        assert [stop.cause for stop in stops.standing(unit.session)] == ["rules", "people", "break"]


def test_lets_a_vault_with_changed_rules_go_by_two_operators(house: House) -> None:
    vault = "kst_demo/4"
    with house.db.unit() as unit:
        vault_operations.freeze_changed(
            unit.session, vault=vault, locator=b"\x01", sentences=["an owner is another"], actor="test", now=unit.now
        )
    govern(house.db, unfreeze(house.db, "vault", vault), "bob", "carol")
    with house.db.unit() as unit:
        found = vaults.get(unit.session, vault=vault)
    assert (found.is_frozen, found.is_in_doubt) == (False, False)
    house.expect_whole()


def test_resumes_a_suspended_asset(house: House) -> None:
    asset = REGTEST.asset.id
    with house.db.unit() as unit:
        unit.session.execute(
            text("INSERT INTO suspended_assets (chain, asset, reason, since) VALUES (:chain, :asset, 'lied', :now)"),
            {"chain": REGTEST.chain, "asset": asset, "now": unit.now},
        )
    govern(house.db, unfreeze(house.db, "asset", asset), "bob", "carol")
    with house.db.unit() as unit:
        assert deposits.suspended(unit.session) == {}
    house.expect_whole()


@pytest.mark.parametrize(
    ("scope", "subject", "error"),
    [
        ("client", "nobody", NotFound),
        ("vault", "kst_demo/99", NotFound),
        ("asset", "bip122:00/slip44:1", InvalidInput),
        ("everything", "acme", InvalidInput),
    ],
)
def test_names_what_it_does_not_know_and_writes_nothing(
    house: House, scope: str, subject: str, error: type[Exception]
) -> None:
    before = house.row_counts()
    for make in (freeze, unfreeze):
        with pytest.raises(error):
            file(house.db, make(house.db, scope, subject))
    with pytest.raises(NotFrozen):
        file(house.db, unfreeze(house.db, "client", "acme"))
    with pytest.raises(RequestRefused):
        file(house.db, freeze(house.db, "client", "acme"), signer="mallory")
    with pytest.raises(RequestRefused):
        file(house.db, freeze(house.db, "client", "acme"), signer="bob")
    assert house.row_counts() == before


def test_waits_for_who_looked_before_it_and_makes_who_comes_later_see_it(house: House) -> None:
    """A unit that read that nothing is stopped ends before a freeze does, and the next one sees it."""
    done = threading.Event()

    def stop() -> None:
        file(house.db, freeze(house.db, "everything", "everything"))
        done.set()

    with house.db.unit() as unit:
        assert stops.first(unit.session, client="acme", vault="kst_demo/4", asset=None) is None
        racer = threading.Thread(target=stop)
        racer.start()
        wait_until(lambda: _waiting_for_a_lock(house))
        assert not done.is_set()
    racer.join(timeout=10)
    assert done.is_set()
    with house.db.unit() as unit:
        assert stops.first(unit.session, client="acme", vault="kst_demo/4", asset=None) is not None


def test_the_database_lets_nobody_rewrite_a_stop(house: House) -> None:
    file(house.db, freeze(house.db, "client", "acme"))
    with pytest.raises(Exception, match="permission denied"), house.db.unit() as unit:
        unit.session.execute(text("UPDATE stops SET reason = 'none'"))
    with pytest.raises(Exception, match="permission denied"), house.db.unit() as unit:
        unit.session.execute(text("DELETE FROM stops"))


def test_the_check_is_red_where_a_stop_was_taken_away(house: House) -> None:
    file(house.db, freeze(house.db, "client", "acme"))
    digest = file(house.db, freeze(house.db, "vault", "kst_demo/4")).digest
    with house.db.unit() as unit:
        unit.session.execute(text("UPDATE clients SET status = 'active' WHERE id = 'acme'"))
        unit.session.execute(
            text("UPDATE stops SET lifted_at = now(), lifted_by = :digest WHERE scope = 'vault'"), {"digest": digest}
        )
    with pytest.raises(AssertionError, match=r"active and stopped(.|\n)*lifted by an intent for something else"):
        house.expect_whole()


def test_denies_it_where_the_policy_does_not_permit_it(database: FreshDatabase) -> None:
    from tests.cosigner.builders import DEMO_POLICY, World

    silent = DEMO_POLICY.replace("match: {kind: freeze}", "match: {kind: pledge}")
    house = House.found(database, ceremony=World(policy=silent))
    before = house.row_counts()
    with pytest.raises(Denied):
        file(house.db, governing.freeze(house.db, "everything", "everything"))
    assert house.row_counts() == before
    house.close()


def _waiting_for_a_lock(house: House) -> bool:
    with house.db.unit() as unit:
        return bool(
            unit.session.execute(
                text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
            ).scalar_one()
        )


def _deposit(house: House) -> str:
    with house.db.unit() as unit:
        found = unit.session.execute(
            text(
                "SELECT e.subject FROM journal_entries e JOIN postings p ON p.entry_id = e.id"
                " JOIN ledger_accounts a ON a.id = p.account_id"
                " WHERE e.reason = 'deposit_credited' AND a.owner = 'acme'"
            )
        ).scalar_one()
    return str(found)
