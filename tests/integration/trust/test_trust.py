"""Only a trust root that everybody of its ceremony signed, with the policy it states, is put in force."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from custody.db import Database
from custody.evidence.trust_root import SignedTrustRoot, TrustRootRefused
from custody.kernel.errors import CustodyError
from custody.trust import operations as trust
from tests.cosigner.builders import NOW, World, sign_root
from tests.support.servers import FreshDatabase


def install(db: Database, world: World, signed: SignedTrustRoot | None = None, policy: str | None = None) -> None:
    with db.unit() as unit:
        trust.install(
            unit.session,
            signed=signed or world.signed_root,
            policy_text=policy or world.policy,
            actor="ceremony",
            now=NOW,
        )


def test_nothing_is_in_force_before_the_ceremony(database: FreshDatabase) -> None:
    with pytest.raises(trust.NoTrustRoot), database.db.unit() as unit:
        trust.in_force(unit.session)


def test_puts_a_signed_root_in_force_once(database: FreshDatabase) -> None:
    world = World()
    install(database.db, world)
    install(database.db, world)
    with database.db.unit() as unit:
        assert trust.in_force(unit.session).root == world.root


def test_refuses_another_first_version(database: FreshDatabase) -> None:
    install(database.db, World())
    with pytest.raises(trust.TrustRootExists):
        install(database.db, World(expires_at=NOW + timedelta(days=10)))


def _without_the_last_operator(world: World) -> SignedTrustRoot:
    return sign_root(world.root, world.operators[:-1], world.cosigners)


def _without_the_last_cosigner(world: World) -> SignedTrustRoot:
    return sign_root(world.root, world.operators, world.cosigners[:-1])


def _signed_for_another_root(world: World) -> SignedTrustRoot:
    other = World(expires_at=NOW + timedelta(days=3))
    return replace(other.signed_root, root=world.root)


def _over(world: World) -> SignedTrustRoot:
    over = replace(world.root, expires_at=NOW - timedelta(seconds=1))
    return sign_root(over, world.operators, world.cosigners)


@pytest.mark.parametrize(
    "made", [_without_the_last_operator, _without_the_last_cosigner, _signed_for_another_root, _over]
)
def test_refuses_a_root_whose_ceremony_is_not_whole(
    database: FreshDatabase, made: Callable[[World], SignedTrustRoot]
) -> None:
    world = World()
    with pytest.raises(TrustRootRefused):
        install(database.db, world, signed=made(world))
    with pytest.raises(trust.NoTrustRoot), database.db.unit() as unit:
        trust.in_force(unit.session)


def test_refuses_another_policy_than_the_root_states(database: FreshDatabase) -> None:
    world = World()
    looser = world.policy.replace("above: 0.05", "above: 0.5").replace('"0.05 BTC"', '"0.5 BTC"')
    assert looser != world.policy
    with pytest.raises(TrustRootRefused, match="policy"):
        install(database.db, world, policy=looser)


def test_refuses_groups_that_differ_from_the_policys(database: FreshDatabase) -> None:
    world = World(groups=(("operators", ("alice", "bob")),))
    with pytest.raises(CustodyError, match="groups"):
        install(database.db, world)
