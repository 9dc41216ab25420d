"""Bundles: given to their keyset's cosigners alone, noted when given, closed when they are over."""

from __future__ import annotations

import pytest

from custody.signing import operations as signing
from custody.signing import queries
from custody.vaults import operations as vaults
from custody.withdrawals.model import Withdrawal
from tests.support.road import Road, btc, no
from tests.support.roads import road

__all__ = ["road"]


@pytest.fixture
def composed(road: Road) -> Withdrawal:
    """A withdrawal whose bundle is open."""
    road.open("acme")
    road.deposit("acme", btc("0.5"))
    asked = road.ask("acme", btc("0.02"))
    road.settle(cosigners=())
    return asked


def bundle(road: Road, asked: Withdrawal) -> queries.BundleView:
    with road.db.unit() as unit:
        found = queries.of_attempt(unit.session, attempt=road.attempts(asked)[-1].id)
    assert found is not None
    return found


def test_a_bundle_is_noted_as_given_before_it_is_shown(road: Road, composed: Withdrawal) -> None:
    assert bundle(road, composed).given_to == ()
    (first,) = road.bundles_for("north")
    (again,) = road.bundles_for("north")
    assert first == again
    assert bundle(road, composed).given_to == ("north",)
    assert road.events(first.id) == ["bundle.opened", "bundle.given"]
    road.settle()
    road.mine(2)
    road.check()


def test_a_bundle_is_given_to_its_own_keyset_alone(road: Road, composed: Withdrawal) -> None:
    with road.db.unit() as unit:
        assert signing.give_out(unit.session, cosigner="north", keysets=["kst_other"], now=unit.now) == []
        assert signing.give_out(unit.session, cosigner="north", keysets=[], now=unit.now) == []
    assert bundle(road, composed).given_to == ()


def test_who_answered_is_not_asked_again(road: Road, composed: Withdrawal) -> None:
    road.cosign("north")
    road.cosign("south", confirm=no)
    assert road.bundles_for("north") == road.bundles_for("south") == []
    found = bundle(road, composed)
    assert (found.state, found.signed_by, found.refused_by) == ("open", ("north",), ("south",))
    road.settle()
    road.mine(2)
    road.check()


def test_a_complete_bundle_is_given_to_nobody(road: Road, composed: Withdrawal) -> None:
    road.cosign("north", "east")
    found = bundle(road, composed)
    assert (found.state, found.spend) == ("complete", road.attempts(composed)[0].spend)
    assert road.bundles_for("south") == []
    road.settle()
    road.mine(2)
    road.check()


def test_the_bundle_proves_itself_to_a_cosigner_that_never_saw_the_client(road: Road, composed: Withdrawal) -> None:
    (found,) = road.bundles_for("east")
    verdict = road.desks["east"].check(found, now=road.now())
    assert [opening.client for opening in verdict.openings] == ["acme"]
    assert composed.units == 2_000_000


def test_nothing_is_given_out_or_signed_for_a_frozen_vault(road: Road, composed: Withdrawal) -> None:
    (given,) = road.bundles_for("north")
    with road.db.unit() as unit:
        vaults.freeze_vault(unit.session, vault=composed.vault, reason="rules changed", actor="test", now=unit.now)
    assert road.bundles_for("north") == road.bundles_for("south") == []
    with pytest.raises(signing.VaultFrozen, match="rules changed"), road.db.unit() as unit:
        signing.add_signature(
            unit.session, bundle=given.id, cosigner="north", signed={}, correlation_id="test", now=unit.now
        )
    found = bundle(road, composed)
    assert (found.state, found.signed_by) == ("open", ())


def test_what_is_stopped_keeps_nothing_else_from_being_given_out(road: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing, "AT_ONCE", 1)
    asked = []
    for client in ("acme", "birch"):
        road.open(client)
        road.deposit(client, btc("0.5"))
    for client in ("acme", "birch"):
        asked.append(road.ask(client, btc("0.02")))
        road.settle(cosigners=())
    first, other = asked
    assert [each.id for each in road.bundles_for("north")] == [bundle(road, first).id]
    with road.db.unit() as unit:
        vaults.freeze_vault(unit.session, vault=first.vault, reason="rules changed", actor="test", now=unit.now)
    assert [each.id for each in road.bundles_for("north")] == [bundle(road, other).id]
