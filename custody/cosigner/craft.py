"""What a chain brings to this program: how its keysets, addresses and spends are proved. All else is the same for all.

A craft is a value of one network, found by ``crafts.craft_of``. It reads bytes and derives; it has no key, no memory
and no clock. What it hands back is an ``Effect``: what a spend was proved to do, in words every chain shares.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from custody.cosigner.keeping import CosignerKey
from custody.cosigner.limits import Limits
from custody.cosigner.networks import Account, Network
from custody.cosigner.ownership import Owners
from custody.cosigner.payments import Destination, JudgedPayment
from custody.evidence.keysets import Keyset
from custody.evidence.trust_root import TrustRoot
from custody.kernel.errors import InvalidInput
from custody.kernel.money import Asset


class KeysetContradicts(InvalidInput):
    """A keyset's parts contradict each other, or it does not hold our key exactly once."""

    code = "keyset-contradicts"


@dataclass(frozen=True, slots=True)
class Myself:
    """Who this program signs as: its name in keysets, its account key with origin, its network."""

    name: str
    account_key: Account
    network: Network


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a spend is proved within."""

    root: TrustRoot
    owners: Owners
    limits: Limits
    me: Myself


class Effect(Protocol):
    """What a spend was proved to do. Amounts are base units."""

    @property
    def spend(self) -> str:
        """The id it will be known by on the chain."""

    @property
    def claims(self) -> Mapping[str, int]:
        """What it takes for itself and no other spend may take, with the units in it where a claim is a coin."""

    @property
    def outputs(self) -> tuple[tuple[str, int], ...]:
        """Whom it pays, as the chain calls them, and how much, in its own order; what comes back included."""

    @property
    def fee_asset(self) -> Asset:
        """What fees are paid in, whoever pays them."""

    @property
    def fee_units(self) -> int:
        """The fee out of the vault; 0 where somebody else pays it."""

    def words(self) -> list[str]:
        """What it does, one sentence a line; every number is of the bytes that were checked."""

    def signed_by(self, key: CosignerKey) -> str:
        """The answer: the spend with our signatures, or our signature of it. Raises ``WrongKey``."""


class Craft(Protocol):
    """One network."""

    @property
    def chain(self) -> str:
        """CAIP-2 id."""

    @property
    def gives_up(self) -> bool:
        """Whether this program can prove that a spend gives a withdrawal up and pays nobody."""

    @property
    def has_contracts(self) -> bool:
        """Whether a contract may live at an address."""

    @property
    def home(self) -> str:
        """CAIP-2 id of the chain its vaults are of: ``chain`` itself, unless this is what ``elsewhere`` gave."""

    def elsewhere(self, chain: str) -> Craft | None:
        """The same for spends on another chain, where the places of our vaults are as much ours; ``None`` where not."""

    def check_keyset(self, keyset: Keyset) -> None:
        """Account keys, public keys and descriptor agree. Raises ``KeysetContradicts``, ``InvalidInput``."""

    def asset(self, asset: str, root: TrustRoot) -> Asset | None:
        """The asset of this id that the trust root registers, if it is one of this network's."""

    def read_destination(self, text: str, *, field: str) -> Destination:
        """Whom a request pays. Raises ``InvalidInput``."""

    def spend_of(self, unsigned: str) -> str | None:
        """The id of what is to be signed, before anything is proved; ``None`` where it cannot be read."""

    def prove(self, unsigned: str, payments: Sequence[JudgedPayment], within: Bounds) -> Effect:
        """Prove that ``unsigned`` does what ``payments`` ask and nothing else, in one vault.

        Raises ``CosignerRefusal``.
        """


def expect_ours(keyset: Keyset, me: Myself) -> None:
    """Our key stands in ``keyset`` exactly once, under our name. Raises ``KeysetContradicts``."""
    ours = [cosigner.id for cosigner in keyset.cosigners if cosigner.account_key == me.account_key.text]
    if ours != [me.name]:
        raise KeysetContradicts(f"does not hold our key exactly once as {me.name}", field="keyset.cosigners")
