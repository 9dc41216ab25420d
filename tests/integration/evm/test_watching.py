"""Vaults are watched: what changes whom a Safe of ours obeys freezes its vault in the unit that records the block."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from custody.addresses.stocking import fill_stock
from custody.chains.ethereum.offline.deployments import NEEDED, SAFE_L2
from custody.chains.port import AddressesNotServed
from demo.evm.contracts import PROXY_FACTORY
from demo.servers import Anvil
from tests.chains.ethereum.conftest import ETHER, NATIVE
from tests.integration.evm.house import House
from tests.support.evm import deploy
from tests.support.oracle import plays
from tests.support.safes import DELEGATECALL, Safe, SafeTransaction
from tests.support.servers import FreshDatabase

THIEF = "0x" + "66" * 20


def itself(function: str, *arguments: object) -> Callable[[Anvil, Safe], SafeTransaction]:
    """What the owners sign to change their own Safe."""
    return lambda _, safe: SafeTransaction(safe.address, data=safe.contract.calldata(function, *arguments))


def overwritten(anvil: Anvil, _: Safe) -> SafeTransaction:
    overwriter, impostor = deploy(anvil, "SlotOverwriter"), deploy(anvil, "ImpostorSingleton", THIEF)
    data = overwriter.calldata("transfer", impostor.address, 0)
    return SafeTransaction(overwriter.address, data=data, operation=DELEGATECALL)


def guarded(anvil: Anvil, safe: Safe) -> SafeTransaction:
    return itself("setGuard", deploy(anvil, "Guard").address)(anvil, safe)


CHANGES: dict[str, tuple[Callable[[Anvil, Safe], SafeTransaction], str]] = {
    "owner": (itself("addOwnerWithThreshold", THIEF, 2), "is an owner and should not be"),
    "threshold": (itself("changeThreshold", 1), "1 must sign instead of 2"),
    "module": (itself("enableModule", THIEF), "may pay without signatures"),
    "guard": (guarded, "is set"),
    "handler": (itself("setFallbackHandler", THIEF), "its fallback handler is"),
    "singleton": (overwritten, "an unknown contract"),
}
"""Client to what changes its Safe, and what is said of it."""

EACH_APART = {client: ("segregated", branch) for branch, client in enumerate([*CHANGES, "honest"], start=1)}


@plays("P-088")
@pytest.mark.parametrize("in_part", [False, True])
def test_every_change_freezes_its_vault_in_the_block_that_makes_it(
    anvil: Anvil, database: FreshDatabase, in_part: bool
) -> None:
    house = House(database, anvil, places=EACH_APART)
    if in_part:
        house.shown_in_part()
    safes = {client: house.safe(client) for client in EACH_APART}
    for safe in safes.values():
        anvil.transact(safe.address, ETHER)
        safe.deploy()
    house.follow()
    assert house.frozen() == {}
    for number, (client, (change, said)) in enumerate(CHANGES.items(), start=1):
        safes[client].execute(change(anvil, safes[client]))
        house.read()
        frozen = house.frozen()
        assert len(frozen) == number
        assert said in frozen[house.vault_of(client)]
        assert house.alarms("rules-changed") == house.alarms("vault-frozen") == number
    # Another look finds the same and nothing else.
    house.follow()
    done = house.reconcile()
    assert {found.vault for found in done.breaks} == {house.vault_of(client) for client in CHANGES}
    assert {found.check for found in done.breaks} == {"rules-are-the-keysets"}
    assert house.vault_of("honest") not in house.frozen()
    assert house.alarms("rules-changed") == len(CHANGES)
    house.expect_whole()


def test_a_payment_of_ours_changes_no_rules(anvil: Anvil, database: FreshDatabase) -> None:
    house = House(database, anvil)
    safe = house.safe("acme")
    anvil.transact(safe.address, ETHER)
    house.settle()
    safe.deploy()
    safe.execute(SafeTransaction(THIEF, 5))
    house.follow()
    assert house.frozen() == {}


@plays("P-088")
def test_a_change_no_block_told_is_found_by_the_next_reconciliation(anvil: Anvil, database: FreshDatabase) -> None:
    house = House(database, anvil)
    for client in ("acme", "birch"):
        house.safe(client).deploy()
    house.follow()
    anvil.rpc("anvil_setStorageAt", house.at["birch"], "0x" + "04".rjust(64, "0"), "0x" + "01".rjust(64, "0"))
    anvil.mine()
    house.follow()
    assert house.frozen() == {}
    done = house.reconcile()
    assert [(found.vault, found.check) for found in done.breaks] == [(house.vault_of("birch"), "rules-are-the-keysets")]
    assert "1 must sign instead of 2" in house.frozen()[house.vault_of("birch")]
    assert list(house.frozen()) == [house.vault_of("birch")]
    house.expect_whole()


def test_a_change_in_a_block_whose_state_is_forgotten_is_found_at_the_newest(
    anvil: Anvil, database: FreshDatabase
) -> None:
    house = House(database, anvil)
    safe = house.safe("acme")
    safe.deploy()
    house.follow()
    safe.execute(itself("changeThreshold", 1)(anvil, safe))
    anvil.mine(200)
    house.forgotten_before_the_newest()
    house.follow()
    assert "1 must sign instead of 2" in house.frozen()[house.vault_of("acme")]


@plays("P-091")
def test_a_safe_a_stranger_deployed_is_ours_as_long_as_it_is_as_it_should_be(
    anvil: Anvil, database: FreshDatabase
) -> None:
    house = House(database, anvil)
    stranger = anvil.open_account(THIEF)
    house.safe("acme").deploy(sender=stranger)
    anvil.transact(house.at["acme"], 100)
    house.settle()
    assert house.frozen() == {}
    assert house.available("acme") == {NATIVE: 100}
    house.expect_agreement()
    # What stands at another's address is a proxy nobody set up: it would take the first owner that comes.
    proxy = anvil.rpc("eth_getCode", house.at["acme"], "latest")
    anvil.rpc("anvil_setCode", house.at["birch"], proxy)
    anvil.rpc("anvil_setStorageAt", house.at["birch"], "0x" + "0" * 64, "0x" + SAFE_L2.address[2:].rjust(64, "0"))
    anvil.mine()
    house.follow()
    assert not house.reconcile().is_balanced
    assert list(house.frozen()) == [house.vault_of("birch")]
    assert "0 must sign instead of 2" in house.frozen()[house.vault_of("birch")]
    house.expect_whole()


@plays("P-089")
def test_an_address_its_keyset_does_not_give_is_found_out(anvil: Anvil, database: FreshDatabase) -> None:
    house = House(database, anvil)
    house.follow()
    house.expect_agreement()
    house.as_thief(f"UPDATE addresses SET locator = decode('{THIEF[2:]}', 'hex') WHERE client_id = 'acme'")
    done = house.reconcile()
    (found,) = done.breaks
    assert found.check == "rules-are-the-keysets"
    assert f"its keyset gives {house.at['acme']} instead" in found.detail
    assert list(house.frozen()) == [house.vault_of("acme")]
    house.as_thief(f"UPDATE addresses SET locator = decode('{house.at['acme'][2:]}', 'hex') WHERE client_id = 'acme'")
    house.expect_whole()


@plays("P-090", "P-092")
@pytest.mark.parametrize("missing", [contract.name for contract in NEEDED])
def test_no_address_is_handed_out_where_its_contracts_are_not(
    anvil: Anvil, database: FreshDatabase, missing: str
) -> None:
    (contract,) = (each for each in NEEDED if each.name == missing)
    house = House(database, anvil)
    anvil.rpc("anvil_setCode", contract.address, "0x")
    anvil.mine()
    before = house.rows("SELECT count(*) FROM addresses")
    with pytest.raises(AddressesNotServed):
        fill_stock(house.db, house.reader, vault=house.vault_of("acme"), target=3, seal_key=bytes(32))
    assert house.rows("SELECT count(*) FROM addresses") == before
    assert PROXY_FACTORY.address != SAFE_L2.address
    house.expect_whole()
