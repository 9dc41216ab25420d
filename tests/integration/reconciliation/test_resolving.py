"""A break is resolved by people: its vault goes on, and what was said of it is held to what the chain says."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from custody.evidence.requests import BreakResolutionRequest
from custody.reconciliation import queries
from custody.reconciliation.model import Break
from custody.reconciliation.operations import record_run
from custody.reconciliation.queries import StoredBreak, UnknownBreak
from custody.reconciliation.resolving import BreakResolved, NotExplicable
from custody.vaults import queries as vaults
from custody.withdrawals.states import State
from tests.integration.reconciliation.stage import Stage
from tests.support.governing import agree, carry_out, file, govern, resolution


@pytest.fixture
def stage(stage: Stage) -> Stage:
    """A client with money, and one that nothing happens to."""
    for client in ("acme", "birch"):
        stage.open(client)
        stage.fund(client)
    return stage


def found(stage: Stage, vault: str, *, check: str = "assets-answer", expected: int = 5, detail: str = "paused") -> None:
    """A run that finds one difference in the vault."""
    snapshots = stage.reconcile().snapshots
    broken = Break(vault, stage.asset, check, expected, 0, detail)
    with stage.db.unit() as unit:
        record_run(
            unit.session,
            kind="scripts",
            snapshots=snapshots,
            breaks=(broken,),
            actor="test",
            started_at=unit.now,
            now=unit.now,
        )


def breaks(stage: Stage) -> list[StoredBreak]:
    with stage.db.unit() as unit:
        return queries.open_breaks(unit.session)


def is_frozen(stage: Stage, client: str) -> bool:
    with stage.db.unit() as unit:
        return vaults.get(unit.session, vault=stage.vault(client)).is_frozen


def resolve(stage: Stage, how: str = "explained") -> None:
    """Resolve every open break."""
    for each in breaks(stage):
        govern(stage.db, resolution(stage.db, each.id, how), "bob", "carol")


def test_a_break_stops_the_vault_until_people_resolve_it(stage: Stage) -> None:
    waiting = stage.request("acme", 4_000_000)
    found(stage, stage.vault("acme"))
    found(stage, stage.vault("acme"), expected=7, detail="other")
    assert (is_frozen(stage, "acme"), is_frozen(stage, "birch")) == (True, False)
    first, second = breaks(stage)
    govern(stage.db, resolution(stage.db, first.id, "explained"), "bob", "carol")
    assert is_frozen(stage, "acme"), "another break of the vault is open"
    asked = file(stage.db, resolution(stage.db, second.id, "corrected"))
    carry_out(stage.db, asked.digest)
    assert is_frozen(stage, "acme"), "nobody agreed"
    govern(stage.db, resolution(stage.db, second.id, "corrected", requester="bob"), "alice", "carol")
    assert not is_frozen(stage, "acme")
    stage.compose(waiting.id)
    assert stage.get(waiting.id).state is State.AWAITING_SIGNATURES
    assert stage.reconcile().is_balanced
    stage.expect_whole()


def test_what_is_explained_is_known_until_it_changes(stage: Stage) -> None:
    vault = stage.vault("acme")
    found(stage, vault)
    resolve(stage)
    found(stage, vault)
    assert breaks(stage) == []
    assert not is_frozen(stage, "acme")
    found(stage, vault, expected=6)
    assert [each.said.expected for each in breaks(stage)] == [6]
    assert is_frozen(stage, "acme")


def test_a_known_difference_of_sums_is_told_by_its_size(stage: Stage) -> None:
    vault = stage.vault("acme")
    found(stage, vault, check="ledger-is-the-chain", expected=5, detail="five less")
    resolve(stage)
    snapshots = stage.reconcile().snapshots
    moved = Break(vault, stage.asset, "ledger-is-the-chain", 1_005, 1_000, "five less, of more")
    grown = Break(vault, stage.asset, "ledger-is-the-chain", 1_006, 1_000, "six less")
    with stage.db.unit() as unit:
        run = record_run(
            unit.session,
            kind="scripts",
            snapshots=snapshots,
            breaks=(moved, grown),
            actor="test",
            started_at=unit.now,
            now=unit.now,
        )
    assert (run.known, run.breaks) == ((moved,), (grown,))


def test_what_is_said_to_be_corrected_and_is_not_is_found_again(stage: Stage) -> None:
    vault = stage.vault("acme")
    found(stage, vault)
    (first,) = breaks(stage)
    resolve(stage, "corrected")
    assert not is_frozen(stage, "acme")
    found(stage, vault)
    (again,) = breaks(stage)
    assert again.id != first.id
    assert is_frozen(stage, "acme")
    assert len([alarm for alarm in stage.alarms() if alarm == ("reconciliation-break", vault)]) == 1


def test_refuses_what_cannot_be_resolved_and_writes_nothing(stage: Stage) -> None:
    vault = stage.vault("acme")
    found(stage, vault, check="rules-are-the-keysets", detail="an owner is another")
    (open_,) = breaks(stage)
    before = stage.dump()
    with pytest.raises(UnknownBreak, match=r"request\.subject"):
        file(stage.db, resolution(stage.db, "brk_none", "explained"))
    with pytest.raises(NotExplicable, match=r"request\.resolution"):
        file(stage.db, resolution(stage.db, open_.id, "explained"))
    assert stage.dump() == before
    govern(stage.db, resolution(stage.db, open_.id, "corrected"), "bob", "carol")
    with pytest.raises(BreakResolved):
        file(stage.db, resolution(stage.db, open_.id, "corrected"))


def test_two_that_were_asked_at_once_resolve_it_once(stage: Stage) -> None:
    found(stage, stage.vault("acme"))
    (open_,) = breaks(stage)
    rivals: list[BreakResolutionRequest] = [resolution(stage.db, open_.id, how) for how in ("explained", "corrected")]
    asked = [file(stage.db, each) for each in rivals]
    for each in asked:
        agree(stage.db, each.digest, "bob", "carol")
    states = [carry_out(stage.db, each.digest) for each in asked]
    assert [each.state for each in states] == ["approved", "withdrawn"]
    with stage.db.unit() as unit:
        assert unit.session.execute(text("SELECT count(*) FROM break_resolutions")).scalar_one() == 1
    stage.expect_whole()
