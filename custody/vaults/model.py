"""Vaults as other rooms see them, and the checks a keyset passes before anything is derived from it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from custody.chains.bitcoin.offline.descriptor import BranchDescriptor, open_descriptor
from custody.chains.bitcoin.offline.keys import AccountKey
from custody.chains.bitcoin.offline.network import network
from custody.evidence.keysets import Keyset, check_consents
from custody.evidence.signatures import Signature
from custody.kernel.errors import Refused

SEGREGATED = "segregated"
POOL = "pool"


class KeysetRefused(Refused):
    """A keyset whose keys, descriptor and points do not say the same thing."""

    code = "keyset-refused"


@dataclass(frozen=True, slots=True)
class Vault:
    """One branch of a keyset. ``id`` is ``<keyset>/<branch>``, as intents write it."""

    id: str
    keyset: str
    branch: int
    chain: str
    kind: str
    """``segregated`` (one client) or ``pool`` (omnibus clients share it)."""
    frozen_reason: str | None
    frozen_at: datetime | None
    reconciled_height: int | None
    reconciled_at: datetime | None
    opened_at: datetime

    @property
    def is_frozen(self) -> bool:
        """Whether nothing may be spent from it now."""
        return self.frozen_at is not None


@dataclass(frozen=True, slots=True)
class Member:
    """A client of a vault."""

    client: str
    vault: str
    since: datetime


def check_keyset(keyset: Keyset, consents: tuple[Signature, ...]) -> None:
    """The descriptor is rebuilt from the account keys and is the one every cosigner signed.

    Raises ``KeysetRefused`` where key, point and descriptor differ, ``InvalidInput`` for a key that is not a
    BIP-48 P2WSH account of the keyset's chain, ``ProofRefused`` for a consent that is missing or of other keys.
    """
    keys = account_keys(keyset)
    for cosigner, key in zip(keyset.cosigners, keys, strict=True):
        if key.public_key.hex() != cosigner.public_key:
            raise KeysetRefused(f"cosigner {cosigner.id}'s point is not its key's", field="keyset.cosigners")
    if open_descriptor(threshold=keyset.threshold, keys=keys) != keyset.descriptor:
        raise KeysetRefused("the descriptor is not what its account keys give", field="keyset.descriptor")
    check_consents(keyset, consents)


def account_keys(keyset: Keyset) -> tuple[AccountKey, ...]:
    """The cosigners' account keys in keyset order. Raises ``InvalidInput`` naming the cosigner."""
    chain = network(keyset.chain)
    return tuple(
        AccountKey.parse(cosigner.account_key, network=chain, field=f"keyset.cosigners.{cosigner.id}")
        for cosigner in keyset.cosigners
    )


@lru_cache(maxsize=4096)
def descriptor_of(keyset: Keyset, branch: int) -> BranchDescriptor:
    """The branch's descriptor, made once per process for equal keysets; check the keyset first."""
    return BranchDescriptor(
        threshold=keyset.threshold, keys=account_keys(keyset), branch=branch, network=network(keyset.chain)
    )
