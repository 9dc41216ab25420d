"""Where a Safe keeps its configuration: the slots its own contract documents, and the closed list of owners."""

from __future__ import annotations

from eth_abi.abi import encode
from eth_utils.crypto import keccak as eth_keccak

from custody.chains.ethereum.offline.deployments import FALLBACK_HANDLER, SAFE_L2
from custody.chains.ethereum.offline.storage import (
    FALLBACK_HANDLER_SLOT,
    GUARD_SLOT,
    MODULES_SLOT,
    OWNER_COUNT_SLOT,
    OWNERS_SLOT,
    SENTINEL,
    SINGLETON_SLOT,
    THRESHOLD_SLOT,
    expected_storage,
    mapping_slot,
)
from tests.chains.ethereum.offline.builders import SETUP


def test_has_the_slots_that_the_safe_contracts_name():
    # GuardManager.sol and FallbackManager.sol of Safe 1.4.1 write these two as constants.
    assert GUARD_SLOT.hex() == "4a204f620c8c5ccdca3fd54d003badd85ba500436a431f0cbda4f558c93c34c8"
    assert FALLBACK_HANDLER_SLOT.hex() == "6c9a6c4a39284e37ed1cf53d337577d14212a4870fb976a4366c693b939918d5"


def test_keys_mappings_as_solidity_does():
    for slot, number in ((MODULES_SLOT, 1), (OWNERS_SLOT, 2)):
        expected = eth_keccak(encode(("address", "uint256"), (SETUP.owners[0], number)))
        assert mapping_slot(SETUP.owners[0], slot) == expected


def test_expects_the_owners_as_a_closed_list_and_nothing_else():
    found = expected_storage(
        singleton=SAFE_L2.address, owners=SETUP.owners, threshold=2, fallback_handler=FALLBACK_HANDLER.address
    )
    walked, at = [], SENTINEL
    while True:
        at = "0x" + found[mapping_slot(at, OWNERS_SLOT)][12:].hex()
        if at == SENTINEL:
            break
        walked.append(at)
    assert walked == [owner.lower() for owner in SETUP.owners]
    numbers = {slot: int.from_bytes(found[slot], "big") for slot in (OWNER_COUNT_SLOT, THRESHOLD_SLOT, GUARD_SLOT)}
    assert numbers == {OWNER_COUNT_SLOT: 3, THRESHOLD_SLOT: 2, GUARD_SLOT: 0}
    assert found[SINGLETON_SLOT] == bytes(12) + bytes.fromhex(SAFE_L2.address[2:])
    assert found[FALLBACK_HANDLER_SLOT] == bytes(12) + bytes.fromhex(FALLBACK_HANDLER.address[2:])
    assert found[mapping_slot(SENTINEL, MODULES_SLOT)] == bytes(31) + b"\x01"
    assert len(found) == 6 + 4
