"""A keyset's Safes as text: which accounts own them, how many must sign, and what finds every address again.

``safe(1.4.1,2,[0x…,0x…,0x…])`` is what cosigners sign when a keyset is registered. 1.4.1 names the release, and with
it the pinned factory, singleton and fallback handler of ``deployments``; owners ascend by address, each checksummed.

``safe(…)@eip155:1/kst-main#1a2b3c4d`` is the whole vault: behind ``@`` stand chain and keyset's id, which are in every
salt nonce, and behind ``#`` eight hex digits of a SHA-256. With a client's id and an index it gives an address
(``proxy.salt_nonce``). The checksum of Bitcoin's descriptors is not taken: it is made for their alphabet and catches
mistyped letters, which each owner's own checksum does here.

There is one way to write each of these texts, and any other is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from custody.chains.ethereum.offline.address import parse_address
from custody.chains.ethereum.offline.deployments import SAFE_L2, known_name
from custody.chains.ethereum.offline.network import Network, network
from custody.chains.ethereum.offline.private_text import refuse_private_key
from custody.chains.ethereum.offline.proxy import SafeSetup, expect_name
from custody.kernel.canonical import digest
from custody.kernel.errors import InvalidInput

VERSION: Final = SAFE_L2.version
CHECKSUM_DIGITS: Final = 8

_ACCOUNT: Final = re.compile(r"\[([0-9A-Za-z]*)(?:/([^\]]*))?\](.*)", re.ASCII)
_FINGERPRINT: Final = re.compile(r"[0-9a-f]{8}", re.ASCII)
_PATH: Final = re.compile(r"44h/60h/(0|[1-9][0-9]{0,9})h/0/(0|[1-9][0-9]{0,9})", re.ASCII)
_DESCRIPTOR: Final = re.compile(r"safe\(([^,()]*),([^,()]*),\[([^\[\]]*)\]\)", re.ASCII)
_THRESHOLD: Final = re.compile(r"[1-9][0-9]?", re.ASCII)
_CHECKSUM: Final = re.compile(rf"[0-9a-f]{{{CHECKSUM_DIGITS}}}", re.ASCII)
_Read = TypeVar("_Read")


@dataclass(frozen=True, slots=True)
class AccountKey:
    """A cosigner's account with its origin: ``[d34db33f/44h/60h/0h/0/0]0x…`` (BIP-44), or ``[d34db33f]0x…`` of a module
    that cannot derive, which holds this one key.

    The path helps its holder to find the key; what a Safe knows is the address alone.
    """

    fingerprint: str
    """Of the master key, eight lower-case hex digits."""
    path: str
    """Empty for a fixed key."""
    address: str
    """Checksummed."""

    @property
    def text(self) -> str:
        """The one way to write it."""
        return f"[{self.fingerprint}/{self.path}]{self.address}" if self.path else f"[{self.fingerprint}]{self.address}"

    @classmethod
    def parse(cls, text: str, *, field: str = "account_key") -> AccountKey:
        """Read an account key. Raises ``InvalidInput`` for a private key, another path, or another way to write it."""
        refuse_private_key(text, field=field)
        match = _ACCOUNT.fullmatch(text)
        if match is None:
            raise InvalidInput("no account with its origin; accepted is [fingerprint/44h/60h/0h/0/0]0x…", field=field)
        fingerprint, path, address = match.groups()
        if _FINGERPRINT.fullmatch(fingerprint) is None:
            raise InvalidInput("a fingerprint is eight hex digits in lower case", field=field)
        if path is None:
            return cls(fingerprint, "", _owner(address, field))
        steps = _PATH.fullmatch(path)
        if steps is None or any(int(step) >= 2**31 for step in steps.groups()):
            raise InvalidInput("another path; accepted is 44h/60h/<account>h/0/<index> (BIP-44)", field=field)
        return cls(fingerprint, path, _owner(address, field))


def safe_descriptor(setup: SafeSetup) -> str:
    """The keyset's descriptor, as its cosigners sign it."""
    return f"safe({VERSION},{setup.threshold},[{','.join(setup.owners)}])"


def parse_safe_descriptor(text: str, *, field: str = "descriptor") -> SafeSetup:
    """Read a keyset's descriptor. Raises ``InvalidInput`` for any text ``safe_descriptor`` would not write.

    Refused by name: a private key, another release, owners that are reserved addresses, known contracts, twice the
    same, not checksummed or not ascending. A Safe cannot own itself: its address is a hash of its owners'.
    """
    refuse_private_key(text, field=field)
    match = _DESCRIPTOR.fullmatch(text)
    if match is None:
        raise InvalidInput("not a Safe's descriptor; accepted is safe(1.4.1,m,[0x…,0x…]) without blanks", field=field)
    version, threshold, owners = match.groups()
    if version != VERSION:
        raise InvalidInput(f"a Safe of another release; accepted is {VERSION}", field=field)
    if _THRESHOLD.fullmatch(threshold) is None:
        raise InvalidInput("how many must sign is not a number from 1 to 99", field=field)
    found = tuple(_owner(owner, field) for owner in owners.split(","))
    return _about(field, lambda: SafeSetup(found, int(threshold)))


@dataclass(frozen=True, slots=True)
class VaultText:
    """What finds every address of a keyset's Safes on one chain, given the clients' ids."""

    setup: SafeSetup
    network: Network
    keyset: str

    @property
    def text(self) -> str:
        """The one way to write it, checksum included."""
        body = f"{safe_descriptor(self.setup)}@{self.network.chain}/{self.keyset}"
        return f"{body}#{_checksum(body)}"

    @classmethod
    def parse(cls, text: str, *, field: str = "descriptor") -> VaultText:
        """Read such a text. Raises ``InvalidInput`` for any that ``text`` would not be."""
        refuse_private_key(text, field=field)
        body, separator, given = text.partition("#")
        if not separator:
            raise InvalidInput("has no checksum", field=field)
        if _CHECKSUM.fullmatch(given) is None:
            raise InvalidInput(f"a checksum is {CHECKSUM_DIGITS} hex digits in lower case behind #", field=field)
        if given != _checksum(body):
            raise InvalidInput("wrong checksum: mistyped or changed", field=field)
        descriptor, separator, place = body.partition("@")
        chain, slash, keyset = place.partition("/")
        if not separator or not slash:
            raise InvalidInput("does not say where; accepted is safe(…)@<chain>/<keyset>#<checksum>", field=field)
        setup = parse_safe_descriptor(descriptor, field=field)
        found = _about(field, lambda: network(chain))
        if found.chain != chain:
            raise InvalidInput(f"the chain by its name; accepted is {found.chain}", field=field)
        expect_name(keyset, field=field)
        return cls(setup, found, keyset)


def _checksum(body: str) -> str:
    return digest("safe-vault-text", body)[:CHECKSUM_DIGITS]


def _owner(text: str, field: str) -> str:
    address = parse_address(text, field=field)
    if address != text:
        raise InvalidInput(f"without its EIP-55 checksum; accepted is {address}", field=field)
    contract = known_name(address)
    if contract is not None:
        raise InvalidInput(f"{address} is {contract}, a contract that can sign nothing", field=field)
    return address


def _about(field: str, read: Callable[[], _Read]) -> _Read:
    """What ``read`` gives; a refusal names the field of the whole text."""
    try:
        return read()
    except InvalidInput as error:
        raise InvalidInput(str(error), field=field) from error
