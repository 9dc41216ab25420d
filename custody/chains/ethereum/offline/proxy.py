"""Safe proxies before they exist: the address CREATE2 will give them (EIP-1014), and the call that makes them.

The address is the last 20 bytes of keccak(``ff``, factory, salt, keccak of the init code), where the factory sets
salt = keccak(keccak(initializer), salt nonce). So owners, their order, threshold, handler, singleton, factory and salt
nonce are all bound by the address; the chain is bound only through the salt nonce we choose, see ``salt_nonce``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from custody.chains.ethereum.offline.abi import (
    NotCanonical,
    address_word,
    call_arguments,
    dynamic_bytes,
    dynamic_words,
    pack,
    uint_word,
)
from custody.chains.ethereum.offline.address import (
    ZERO,
    address_bytes,
    checksum_address,
    expect_checksummed,
    parse_address,
)
from custody.chains.ethereum.offline.deployments import (
    FALLBACK_HANDLER,
    PROXY_FACTORY,
    PROXY_INIT_CODE_HASHES,
    SAFE_L2,
    Contract,
)
from custody.chains.ethereum.offline.keccak import keccak, selector
from custody.chains.ethereum.offline.network import Network
from custody.kernel.canonical import canonical_json, digest_bytes
from custody.kernel.errors import InvalidInput

SETUP: Final = selector("setup(address[],uint256,address,bytes,address,address,uint256,address)")
CREATE_PROXY: Final = selector("createProxyWithNonce(address,bytes,uint256)")
MAX_OWNERS: Final = 50
SALT_TAG: Final = "safe-salt"

_ZERO_RAW: Final = bytes(20)
_NAME: Final = re.compile(r"[0-9A-Za-z._:/-]{1,128}", re.ASCII)


@dataclass(frozen=True, slots=True)
class SafeSetup:
    """Who a Safe obeys: owners ascending by address, how many of them must sign, and its fallback handler.

    The order is part of the address, so there is one: ``SafeSetup.of`` sorts, the constructor refuses another.
    No delegatecall, module, guard or payment is part of a setup of ours.
    """

    owners: tuple[str, ...]
    threshold: int
    fallback_handler: str = FALLBACK_HANDLER.address

    def __post_init__(self) -> None:
        raw = [expect_checksummed(parse_address(owner, field="owners"), field="owners") for owner in self.owners]
        if not 1 <= len(raw) <= MAX_OWNERS:
            raise InvalidInput(f"{len(raw)} owners; accepted are 1 to {MAX_OWNERS}", field="owners")
        if len(set(raw)) != len(raw):
            raise InvalidInput("the same owner twice", field="owners")
        if raw != sorted(raw) or tuple(map(checksum_address, raw)) != tuple(self.owners):
            raise InvalidInput("not checksummed and ascending; SafeSetup.of sorts them", field="owners")
        if type(self.threshold) is not int or not 1 <= self.threshold <= len(raw):
            raise InvalidInput(f"accepted is 1 to {len(raw)}, the number of owners", field="threshold")
        expect_checksummed(parse_address(self.fallback_handler, field="fallback_handler"), field="fallback_handler")

    @classmethod
    def of(cls, owners: Iterable[str], threshold: int, *, fallback_handler: str | None = None) -> SafeSetup:
        """The setup of these owners, in whatever order and form they come. Raises ``InvalidInput``."""
        parsed = [parse_address(owner, field="owners") for owner in owners]
        handler = FALLBACK_HANDLER.address if fallback_handler is None else fallback_handler
        return cls(tuple(sorted(parsed, key=str.lower)), threshold, parse_address(handler, field="fallback_handler"))

    @property
    def initializer(self) -> bytes:
        """The calldata of ``setup`` that the factory has the new proxy execute."""
        return SETUP + pack(
            dynamic_words([address_word(address_bytes(owner)) for owner in self.owners]),
            uint_word(self.threshold),
            address_word(_ZERO_RAW),
            dynamic_bytes(b""),
            address_word(address_bytes(self.fallback_handler)),
            address_word(_ZERO_RAW),
            uint_word(0),
            address_word(_ZERO_RAW),
        )


@dataclass(frozen=True, slots=True)
class ProxyCode:
    """Which factory makes the proxy, which singleton it delegates to, and the hash of the code it is made from."""

    factory: str
    singleton: str
    init_code_hash: bytes
    """keccak of the proxy's creation code followed by the singleton as a word."""

    @classmethod
    def pinned(cls, singleton: Contract = SAFE_L2) -> ProxyCode:
        """The pinned 1.4.1 factory with a pinned singleton. Raises ``InvalidInput`` for one that is not."""
        init_code_hash = PROXY_INIT_CODE_HASHES.get(singleton.address)
        if init_code_hash is None:
            raise InvalidInput(f"{singleton.name} {singleton.version} is no singleton of ours", field="singleton")
        return cls(PROXY_FACTORY.address, singleton.address, init_code_hash)

    @classmethod
    def from_creation_code(cls, *, factory: str, singleton: str, creation_code: bytes) -> ProxyCode:
        """The same from the bytes of the creation code, for releases that are not pinned."""
        word = address_word(address_bytes(singleton, field="singleton"))
        return cls(parse_address(factory, field="factory"), singleton, keccak(creation_code + word))


class Safes:
    """All Safes of one setup: their addresses and the calls that deploy them, by salt nonce.

    What the addresses share is hashed once, so that one address costs two hashes and a third for its checksum.
    """

    def __init__(self, setup: SafeSetup, code: ProxyCode | None = None) -> None:
        self.setup = setup
        self.code = ProxyCode.pinned() if code is None else code
        self.initializer = setup.initializer
        self._initializer_hash = keccak(self.initializer)
        self._before_salt = b"\xff" + address_bytes(self.code.factory)
        self._init_code_hash = self.code.init_code_hash

    def address(self, salt_nonce: int) -> str:
        """The checksummed address. Raises ``OverflowError`` unless 0 <= ``salt_nonce`` < 2**256."""
        salt = keccak(self._initializer_hash + salt_nonce.to_bytes(32, "big"))
        return checksum_address(keccak(self._before_salt + salt + self._init_code_hash)[12:])

    def salt(self, salt_nonce: int) -> bytes:
        """The salt the factory hands to CREATE2."""
        return keccak(self._initializer_hash + uint_word(salt_nonce))

    def create_calldata(self, salt_nonce: int) -> bytes:
        """``createProxyWithNonce(singleton, initializer, saltNonce)`` for the factory."""
        singleton = address_word(address_bytes(self.code.singleton))
        return CREATE_PROXY + pack(singleton, dynamic_bytes(self.initializer), uint_word(salt_nonce))


@dataclass(frozen=True, slots=True)
class ProxyCreation:
    """What a ``createProxyWithNonce`` call says."""

    singleton: str
    setup: SafeSetup
    salt_nonce: int


def salt_nonce(*, keyset: str, client: str, index: int, network: Network) -> int:
    """The salt nonce of one Safe: 256 bits, another for every (keyset, client, index, chain).

    SHA-256 of ``custody/safe-salt/v1``, a zero byte and the canonical JSON (RFC 8785) of ``{"chain": CAIP-2 id,
    "client": id, "index": number, "keyset": id}``, read as a big-endian number. The chain keeps the addresses we hand
    out different on every chain. It binds nothing on chain: anybody can deploy the same proxy elsewhere, which is
    what makes a deposit on the wrong chain recoverable. Raises ``InvalidInput``.
    """
    expect_name(keyset, field="keyset")
    expect_name(client, field="client")
    if type(index) is not int or not 0 <= index < 2**31:
        raise InvalidInput("not an index; accepted is 0 to 2147483647", field="index")
    said = {"chain": network.chain, "client": client, "index": index, "keyset": keyset}
    return int.from_bytes(digest_bytes(SALT_TAG, canonical_json(said)), "big")


def expect_name(name: str, *, field: str) -> None:
    """Raise ``InvalidInput`` unless ``name`` may be a keyset's or a client's id in a salt nonce."""
    if _NAME.fullmatch(name) is None:
        raise InvalidInput("not an id; accepted are 1 to 128 letters, digits and '._:/-'", field=field)


def create2_address(deployer: str, salt: bytes, init_code_hash: bytes) -> str:
    """EIP-1014: where ``deployer`` puts this code under this salt. Raises ``InvalidInput``."""
    if len(salt) != 32 or len(init_code_hash) != 32:
        raise InvalidInput("a salt and a code hash have 32 bytes", field="salt")
    return checksum_address(keccak(b"\xff" + address_bytes(deployer, field="deployer") + salt + init_code_hash)[12:])


def decode_create(calldata: bytes, *, field: str = "data") -> ProxyCreation:
    """Read ``createProxyWithNonce`` with a setup of ours inside. Raises ``InvalidInput`` for anything else.

    Refused with it: a setup that delegates, pays, or lists its owners in another order than ours.
    """
    try:
        arguments = call_arguments(calldata, CREATE_PROXY, fields=3)
        singleton, initializer, nonce = arguments.address(), arguments.byte_string(), arguments.uint()
        arguments.finish()
        return ProxyCreation(singleton, _decode_setup(initializer), nonce)
    except NotCanonical as error:
        raise InvalidInput(f"not a canonical createProxyWithNonce: {error}", field=field) from error


def _decode_setup(initializer: bytes) -> SafeSetup:
    arguments = call_arguments(initializer, SETUP, fields=8)
    owners, threshold = arguments.addresses(), arguments.uint()
    delegate, data = arguments.address(), arguments.byte_string()
    handler = arguments.address()
    payment = (arguments.address(), arguments.uint(), arguments.address())
    arguments.finish()
    if delegate != ZERO or data:
        raise NotCanonical("a setup that delegates to another contract")
    if payment != (ZERO, 0, ZERO):
        raise NotCanonical("a setup that pays somebody")
    return SafeSetup(owners, threshold, handler)
