"""Ethereum's addresses: a client's address is a Safe that need not exist yet, a locator is its 20 bytes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from custody.chains.addressing import Derived, Destination, KeysetRefused
from custody.chains.ethereum.offline.address import address_bytes, parse_address
from custody.chains.ethereum.offline.deployments import known_name
from custody.chains.ethereum.offline.descriptor import AccountKey, VaultText, safe_descriptor
from custody.chains.ethereum.offline.ecdsa import address_of_key
from custody.chains.ethereum.offline.network import Network, network
from custody.chains.ethereum.offline.proxy import Safes, SafeSetup, expect_name, salt_nonce
from custody.chains.ethereum.second_address import second_address, second_salt_nonce
from custody.evidence.keysets import BRANCHES, Keyset, KeysetCosigner
from custody.kernel.errors import InvalidInput
from custody.kernel.money import Asset

MAX_TOKEN_UNITS: Final = 2**256 - 1
"""What a token can count to."""

MAX_WEI: Final = 2**128 - 1
"""No native coin comes near: all ether there is stays below 2**87 wei. A word of 256 bits would be no bound."""

_TOKEN: Final = re.compile(r"/erc20:(0x[0-9a-fA-F]{40})", re.ASCII)


@dataclass(frozen=True, slots=True)
class SafeSource:
    """The Safes of one keyset on one chain, one for each client and index."""

    keyset: str
    network: Network
    safes: Safes

    @property
    def text(self) -> str:
        """Owners, threshold, chain and keyset, with checksum; with a client's id and an index it gives an address."""
        return VaultText(self.safes.setup, self.network, self.keyset).text

    @property
    def receive_text(self) -> str:
        """Empty: no tool derives Safes from a text."""
        return ""

    @property
    def change_text(self) -> str:
        """Empty: there is no change."""
        return ""

    @property
    def first_position(self) -> int:
        """0: there is no text with positions."""
        return 0

    @property
    def last_index(self) -> int:
        """The highest a client can have."""
        return 2**31 - 1

    def wallet_file(self, kind: str, *, label: str, cosigners: Sequence[str], since_height: int) -> str:
        """The vault's text; no wallet's file says a Safe that may not exist yet. Raises ``InvalidInput``."""
        del label, cosigners, since_height
        if kind != "descriptor":
            raise InvalidInput("no such kind of file on this chain; accepted is descriptor", field="format")
        return self.text + "\n"

    def salt_nonce(self, *, client: str | None, change: bool, index: int) -> int:
        """What the Safe of this client and index is deployed with. Raises ``InvalidInput`` as ``derive`` does."""
        owner = _owner(client, change, index)
        return salt_nonce(keyset=self.keyset, client=owner, index=index, network=self.network)

    def derive(self, *, client: str | None, change: bool, index: int) -> Derived:
        """The Safe of this client and index. Raises ``InvalidInput`` without a client, for change, and for an index
        that is none.
        """
        address = self.safes.address(self.salt_nonce(client=client, change=change, index=index))
        return Derived(index, address, bytes.fromhex(address[2:]))

    def derive_again(self, *, client: str | None, change: bool, index: int) -> str:
        """The same by other libraries, the salt nonce included. Raises ``InvalidInput`` as ``derive`` does."""
        owner = _owner(client, change, index)
        nonce = second_salt_nonce(keyset=self.keyset, client=owner, index=index, chain=self.network.chain)
        return second_address(self.safes.setup, self.safes.code, nonce)


@dataclass(frozen=True, slots=True)
class EthereumAddressing:
    """What one Ethereum network says of keysets, addresses and destinations."""

    network: Network

    @property
    def chain(self) -> str:
        """CAIP-2 id."""
        return self.network.chain

    @property
    def name(self) -> str:
        """``ethereum``, ``sepolia``, ``anvil`` and so on."""
        return self.network.name

    @property
    def native(self) -> Asset:
        """Its ether, or what its chain pays with."""
        return self.network.asset

    @property
    def makes_change(self) -> bool:
        """False: what a Safe does not pay stays in it."""
        return False

    @property
    def personal(self) -> bool:
        """True: the client's id is in the salt of its Safe."""
        return True

    def read_destination(self, text: object, *, field: str) -> Destination:
        """An address with its checksum or in lower case; any amount can be paid there. Raises ``InvalidInput``.

        Refused by name, beside what ``parse_address`` refuses: contracts of Safe and of tools, which give nothing back.
        """
        address = parse_address(text, field=field)
        contract = known_name(address)
        if contract is not None:
            raise InvalidInput(f"{contract}, a contract that gives nothing back", field=field)
        return Destination(address, address_bytes(address), 1)

    def most_units(self, asset: str) -> int:
        """2**128 - 1 wei, or 2**256 - 1 of a token. Raises ``InvalidInput`` for another chain's asset."""
        return MAX_WEI if self.home_of(asset) is None else MAX_TOKEN_UNITS

    def home_of(self, asset: str) -> bytes | None:
        """A token's contract. Raises ``InvalidInput`` for another chain's asset and a contract written wrong."""
        if asset == self.native.id:
            return None
        match = _TOKEN.fullmatch(asset.removeprefix(self.chain)) if asset.startswith(self.chain) else None
        if match is None:
            raise InvalidInput(
                f"not an asset of this chain; accepted are {self.native.id} and {self.chain}/erc20:0x…", field="asset"
            )
        return address_bytes(parse_address(match.group(1), field="asset"))

    def check_keyset(self, keyset: Keyset) -> None:
        """Every account is its point's address, and together they give the descriptor.

        An address that is a point's is no contract: that would take two inputs of one hash. Raises ``KeysetRefused``
        and ``InvalidInput``, naming the cosigner.
        """
        if keyset.chain != self.chain:
            raise InvalidInput(f"a keyset of another chain; accepted is {self.chain}", field="keyset.chain")
        keys = _account_keys(keyset)
        for cosigner, key in zip(keyset.cosigners, keys, strict=True):
            if _address_of(cosigner.public_key) != key.address:
                raise KeysetRefused(f"cosigner {cosigner.id}'s address is not its point's", field="keyset.cosigners")
        if keyset.layout != BRANCHES:
            raise KeysetRefused(f"Safes have no layout; accepted is {BRANCHES}", field="keyset.layout")
        if len({key.address for key in keys}) != len(keys):
            raise KeysetRefused("two cosigners share one address", field="keyset.cosigners")
        if safe_descriptor(SafeSetup.of([key.address for key in keys], keyset.threshold)) != keyset.descriptor:
            raise KeysetRefused("the descriptor is not what its accounts give", field="keyset.descriptor")

    def keyset_descriptor(self, members: Sequence[KeysetCosigner], *, threshold: int, layout: str = BRANCHES) -> str:
        """The owners and threshold of every Safe of these members. Raises ``InvalidInput``."""
        if layout != BRANCHES:
            raise InvalidInput(f"Safes have no layout; accepted is {BRANCHES}", field="keyset.layout")
        keys = [AccountKey.parse(member.account_key, field=f"keyset.{member.id}") for member in members]
        return safe_descriptor(SafeSetup.of([key.address for key in keys], threshold))

    def source(self, keyset: Keyset, *, branch: int) -> SafeSource:
        """The keyset's Safes, made once per process for equal keysets; check the keyset first.

        ``branch`` changes no address: it says who shares a vault, and a client has one vault of a keyset, so keyset,
        client, index and chain already name the Safe. An address stays what it is when that is looked at again.
        """
        if type(branch) is not int or not 0 <= branch < 2**31:
            raise InvalidInput("not a branch; accepted is 0 to 2147483647", field="branch")
        return _source_of(keyset)

    def check_texts(self, text: str, *, receive: str, change: str, field: str) -> None:
        """The first text is one of this chain; the others are empty. Raises ``InvalidInput``."""
        found = VaultText.parse(text, field=f"{field}.descriptor")
        if found.network != self.network:
            raise InvalidInput(f"of another chain; accepted is {self.chain}", field=f"{field}.descriptor")
        for name, other in (("receive", receive), ("change", change)):
            if other:
                raise InvalidInput("there is no such text on this chain", field=f"{field}.{name}")


@lru_cache(maxsize=4096)
def _source_of(keyset: Keyset) -> SafeSource:
    setup = SafeSetup.of([key.address for key in _account_keys(keyset)], keyset.threshold)
    return SafeSource(keyset.id, network(keyset.chain), Safes(setup))


def _account_keys(keyset: Keyset) -> tuple[AccountKey, ...]:
    return tuple(
        AccountKey.parse(cosigner.account_key, field=f"keyset.cosigners.{cosigner.id}") for cosigner in keyset.cosigners
    )


def _address_of(public_key: str) -> str | None:
    try:
        return address_of_key(bytes.fromhex(public_key))
    except ValueError:
        return None


def _owner(client: str | None, change: bool, index: int) -> str:
    if type(index) is not int or not 0 <= index < 2**31:
        raise InvalidInput("not an index; accepted is 0 to 2147483647", field="index")
    if change:
        raise InvalidInput("there is no change on this chain", field="change")
    if client is None:
        raise InvalidInput("whose it is must be said: a Safe here is one client's", field="client")
    expect_name(client, field="client")
    return client
