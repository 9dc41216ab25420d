"""Bitcoin's addresses: a vault is a branch of ``wsh(sortedmulti(…))``, a locator is an output script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from custody.chains.addressing import Derived, Destination, KeysetRefused
from custody.chains.bitcoin.offline.address import dust_limit_sat, parse_address
from custody.chains.bitcoin.offline.descriptor import BranchDescriptor, open_descriptor, strip_checksum
from custody.chains.bitcoin.offline.expression import parse_vault_descriptor
from custody.chains.bitcoin.offline.members import MemberKey, parse_member
from custody.chains.bitcoin.offline.network import Network, network
from custody.chains.bitcoin.offline.wallet_files import WalletFile, write_wallet_file
from custody.chains.bitcoin.second_address import derive_independently
from custody.evidence.keysets import BRANCHES, Keyset, KeysetCosigner
from custody.kernel.errors import InvalidInput
from custody.kernel.money import Asset

MAX_SAT: Final = 21_000_000 * 10**8
"""All the satoshi there will ever be."""


@dataclass(frozen=True, slots=True)
class DescriptorSource:
    """A vault's addresses, from its descriptor. They are nobody's until handed out: ``client`` changes none."""

    descriptor: BranchDescriptor

    @property
    def text(self) -> str:
        """Receive and change in one (BIP-389), with checksum."""
        return self.descriptor.text

    @property
    def receive_text(self) -> str:
        """The receive chain's descriptor, with checksum."""
        return self.descriptor.receive_text

    @property
    def change_text(self) -> str:
        """The change chain's descriptor, with checksum."""
        return self.descriptor.change_text

    @property
    def first_position(self) -> int:
        """The texts' position of index 0."""
        return self.descriptor.first_position

    @property
    def last_index(self) -> int:
        """2**31 - 1, or 2**16 - 1 where vaults share a policy."""
        return self.descriptor.last_index

    def wallet_file(self, kind: str, *, label: str, cosigners: Sequence[str], since_height: int) -> str:
        """One of ``wallet_files.KINDS``. Raises ``InvalidInput``."""
        return write_wallet_file(kind, WalletFile(self.descriptor, label, tuple(cosigners), since_height))

    def derive(self, *, client: str | None, change: bool, index: int) -> Derived:
        """Script and address at ``index``. Raises ``InvalidInput`` unless 0 <= ``index`` < 2**31."""
        del client
        found = self.descriptor.derive(change=change, index=index)
        return Derived(index, found.address, found.script_pubkey)

    def derive_again(self, *, client: str | None, change: bool, index: int) -> str:
        """The address by the second library. Raises ``DerivationMismatch``."""
        del client
        return derive_independently(self.descriptor, change=change, index=index)


@dataclass(frozen=True, slots=True)
class BitcoinAddressing:
    """What one Bitcoin network says of keysets, addresses and destinations."""

    network: Network

    @property
    def chain(self) -> str:
        """CAIP-2 id."""
        return self.network.chain

    @property
    def name(self) -> str:
        """``mainnet``, ``testnet``, ``signet`` or ``regtest``."""
        return self.network.name

    @property
    def native(self) -> Asset:
        """Its bitcoin."""
        return self.network.asset

    @property
    def makes_change(self) -> bool:
        """True: a coin is spent whole."""
        return True

    @property
    def personal(self) -> bool:
        """False: any address of a vault may be anybody's of that vault."""
        return False

    def read_destination(self, text: object, *, field: str) -> Destination:
        """Any of the five address kinds; the least is what Bitcoin Core relays. Raises ``InvalidInput``."""
        found = parse_address(text, network=self.network, field=field)
        return Destination(found.address, found.script_pubkey, dust_limit_sat(found.script_pubkey))

    def most_units(self, asset: str) -> int:
        """21 million bitcoin. Raises ``InvalidInput`` for any asset but the native one."""
        if asset != self.native.id:
            raise InvalidInput(f"not an asset of this chain; accepted is {self.native.id}", field="asset")
        return MAX_SAT

    def home_of(self, asset: str) -> bytes | None:
        """None: bitcoin is made by no place. Raises ``InvalidInput`` as ``most_units`` does."""
        self.most_units(asset)
        return None

    def check_keyset(self, keyset: Keyset) -> None:
        """Every key is a BIP-48 P2WSH account or a fixed one, and together they give the descriptor.

        Raises ``KeysetRefused`` and ``InvalidInput``, naming the cosigner.
        """
        keys = _account_keys(keyset)
        for cosigner, key in zip(keyset.cosigners, keys, strict=True):
            if key.public_key.hex() != cosigner.public_key:
                raise KeysetRefused(f"cosigner {cosigner.id}'s point is not its key's", field="keyset.cosigners")
        if open_descriptor(threshold=keyset.threshold, keys=keys, layout=keyset.layout) != keyset.descriptor:
            raise KeysetRefused("the descriptor is not what its account keys give", field="keyset.descriptor")

    def keyset_descriptor(self, members: Sequence[KeysetCosigner], *, threshold: int, layout: str = BRANCHES) -> str:
        """The open descriptor of these members' keys, in their order. Raises ``InvalidInput``."""
        keys = [
            parse_member(member.account_key, network=self.network, field=f"keyset.{member.id}") for member in members
        ]
        return open_descriptor(threshold=threshold, keys=keys, layout=layout)

    def source(self, keyset: Keyset, *, branch: int) -> DescriptorSource:
        """The branch's descriptor, made once per process for equal keysets."""
        return DescriptorSource(descriptor_of(keyset, branch))

    def check_texts(self, text: str, *, receive: str, change: str, field: str) -> None:
        """The first text is of both chains (``<0;1>``), the others are its halves. Raises ``InvalidInput``."""
        parsed = parse_vault_descriptor(text, network=self.network, field=f"{field}.descriptor")
        if not parsed.multipath:
            raise InvalidInput("not both chains in one; accepted is <0;1>", field=f"{field}.descriptor")
        body = _with_checksum_only(text, f"{field}.descriptor")
        for step, name, half in (("0", "receive", receive), ("1", "change", change)):
            if _with_checksum_only(half, f"{field}.{name}") != body.replace("<0;1>", step):
                raise InvalidInput("another vault than the descriptor", field=f"{field}.{name}")


@lru_cache(maxsize=4096)
def descriptor_of(keyset: Keyset, branch: int) -> BranchDescriptor:
    """The branch's descriptor, made once per process for equal keysets; check the keyset first."""
    return BranchDescriptor(
        threshold=keyset.threshold,
        keys=_account_keys(keyset),
        branch=branch,
        network=network(keyset.chain),
        layout=keyset.layout,
    )


def _account_keys(keyset: Keyset) -> tuple[MemberKey, ...]:
    where = network(keyset.chain)
    return tuple(
        parse_member(cosigner.account_key, network=where, field=f"keyset.cosigners.{cosigner.id}")
        for cosigner in keyset.cosigners
    )


def _with_checksum_only(text: str, field: str) -> str:
    body = strip_checksum(text, field=field)
    if body == text:
        raise InvalidInput("has no checksum", field=field)
    return body
