"""Safes are left for those of a later keyset: ether and a token follow by real sweeps, carried by the payer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import pytest
from sqlalchemy import text

from custody.addresses.stocking import fill_stock
from custody.chains.ethereum.offline.descriptor import AccountKey, safe_descriptor
from custody.chains.ethereum.offline.proxy import SafeSetup
from custody.cosigner.enrolment import key_record
from custody.evidence.keysets import Keyset
from custody.kernel.errors import Unavailable
from custody.openings import operations as openings
from custody.rotation.model import RotationPlan
from custody.rotation.planning import Means, plan
from custody.rotation.queries import read
from custody.trust import operations as trust
from custody.withdrawals.model import Withdrawal
from tests.cosigner.safe_builders import ANVIL, NATIVE, SAFE_POLICY, SafeWorld, safe_key, somebody
from tests.crash.ether import (
    CLIENT,
    DEPOSIT_TOKENS,
    DEPOSIT_WEI,
    DEPTH,
    ETHER,
    OVER,
    EtherHouse,
    EtherJourney,
    living_on_ether,
)
from tests.crash.live import Live
from tests.crash.yard import Yard
from tests.support.rotating import SWEEPS, succeed, sweep
from tests.support.world import House

LATER = "kst_later_safes"
NEWCOMER = "west-safe"
BRANCH = 9
ROUNDS = 30


@dataclass(frozen=True)
class RotatingSafes(SafeWorld):
    """Version 1, and the keyset that is going to succeed: east leaves, west comes."""

    policy: str = SAFE_POLICY + SWEEPS

    @cached_property
    def later(self) -> Keyset:
        """Of north, south and the newcomer."""
        names = ("north-safe", "south-safe", NEWCOMER)
        accounts = [safe_key(name).header.account_key for name in names]
        setup = SafeSetup.of([one.address for one in accounts if isinstance(one, AccountKey)], 2)
        members = tuple(key_record(safe_key(name)).cosigner for name in names)
        return Keyset(LATER, ANVIL.chain, 2, members, safe_descriptor(setup))


@pytest.fixture
def live(yard: Yard) -> Iterator[Live]:
    """A funded client on the older keyset; the newcomer has a key and a desk, and no Safe yet."""
    with living_on_ether(yard, world_of=RotatingSafes, newcomers=(NEWCOMER,)) as live:
        yield live


def rotate(live: Live) -> None:
    """The later keyset comes into force and the client has its vault there."""
    house = cast("EtherHouse", live.house)
    world = cast("RotatingSafes", house.ceremony)
    succeed(house, world.later, deliver=live.deliver, key_of=safe_key)
    request = house.opening_request(CLIENT, branch=BRANCH, keyset=LATER, idempotency_key="later")
    opening = house.request_opening(request)
    house.approve(opening.digest, "alice")
    with house.db.unit() as unit:
        openings.complete(unit.session, digest=opening.digest, now=unit.now)
    house.vaults[CLIENT] = f"{LATER}/{BRANCH}"


def stock(house: House) -> None:
    """Another place of the later vault, ready to be handed out."""
    where = {"vault": house.vaults[CLIENT], "seal_key": house.runtime.seal_key, "kept_for": CLIENT}
    fill_stock(house.db, house.runtime.only.node, target=1, **where)


def planned(live: Live) -> RotationPlan:
    """What is to be asked for next, with what the market asks for gas."""
    here = live.house.runtime.only
    with live.house.db.unit() as unit:
        standing = read(unit.session, root=trust.in_force(unit.session).root, rules={here.chain: here.spend_rules})
    return plan(standing, means={here.chain: Means(here.node, here.spend_rules)}, most_inputs=50)


def carry_out(live: Live) -> list[Withdrawal]:
    """Ask for what is planned, agree, sign, carry, and wait for the blocks."""
    asked = []
    for step in planned(live).steps:
        stock(live.house)
        found = sweep(live.house, CLIENT, step.units, out_of=step.out_of, asset=step.asset, max_fee=step.max_fee_units)
        live.house.approve(found.digest, "alice")
        asked.append(found)
    until_over(live)
    return [each for each in live.house.withdrawals() if each.digest in {one.digest for one in asked}]


def until_over(live: Live) -> None:
    """Everybody works by direct calls until no withdrawal is on its way, and what arrived is deep enough."""
    for _ in range(ROUNDS):
        work(live)
        live.sign_here()
        live.chain.mine()
        if all(each.state in OVER for each in live.house.withdrawals()):
            break
    live.chain.mine(DEPTH)
    live.scan()


def work(live: Live) -> None:
    """Read the chain, and try once whatever waits: the second turn of a Safe waits for the first."""
    with live.house.db.unit() as unit:
        unit.session.execute(text("UPDATE outbox SET due_at = created_at, leased_until = NULL WHERE done_at IS NULL"))
    waits = True
    while waits:
        try:
            live.scan()
            waits = False
        except Unavailable:
            continue


def test_ether_and_tokens_follow_to_the_later_safe(live: Live) -> None:
    journey = EtherJourney(live)
    journey.fund()
    rotate(live)
    steps = planned(live).steps
    assert sorted((step.asset, step.units) for step in steps) == sorted(
        [(NATIVE.id, DEPOSIT_WEI), (journey.token_id, DEPOSIT_TOKENS)]
    ), "all of both: a Safe bears no fee"
    done = carry_out(live)
    assert [(each.kind, str(each.state)) for each in done] == [("sweep", "completed")] * 2
    assert (journey.node.balance_wei(journey.safe), journey.token.call("balanceOf", journey.safe)) == (0, 0)
    assert live.house.available(CLIENT) == journey.deposited  # type: ignore[attr-defined]
    assert planned(live) == RotationPlan((), ())

    # P-023 holds over a rotation: the older Safe is watched for ever.
    journey.node.transact(journey.safe, ETHER)
    live.chain.mine(DEPTH)
    live.scan()
    (late,) = planned(live).steps
    assert late.units == ETHER
    carry_out(live)
    assert journey.node.balance_wei(journey.safe) == 0

    # The newcomer and one of the others are the later keyset's quorum.
    paid = live.house.withdraw(journey.request(ETHER // 2, destination=somebody("paid by the later keyset")))
    assert paid.vault == f"{LATER}/{BRANCH}"
    until_over(live)
    assert journey.node.balance_wei(paid.destination) == ETHER // 2
    left = {NATIVE.id: (DEPOSIT_WEI + ETHER // 2, 0), journey.token_id: (DEPOSIT_TOKENS, 0)}
    assert live.house.available(CLIENT) == left  # type: ignore[attr-defined]
    live.expect_sound()
