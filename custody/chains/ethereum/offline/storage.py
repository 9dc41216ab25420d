"""Where a Safe 1.4.1 keeps its configuration in storage, and what must stand there.

The vault watch reads storage and never asks the contract: a replaced singleton answers whatever it likes. Slots are
those of the contract's own layout (``SafeStorage``); mappings are keyed as Solidity does, keccak of key and slot.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final

from custody.chains.ethereum.offline.abi import address_word, uint_word
from custody.chains.ethereum.offline.address import address_bytes
from custody.chains.ethereum.offline.keccak import keccak

SENTINEL: Final = "0x0000000000000000000000000000000000000001"
"""Begins and ends the linked lists of owners and modules."""

SINGLETON_SLOT: Final = uint_word(0)
MODULES_SLOT: Final = uint_word(1)
"""Mapping: module to the next one."""
OWNERS_SLOT: Final = uint_word(2)
"""Mapping: owner to the next one."""
OWNER_COUNT_SLOT: Final = uint_word(3)
THRESHOLD_SLOT: Final = uint_word(4)
NONCE_SLOT: Final = uint_word(5)
"""The nonce of the next SafeTx. Changes with every execution, so it is no configuration."""
APPROVED_HASHES_SLOT: Final = uint_word(8)
GUARD_SLOT: Final = keccak(b"guard_manager.guard.address")
FALLBACK_HANDLER_SLOT: Final = keccak(b"fallback_manager.handler.address")


def mapping_slot(key: str, mapping: bytes) -> bytes:
    """The slot of an address's value in a mapping that stands at slot ``mapping``."""
    return keccak(address_word(address_bytes(key)) + mapping)


def expected_storage(
    *, singleton: str, owners: Sequence[str], threshold: int, fallback_handler: str
) -> Mapping[bytes, bytes]:
    """Slot to value of a Safe as ``setup`` leaves it: these owners in this order, no module, no guard.

    The owners' list is closed, so no further owner can hide: it is as long as their count, and ends in the sentinel.
    """
    chain = [SENTINEL, *owners, SENTINEL]
    found = {
        SINGLETON_SLOT: _word(singleton),
        OWNER_COUNT_SLOT: uint_word(len(owners)),
        THRESHOLD_SLOT: uint_word(threshold),
        GUARD_SLOT: uint_word(0),
        FALLBACK_HANDLER_SLOT: _word(fallback_handler),
        mapping_slot(SENTINEL, MODULES_SLOT): _word(SENTINEL),
    }
    for owner, following in pairwise(chain):
        found[mapping_slot(owner, OWNERS_SLOT)] = _word(following)
    return found


def _word(address: str) -> bytes:
    return address_word(address_bytes(address))
