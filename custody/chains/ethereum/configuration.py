"""Whom a Safe obeys, read from its storage at one block and never asked of it: a replaced singleton says what it likes.

Lists of owners and modules are walked slot by slot. What differs from what was handed out comes as sentences; any of
them is a reason to freeze the vault before its next signature.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from custody.chains.ethereum.answers import read_bytes, read_hash, read_number
from custody.chains.ethereum.offline.address import ZERO, checksum_address
from custody.chains.ethereum.offline.deployments import PROXY_CODE_HASH, SAFE_L2, Contract, check_code, known_name
from custody.chains.ethereum.offline.keccak import keccak
from custody.chains.ethereum.offline.proxy import MAX_OWNERS, SafeSetup
from custody.chains.ethereum.offline.storage import (
    FALLBACK_HANDLER_SLOT,
    GUARD_SLOT,
    MODULES_SLOT,
    NONCE_SLOT,
    OWNER_COUNT_SLOT,
    OWNERS_SLOT,
    SENTINEL,
    SINGLETON_SLOT,
    THRESHOLD_SLOT,
    expected_storage,
    mapping_slot,
)
from custody.chains.ethereum.rpc import Rpc, at_block, expecting, is_not_offered
from custody.chains.port import NodeRefused

LONGEST_LIST: Final = MAX_OWNERS + 14
"""Longer lists are not walked to their end; none of ours is near it."""

_NO_CODE: Final = keccak(b"")
_FIXED: Final = (
    SINGLETON_SLOT, OWNER_COUNT_SLOT, THRESHOLD_SLOT, NONCE_SLOT, GUARD_SLOT, FALLBACK_HANDLER_SLOT,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SafeConfiguration:
    """What a Safe's storage says at one block. Addresses are checksummed; ``None`` stands for nothing there."""

    address: str
    block_hash: str
    code_hash: bytes | None
    """keccak of the code at its address; ``None`` before it is deployed, when everything below is empty."""
    singleton: str
    singleton_code_hash: bytes | None
    owners: tuple[str, ...]
    """In the order of the list; a list that does not end where it should ends with the zero address here."""
    owner_count: int
    threshold: int
    modules: tuple[str, ...]
    guard: str | None
    fallback_handler: str | None
    nonce: int
    """The nonce of the next SafeTx; no part of what is compared."""

    @property
    def is_deployed(self) -> bool:
        """There is code at its address."""
        return self.code_hash is not None


def differences(found: SafeConfiguration, setup: SafeSetup, *, singleton: Contract = SAFE_L2) -> list[str]:
    """What is not as ``setup`` left it, in plain sentences; none before it is deployed."""
    if not found.is_deployed:
        return []
    sentences = []
    if found.code_hash != PROXY_CODE_HASH:
        sentences.append("the code at its address is not a Safe proxy of the pinned factory")
    if found.singleton != singleton.address:
        name = known_name(found.singleton) or "an unknown contract"
        sentences.append(f"it obeys the code of {found.singleton} ({name}) instead of {singleton.name}")
    elif found.singleton_code_hash != singleton.code_hash:
        sentences.append(f"other code than {singleton.name} {singleton.version} stands at its singleton")
    sentences += _owners(found, setup)
    if found.threshold != setup.threshold:
        sentences.append(f"{found.threshold} must sign instead of {setup.threshold}")
    sentences += [f"the module {module} may pay without signatures" for module in found.modules]
    if found.guard is not None:
        sentences.append(f"the guard {found.guard} is set")
    if found.fallback_handler != setup.fallback_handler:
        sentences.append(f"its fallback handler is {found.fallback_handler or 'none'}")
    return sentences


def _owners(found: SafeConfiguration, setup: SafeSetup) -> list[str]:
    sentences = [f"{owner} is an owner and should not be" for owner in found.owners if owner not in setup.owners]
    sentences += [f"{owner} is no owner any more" for owner in setup.owners if owner not in found.owners]
    if found.owner_count != len(setup.owners):
        sentences.append(f"it counts {found.owner_count} owners instead of {len(setup.owners)}")
    if not sentences and found.owners != setup.owners:
        sentences.append("its owners stand in another order")
    return sentences


class SafeStorage:
    """Safes at one node."""

    def __init__(self, rpc: Rpc) -> None:
        self._rpc = rpc

    def configuration(self, locator: bytes, *, block_hash: str) -> SafeConfiguration:
        """What stands in the storage of the Safe at ``locator`` (20 bytes). Raises ``NodeRefused``."""
        address = checksum_address(locator)
        code_hash, storage = self._read(address, _FIXED, block_hash)
        owners = self._walk(address, OWNERS_SLOT, block_hash)
        modules = self._walk(address, MODULES_SLOT, block_hash)
        singleton = _address(storage[SINGLETON_SLOT])
        return SafeConfiguration(
            address=address,
            block_hash=block_hash,
            code_hash=code_hash,
            singleton=singleton,
            singleton_code_hash=self._read(singleton, (), block_hash)[0],
            owners=owners,
            owner_count=storage[OWNER_COUNT_SLOT],
            threshold=storage[THRESHOLD_SLOT],
            modules=modules,
            guard=_address_or_none(storage[GUARD_SLOT]),
            fallback_handler=_address_or_none(storage[FALLBACK_HANDLER_SLOT]),
            nonce=storage[NONCE_SLOT],
        )

    def nonce(self, safe: str, *, block_hash: str) -> int:
        """The nonce of a Safe's next SafeTx, 0 before it is deployed. Raises ``NodeRefused``."""
        return self._read(safe, (NONCE_SLOT,), block_hash)[1][NONCE_SLOT]

    def watch(self, safes: Sequence[tuple[bytes, SafeSetup]], *, block_hash: str) -> dict[bytes, list[str]]:
        """Which Safes are not as they were set up, and how: address (20 bytes) to ``differences``. Raises as above.

        One request for a hundred Safes; only what differs, or where the node gives no proofs, is walked.
        """
        found: dict[bytes, list[str]] = {}
        singleton_is_pinned = self.code_hash(SAFE_L2.address, block_hash=block_hash) == SAFE_L2.code_hash
        expected = [(locator, setup, _expected(setup)) for locator, setup in safes]
        answers = self._rpc.batch(
            [
                ("eth_getProof", (checksum_address(locator), [_hex(slot) for slot in storage], at_block(block_hash)))
                for locator, _, storage in expected
            ]
        )
        for (locator, setup, storage), answer in zip(expected, answers, strict=True):
            if singleton_is_pinned and _is_as_expected(answer, storage):
                continue
            configuration = self.configuration(locator, block_hash=block_hash)
            if sentences := differences(configuration, setup):
                found[locator] = sentences
        return found

    def code_hash(self, address: str, *, block_hash: str) -> bytes | None:
        """Keccak of the code at an address, ``None`` where there is none."""
        return self._read(address, (), block_hash)[0]

    def check_deployed(self, contract: Contract, *, block_hash: str) -> None:
        """Raise ``InvalidInput`` unless the contract stands at its address with the code pinned."""
        check_code(contract, self.code_hash(contract.address, block_hash=block_hash))

    def _walk(self, address: str, mapping: bytes, block_hash: str) -> tuple[str, ...]:
        """A linked list: the sentinel points at the first, the last at the sentinel. Empty where there is none."""
        found: list[str] = []
        at = SENTINEL
        while True:
            slot = mapping_slot(at, mapping)
            at = _address(self._read(address, (slot,), block_hash)[1][slot])
            if at == SENTINEL or (at == ZERO and not found):
                return tuple(found)
            found.append(at)
            if at == ZERO or at in found[:-1] or len(found) > LONGEST_LIST:
                return (*found, ZERO) if at != ZERO else tuple(found)

    def _read(self, address: str, slots: Sequence[bytes], block_hash: str) -> tuple[bytes | None, Mapping[bytes, int]]:
        """Code hash and storage, by ``eth_getProof``, else by what every node has."""
        keys, block = [_hex(slot) for slot in slots], at_block(block_hash)
        try:
            answer = self._rpc.call("eth_getProof", address, keys, block)
        except NodeRefused as refusal:
            if not is_not_offered(refusal):
                raise
            return self._read_plainly(address, slots, block_hash)
        with expecting("eth_getProof"):
            code_hash = bytes.fromhex(read_hash(answer["codeHash"])[2:])
            values = [read_number(each["value"]) for each in answer["storageProof"]]
            return _code_or_none(code_hash), dict(zip(slots, values, strict=True))

    def _read_plainly(
        self, address: str, slots: Sequence[bytes], block_hash: str
    ) -> tuple[bytes | None, Mapping[bytes, int]]:
        block = at_block(block_hash)
        code, *values = self._rpc.batch(
            [
                ("eth_getCode", (address, block)),
                *(("eth_getStorageAt", (address, _hex(slot), block)) for slot in slots),
            ]
        )
        for answer in (code, *values):
            if isinstance(answer, NodeRefused):
                raise answer
        with expecting("eth_getStorageAt"):
            found = dict(zip(slots, map(read_number, values), strict=True))
            return _code_or_none(keccak(read_bytes(code))), found


def _expected(setup: SafeSetup) -> Mapping[bytes, bytes]:
    return expected_storage(
        singleton=SAFE_L2.address,
        owners=setup.owners,
        threshold=setup.threshold,
        fallback_handler=setup.fallback_handler,
    )


def _is_as_expected(answer: Any, storage: Mapping[bytes, bytes]) -> bool:
    if isinstance(answer, NodeRefused):
        return False
    with expecting("eth_getProof"):
        code_hash = _code_or_none(bytes.fromhex(read_hash(answer["codeHash"])[2:]))
        values = [read_number(each["value"]) for each in answer["storageProof"]]
    wanted = [int.from_bytes(value, "big") for value in storage.values()]
    return code_hash is None or (code_hash == PROXY_CODE_HASH and values == wanted)


def _hex(slot: bytes) -> str:
    return "0x" + slot.hex()


def _code_or_none(code_hash: bytes) -> bytes | None:
    return None if code_hash in (_NO_CODE, bytes(32)) else code_hash


def _address(value: int) -> str:
    """The address in a slot. One with bytes in front is no address: Safe masks them, and none of ours has any."""
    return checksum_address((value & (1 << 160) - 1).to_bytes(20, "big"))


def _address_or_none(value: int) -> str | None:
    return _address(value) if value else None
