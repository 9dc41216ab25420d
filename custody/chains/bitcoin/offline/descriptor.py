"""Vault descriptors: ``wsh(sortedmulti(m, …))`` over BIP-48 account keys and one branch per vault (BIP-380, 383, 389).

A keyset's *open* descriptor leaves the branch open: the letter ``B`` stands where the branch goes. It is what
cosigners sign when a keyset is registered, not a descriptor any tool reads, and it has no checksum. A vault's
descriptor keeps the branch in each key's origin, so BIP-388 and BIP-129 tools can hold it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from custody.chains.bitcoin.offline.checksum import checksum, strip_checksum, with_checksum
from custody.chains.bitcoin.offline.derivation import DerivedScript, child_public_keys, derive_script
from custody.chains.bitcoin.offline.expression import (
    ParsedVault,
    VaultKey,
    expect_distinct,
    parse_vault_descriptor,
    script_pubkeys,
)
from custody.chains.bitcoin.offline.keys import HARDENED, AccountKey, ExtendedKey, parse_path
from custody.chains.bitcoin.offline.network import Network
from custody.chains.bitcoin.offline.script import MAX_MEMBERS, p2wsh_script, sorted_multisig_script
from custody.kernel.canonical import digest
from custody.kernel.errors import InvalidInput

__all__ = [
    "BranchDescriptor",
    "DerivedScript",
    "ParsedVault",
    "VaultKey",
    "checksum",
    "expect_quorum",
    "expect_same_vault",
    "open_descriptor",
    "open_descriptor_hash",
    "p2wsh_script",
    "parse_vault_descriptor",
    "script_pubkeys",
    "sorted_multisig_script",
    "strip_checksum",
    "with_checksum",
]


def open_descriptor(*, threshold: int, keys: Sequence[AccountKey]) -> str:
    """The keyset's descriptor with the branch left open, keys in the order given.

    ``wsh(sortedmulti(2,[fp/48h/1h/0h/2h]tpub…/B/<0;1>/*,…))``. Raises ``InvalidInput`` as ``expect_quorum``
    does, and for a key given twice.
    """
    expect_quorum(threshold, len(keys))
    expect_distinct([key.public_key for key in keys], field="keys")
    return f"wsh(sortedmulti({threshold},{','.join(f'{key.text}/B/<0;1>/*' for key in keys)}))"


def open_descriptor_hash(text: str) -> str:
    """Hex digest (tag ``keyset-descriptor``) of an open descriptor: what each cosigner's key signs."""
    return digest("keyset-descriptor", text)


def expect_quorum(threshold: int, members: int) -> None:
    """Raise ``InvalidInput`` unless 1 <= m <= n <= 15 and any two quorums share a cosigner (2m > n)."""
    if not 1 <= members <= MAX_MEMBERS:
        raise InvalidInput(f"{members} keys; accepted is 1 to {MAX_MEMBERS}", field="keys")
    if type(threshold) is not int or not 1 <= threshold <= members:
        raise InvalidInput(f"{threshold} of {members}; accepted is 1 to {members}", field="threshold")
    if 2 * threshold <= members:
        raise InvalidInput(
            f"{threshold} of {members} lets two quorums sign apart; accepted is more than half", field="threshold"
        )


@dataclass(frozen=True)
class BranchDescriptor:
    """One branch of a keyset: the descriptor of one vault, and every script under it.

    ``keys`` are the account keys in keyset order. Raises ``InvalidInput`` for a quorum or branch that is refused.
    """

    threshold: int
    keys: tuple[AccountKey, ...]
    branch: int
    network: Network

    def __post_init__(self) -> None:
        expect_quorum(self.threshold, len(self.keys))
        expect_distinct([key.public_key for key in self.keys], field="keys")
        if type(self.branch) is not int or not 0 <= self.branch < HARDENED:
            raise InvalidInput("not a branch; accepted is 0 to 2147483647", field="branch")
        if any(key.extended.version != self.network.xpub_version for key in self.keys):
            raise InvalidInput(f"a key of another network than {self.network.name}", field="keys")

    @cached_property
    def branch_keys(self) -> tuple[AccountKey, ...]:
        """Each key at the branch, origin ``48h/1h/0h/2h/<branch>``, in keyset order."""
        return tuple(key.child(self.branch) for key in self.keys)

    @cached_property
    def text(self) -> str:
        """Receive and change in one text with ``<0;1>`` (BIP-389), checksum behind it."""
        return self._text("<0;1>")

    @cached_property
    def receive_text(self) -> str:
        """The receive chain alone, checksum behind it: for nodes that read one chain at a time."""
        return self._text("0")

    @cached_property
    def change_text(self) -> str:
        """The change chain alone, checksum behind it."""
        return self._text("1")

    def derive(self, *, change: bool, index: int) -> DerivedScript:
        """The script and address at ``index`` of the receive or change chain.

        Raises ``InvalidInput`` unless 0 <= ``index`` < 2**31. No address is shown on this alone: see
        ``chains.addressing.confirm``.
        """
        pubkeys = child_public_keys(self._parents[1 if change else 0], index)
        return derive_script(
            threshold=self.threshold, pubkeys=pubkeys, network=self.network, change=change, index=index
        )

    def origins(self, *, change: bool, index: int) -> Mapping[bytes, tuple[str, tuple[int, ...]]]:
        """Public key to (master fingerprint, path from the master key) for the keys of one script (BIP-174)."""
        pubkeys = child_public_keys(self._parents[1 if change else 0], index)
        tail = (1 if change else 0, index)
        return {
            pubkey: (key.fingerprint, (*parse_path(key.path, field="path"), *tail))
            for pubkey, key in zip(pubkeys, self.branch_keys, strict=True)
        }

    @cached_property
    def _parents(self) -> tuple[tuple[ExtendedKey, ...], tuple[ExtendedKey, ...]]:
        return (
            tuple(key.extended.child(0) for key in self.branch_keys),
            tuple(key.extended.child(1) for key in self.branch_keys),
        )

    def _text(self, chain: str) -> str:
        keys = ",".join(f"{key.text}/{chain}/*" for key in self.branch_keys)
        return with_checksum(f"wsh(sortedmulti({self.threshold},{keys}))")


def expect_same_vault(parsed: ParsedVault, ours: BranchDescriptor, *, field: str = "descriptor") -> None:
    """Raise ``InvalidInput`` naming the first difference unless ``parsed`` is exactly our vault.

    Threshold, number and order of keys, each key with its origin, and the branch must all be ours.
    """
    if parsed.threshold != ours.threshold:
        raise InvalidInput(f"threshold {parsed.threshold}; registered is {ours.threshold}", field=field)
    if len(parsed.keys) != len(ours.keys):
        raise InvalidInput(f"{len(parsed.keys)} keys; registered are {len(ours.keys)}", field=field)
    if parsed.network != ours.network:
        raise InvalidInput(f"a descriptor of {parsed.network.name}; ours is {ours.network.name}", field=field)
    given = parsed.branch_keys()
    if sorted(key.text for key in given) == sorted(key.text for key in ours.branch_keys) and given != ours.branch_keys:
        raise InvalidInput("the same keys in another order than registered", field=field)
    for place, (key, registered) in enumerate(zip(given, ours.branch_keys, strict=True), start=1):
        if key != registered:
            raise InvalidInput(f"key {place} is not the registered one", field=field)
