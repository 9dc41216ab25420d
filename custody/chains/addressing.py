"""What a chain says of keysets, addresses and destinations: plain values and two Protocols. No node is asked.

A ``locator`` is what the chain itself calls an address, in bytes, and the same place never has two of them. Amounts
are ``units``: integers in an asset's base unit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from custody.evidence.keysets import BRANCHES, Keyset, KeysetCosigner
from custody.kernel.errors import Broken, InvalidInput, Refused
from custody.kernel.money import Asset


class KeysetRefused(Refused):
    """A keyset whose keys, descriptor and points do not say the same thing."""

    code = "keyset-refused"


class DerivationMismatch(Broken):
    """Two independent derivations of one address differ: neither is shown to anybody."""

    code = "derivation-mismatch"


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a payment goes."""

    address: str
    """Canonical: the one way we write it."""
    locator: bytes
    least_units: int
    """The least that can be paid there, in base units."""


@dataclass(frozen=True, slots=True)
class Derived:
    """One address of a vault. Shown to nobody before ``confirm``."""

    index: int
    address: str
    locator: bytes


class AddressSource(Protocol):
    """Every address of one vault, derived from its keyset."""

    @property
    def text(self) -> str:
        """What finds them all again without our database, checksum included."""

    @property
    def receive_text(self) -> str:
        """The addresses paid to from outside alone, checksum included; empty where the chain knows no such text."""

    @property
    def change_text(self) -> str:
        """The addresses of change alone; empty where ``Addressing.makes_change`` is false."""

    @property
    def first_position(self) -> int:
        """Where the vault's index 0 is in its texts; more than 0 only where several vaults share one text."""

    @property
    def last_index(self) -> int:
        """The highest index of a series."""

    def wallet_file(self, kind: str, *, label: str, cosigners: Sequence[str], since_height: int) -> str:
        """The vault as other people's wallets and devices read it; ``kind`` names the file. Raises ``InvalidInput``
        for a kind this chain does not know or that cannot say this vault, and for a label a device would not take.
        """

    def derive(self, *, client: str | None, change: bool, index: int) -> Derived:
        """The address at ``index`` of receive or change, for ``client`` where addresses are personal.

        Raises ``InvalidInput`` for an index, a series or a client the chain has no address for.
        """

    def derive_again(self, *, client: str | None, change: bool, index: int) -> str:
        """The address by a second computation, which shares no code with ``derive``. Raises ``DerivationMismatch``."""


@dataclass(frozen=True, slots=True)
class OwnPlaces:
    """An ``AddressSource`` of places that no keyset gives, the house's own: they are what they are."""

    places: tuple[bytes, ...]
    text: str = ""
    receive_text: str = ""
    change_text: str = ""
    first_position: int = 0

    @property
    def last_index(self) -> int:
        """Of the last place; -1 for none."""
        return len(self.places) - 1

    def wallet_file(self, kind: str, *, label: str, cosigners: Sequence[str], since_height: int) -> str:
        """Never: no keyset is behind these places."""
        del kind, label, cosigners, since_height
        raise InvalidInput("no keyset is behind a place of the house's own", field="vault")

    def derive(self, *, client: str | None, change: bool, index: int) -> Derived:
        """The place of that index, without an address."""
        del client, change
        return Derived(index, "", self.places[index])

    def derive_again(self, *, client: str | None, change: bool, index: int) -> str:
        """Nothing derives it."""
        del client, change, index
        return ""


@dataclass(frozen=True, slots=True)
class Series:
    """One run of a vault's addresses, from index 0 to ``last``; -1 for none."""

    source: AddressSource
    last: int
    client: str | None = None
    """Whose they are, where addresses are personal."""
    change: bool = False

    def locators(self) -> Iterator[bytes]:
        """Every place of it, derived anew. Raises as ``AddressSource.derive`` does."""
        for index in range(self.last + 1):
            yield self.source.derive(client=self.client, change=self.change, index=index).locator


@dataclass(frozen=True, slots=True)
class Rules:
    """One place and what its keyset says of it: where a place has rules that can change, these must still hold."""

    locator: bytes
    source: AddressSource
    client: str | None
    """Whose it is, where addresses are personal."""
    change: bool
    index: int


class Addressing(Protocol):
    """One network of one chain: how it reads destinations, and which addresses a keyset has on it."""

    @property
    def chain(self) -> str:
        """CAIP-2 id."""

    @property
    def name(self) -> str:
        """The network's short name, as settings and commands write it."""

    @property
    def native(self) -> Asset:
        """The asset the chain itself counts in and is paid with."""

    @property
    def makes_change(self) -> bool:
        """Whether a payment pays its rest back to an address of change."""

    @property
    def personal(self) -> bool:
        """Whether an address is made for one client, and so is kept in stock for that client."""

    def read_destination(self, text: object, *, field: str) -> Destination:
        """Read an address of this network in any form people write. Raises ``InvalidInput`` naming ``field``."""

    def most_units(self, asset: str) -> int:
        """More of ``asset`` (CAIP-19) than this there cannot be. Raises ``InvalidInput`` for another chain's asset."""

    def home_of(self, asset: str) -> bytes | None:
        """The locator of the place that makes ``asset`` (CAIP-19), where nobody can be paid; None where there is none.

        Raises ``InvalidInput`` for another chain's asset.
        """

    def check_keyset(self, keyset: Keyset) -> None:
        """The keyset's descriptor is rebuilt from its keys. Consents are not looked at.

        Raises ``KeysetRefused`` where key, point and descriptor differ, ``InvalidInput`` for a key that is none of
        this network.
        """

    def keyset_descriptor(self, members: Sequence[KeysetCosigner], *, threshold: int, layout: str = BRANCHES) -> str:
        """What the cosigners of a new keyset sign. Raises ``InvalidInput`` for a key that is none of this network."""

    def source(self, keyset: Keyset, *, branch: int) -> AddressSource:
        """The addresses of one branch of a keyset; check the keyset first. Raises ``InvalidInput``."""

    def check_texts(self, text: str, *, receive: str, change: str, field: str) -> None:
        """An exported source's three texts carry right checksums and say one and the same vault.

        Raises ``InvalidInput`` naming the wrong one below ``field``: ``descriptor``, ``receive`` or ``change``.
        """


def confirm(derived: Derived, source: AddressSource, *, client: str | None, change: bool) -> None:
    """Raise ``DerivationMismatch`` unless the second computation gives the same address."""
    if source.derive_again(client=client, change=change, index=derived.index) != derived.address:
        raise DerivationMismatch("two derivations of one address differ", change=change, index=derived.index)
