"""Whom a Safe obeys is read from storage, and every way it was changed is noticed and named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from custody.chains.ethereum.configuration import differences
from custody.chains.ethereum.offline.deployments import (
    FALLBACK_HANDLER,
    MULTI_SEND_CALL_ONLY,
    NEEDED,
    PROXY_CODE_HASH,
    SAFE_L2,
)
from custody.chains.ethereum.offline.proxy import Safes, SafeSetup
from custody.chains.port import AddressesNotServed
from demo.servers import Anvil
from tests.chains.ethereum.conftest import ETHER, Limited, adapter_for, newest, raw
from tests.support.evm import deploy
from tests.support.safes import DELEGATECALL, Safe, SafeTransaction, make_safe

THIEF = "0x" + "66" * 20
ELSEWHERE = "0x" + "77" * 20


@pytest.fixture
def safe(anvil: Anvil) -> Safe:
    made = make_safe(anvil)
    anvil.transact(made.address, ETHER)
    made.deploy()
    return made


def setup_of(safe: Safe) -> SafeSetup:
    return SafeSetup.of([owner.address for owner in safe.owners], safe.threshold)


def watched(anvil: Anvil, safe: Safe) -> list[str]:
    """What the watch says, and that every way of reading says the same."""
    node, plain = adapter_for(anvil), adapter_for(anvil, rpc=Limited(anvil.url, missing=["eth_getProof"]))
    tip = node.status().hash
    place, setup = raw(safe.address), setup_of(safe)
    found = node.watch([(place, setup)], block_hash=tip).get(place, [])
    assert plain.watch([(place, setup)], block_hash=tip).get(place, []) == found
    assert differences(node.configuration(place), setup) == found
    assert node.configuration(place) == plain.configuration(place)
    return found


def call_itself(safe: Safe, function: str, *arguments: object) -> SafeTransaction:
    return SafeTransaction(safe.address, data=safe.contract.calldata(function, *arguments))


def impostor(anvil: Anvil) -> str:
    return deploy(anvil, "ImpostorSingleton", THIEF).address


def delegate(anvil: Anvil, contract: str, function: str, *arguments: object) -> SafeTransaction:
    made = deploy(anvil, contract)
    return SafeTransaction(made.address, data=made.calldata(function, *arguments), operation=DELEGATECALL)


def test_a_safe_as_it_was_set_up_differs_in_nothing(anvil: Anvil, safe: Safe) -> None:
    found = adapter_for(anvil).configuration(raw(safe.address))
    assert found.is_deployed
    assert (found.code_hash, found.singleton, found.singleton_code_hash) == (
        PROXY_CODE_HASH, SAFE_L2.address, SAFE_L2.code_hash,
    )  # fmt: skip
    assert (found.owners, found.owner_count, found.threshold) == (setup_of(safe).owners, 3, 2)
    assert (found.modules, found.guard, found.fallback_handler) == ((), None, FALLBACK_HANDLER.address)
    assert found.nonce == 0
    assert watched(anvil, safe) == []
    safe.execute(SafeTransaction(ELSEWHERE, 5))
    assert adapter_for(anvil).configuration(raw(safe.address)).nonce == 1
    assert watched(anvil, safe) == []


def test_the_setup_read_back_is_the_one_that_gives_the_address(anvil: Anvil, safe: Safe) -> None:
    found = adapter_for(anvil).configuration(raw(safe.address))
    assert Safes(SafeSetup.of(found.owners, found.threshold)).address(safe.salt_nonce) == safe.address


def test_a_safe_that_is_not_there_yet_differs_in_nothing(anvil: Anvil) -> None:
    safe = make_safe(anvil)
    anvil.transact(safe.address, ETHER)
    found = adapter_for(anvil).configuration(raw(safe.address))
    assert (found.is_deployed, found.owners, found.threshold) == (False, (), 0)
    assert watched(anvil, safe) == []


CHANGES: dict[str, tuple[Callable[[Anvil, Safe], SafeTransaction], str]] = {
    "owner added": (lambda _, safe: call_itself(safe, "addOwnerWithThreshold", THIEF, 2), f"{THIEF} is an owner"),
    "owner added behind every check": (
        lambda anvil, _: delegate(anvil, "OwnerChanger", "add", THIEF), f"{THIEF} is an owner"),
    "owner swapped": (
        lambda _, safe: call_itself(safe, "swapOwner", safe.owners[0].address, safe.owners[1].address, THIEF),
        "is no owner any more"),
    "owner removed": (
        lambda _, safe: call_itself(safe, "removeOwner", safe.owners[0].address, safe.owners[1].address, 2),
        "it counts 2 owners instead of 3"),
    "threshold lowered": (lambda _, safe: call_itself(safe, "changeThreshold", 1), "1 must sign instead of 2"),
    "threshold lowered behind every check": (
        lambda anvil, _: delegate(anvil, "OwnerChanger", "lower", 1), "1 must sign instead of 2"),
    "module enabled": (lambda _, safe: call_itself(safe, "enableModule", THIEF), "may pay without signatures"),
    "module enabled behind every check": (
        lambda anvil, _: delegate(anvil, "OwnerChanger", "enable", THIEF), "may pay without signatures"),
    "guard set": (
        lambda anvil, safe: call_itself(safe, "setGuard", deploy(anvil, "Guard").address), "is set"),
    "fallback handler set": (
        lambda _, safe: call_itself(safe, "setFallbackHandler", THIEF), "its fallback handler is 0x6666"),
    "singleton overwritten": (
        lambda anvil, _: delegate(anvil, "SlotOverwriter", "transfer", impostor(anvil), 0),
        "(an unknown contract) instead of SafeL2"),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_p088_every_change_is_noticed_and_named(anvil: Anvil, safe: Safe, change: str) -> None:
    act, said = CHANGES[change]
    safe.execute(act(anvil, safe))
    node = adapter_for(anvil)
    # The block in which it happened says that there is something to look at.
    assert raw(safe.address) in {place for each in newest(node).transactions for place in each.touched}
    sentences = watched(anvil, safe)
    assert any(said in sentence for sentence in sentences), sentences


def test_several_safes_are_watched_in_one_request(anvil: Anvil, safe: Safe) -> None:
    others = [make_safe(anvil, salt_nonce=number) for number in range(1, 6)]
    for other in others:
        other.deploy()
    others[2].execute(call_itself(others[2], "enableModule", THIEF))
    rpc = Limited(anvil.url)
    node = adapter_for(anvil, rpc=rpc)
    asked = [(raw(each.address), setup_of(each)) for each in (safe, *others)]
    tip = node.status().hash
    assert list(node.watch(asked, block_hash=tip)) == [raw(others[2].address)]
    rpc.requests.clear()
    assert node.watch(asked[:3], block_hash=tip) == {}
    assert rpc.requests == [["eth_getProof"], ["eth_getProof"] * 3]


def test_a_list_that_does_not_end_is_not_walked_for_ever(anvil: Anvil, safe: Safe) -> None:
    from custody.chains.ethereum.offline.storage import OWNERS_SLOT, mapping_slot

    last = setup_of(safe).owners[-1]
    slot = "0x" + mapping_slot(last, OWNERS_SLOT).hex()
    anvil.rpc("anvil_setStorageAt", safe.address, slot, "0x" + raw(setup_of(safe).owners[0]).rjust(32, b"\0").hex())
    anvil.mine()
    assert watched(anvil, safe) == ["0x0000000000000000000000000000000000000000 is an owner and should not be"]


def test_other_code_at_the_proxy_or_the_singleton_is_noticed(anvil: Anvil, safe: Safe) -> None:
    found = adapter_for(anvil).configuration(raw(safe.address))
    assert differences(replace(found, code_hash=bytes(31) + b"\1"), setup_of(safe)) == [
        "the code at its address is not a Safe proxy of the pinned factory"
    ]
    proxy = anvil.rpc("eth_getCode", safe.address, "latest")
    anvil.rpc("anvil_setCode", safe.address, proxy[:-2] + "00")
    anvil.mine()
    assert watched(anvil, safe) == ["the code at its address is not a Safe proxy of the pinned factory"]
    anvil.rpc("anvil_setCode", safe.address, proxy)
    anvil.rpc("anvil_setCode", SAFE_L2.address, "0x00")
    anvil.mine()
    assert watched(anvil, safe) == ["other code than SafeL2 1.4.1 stands at its singleton"]


def test_p092_without_its_contracts_a_chain_is_refused(anvil: Anvil) -> None:
    node = adapter_for(anvil)
    node.check_serves_addresses()
    adapter_for(anvil, rpc=Limited(anvil.url, missing=["eth_getProof"])).check_serves_addresses()
    for contract in NEEDED:
        code = anvil.rpc("eth_getCode", contract.address, "latest")
        for other, said in (("0x", "is not deployed"), ("0x00", "other code than")):
            anvil.rpc("anvil_setCode", contract.address, other)
            anvil.mine()
            with pytest.raises(AddressesNotServed, match=f"{said}|{contract.name}"):
                node.check_serves_addresses()
        anvil.rpc("anvil_setCode", contract.address, code)
        anvil.mine()
    node.check_serves_addresses()
    assert MULTI_SEND_CALL_ONLY in NEEDED
    silent = Limited(anvil.url, refusing={"eth_getProof": "out of memory"})
    for other in (adapter_for(anvil, rpc=silent), adapter_for(anvil, second=silent)):
        with pytest.raises(AddressesNotServed):
            other.check_serves_addresses()
