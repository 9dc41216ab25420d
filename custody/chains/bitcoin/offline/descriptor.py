"""Vault descriptors: ``wsh(sortedmulti(m, …))`` over BIP-48 account keys and fixed keys (BIP-380, 383, 389).

A keyset's *open* descriptor is what its cosigners sign when it is registered; it has no checksum. Of the layout
``branches`` it leaves the branch open: the letter ``B`` stands where the branch goes, and no tool reads that. A vault's
descriptor keeps the branch in each key's origin, so BIP-388 and BIP-129 tools can hold it.

Of the layout ``policy`` the open descriptor is the descriptor of every vault: devices register it once. There a vault
is a block of ``POLICY_BLOCK`` indexes: branch b has the positions b * 65536 to b * 65536 + 65535 of both chains. An
``index`` is always counted within the vault; a *position* is what stands in the exported text's place of ``*``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

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
from custody.chains.bitcoin.offline.members import MemberKey, expect_derivable
from custody.chains.bitcoin.offline.network import Network
from custody.chains.bitcoin.offline.script import MAX_MEMBERS, p2wsh_script, sorted_multisig_script
from custody.evidence.keysets import BRANCHES, POLICY
from custody.kernel.canonical import digest
from custody.kernel.errors import InvalidInput

__all__ = [
    "POLICY_BLOCK",
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

POLICY_BLOCK: Final = 2**16
"""Indexes of one vault on each chain, where vaults share one registered policy."""


def open_descriptor(*, threshold: int, keys: Sequence[MemberKey], layout: str = BRANCHES) -> str:
    """The keyset's descriptor as its cosigners sign it, keys in the order given; fixed keys stand as they are.

    ``wsh(sortedmulti(2,[fp/48h/1h/0h/2h]tpub…/B/<0;1>/*,…))``, without ``/B`` where ``layout`` is ``policy``. Raises
    ``InvalidInput`` as ``expect_quorum`` does, for a key given twice, for fixed keys alone and another layout.
    """
    expect_quorum(threshold, len(keys))
    _expect_layout(keys, layout)
    suffix = "/B/<0;1>/*" if layout == BRANCHES else "/<0;1>/*"
    return _expression(threshold, keys, suffix)


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
    keys: tuple[MemberKey, ...]
    branch: int
    network: Network
    layout: str = BRANCHES

    def __post_init__(self) -> None:
        expect_quorum(self.threshold, len(self.keys))
        _expect_layout(self.keys, self.layout)
        vaults = HARDENED // POLICY_BLOCK if self.layout == POLICY else HARDENED
        if type(self.branch) is not int or not 0 <= self.branch < vaults:
            raise InvalidInput(f"not a branch; accepted is 0 to {vaults - 1}", field="branch")
        accounts = [key for key in self.keys if isinstance(key, AccountKey)]
        if any(key.extended.version != self.network.xpub_version for key in accounts):
            raise InvalidInput(f"a key of another network than {self.network.name}", field="keys")

    @cached_property
    def branch_keys(self) -> tuple[MemberKey, ...]:
        """Each key as the vault's text has it, in keyset order: at the branch, origin ``48h/1h/0h/2h/<branch>``, or
        the account's own where all vaults share one policy; a fixed key is the same everywhere.
        """
        return self.keys if self.layout == POLICY else tuple(key.child(self.branch) for key in self.keys)

    @property
    def first_position(self) -> int:
        """What stands for ``*`` in the text at index 0: 0, or the first of the vault's block."""
        return self.branch * POLICY_BLOCK if self.layout == POLICY else 0

    @property
    def last_index(self) -> int:
        """The highest index of either chain."""
        return (POLICY_BLOCK if self.layout == POLICY else HARDENED) - 1

    def position(self, index: int) -> int:
        """What stands for ``*`` in the text at ``index`` of the vault. Raises ``InvalidInput`` for one beyond it."""
        if type(index) is not int or not 0 <= index <= self.last_index:
            raise InvalidInput(f"not an index of a vault; accepted is 0 to {self.last_index}", field="index")
        return self.first_position + index

    def index_at(self, position: int) -> int | None:
        """The vault's index at a position of the text, ``None`` where that is another vault's."""
        index = position - self.first_position
        return index if 0 <= index <= self.last_index else None

    def steps(self, *, change: bool, index: int) -> tuple[int, ...]:
        """The path from an account key to its key at ``index``."""
        branch = () if self.layout == POLICY else (self.branch,)
        return (*branch, int(change), self.position(index))

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

        Raises ``InvalidInput`` unless 0 <= ``index`` < 2**31, or 2**16 where vaults share a policy. No address is
        shown on this alone: see ``chains.addressing.confirm``.
        """
        pubkeys = child_public_keys(self._parents[1 if change else 0], self.position(index))
        return derive_script(
            threshold=self.threshold, pubkeys=pubkeys, network=self.network, change=change, index=index
        )

    def origins(self, *, change: bool, index: int) -> Mapping[bytes, tuple[str, tuple[int, ...]]]:
        """Public key to (master fingerprint, path from the master key) for the keys of one script (BIP-174)."""
        tail = (1 if change else 0, self.position(index))
        pubkeys = child_public_keys(self._parents[tail[0]], tail[1])
        return {pubkey: _origin(key, tail) for pubkey, key in zip(pubkeys, self.branch_keys, strict=True)}

    @cached_property
    def _parents(self) -> tuple[tuple[ExtendedKey | bytes, ...], tuple[ExtendedKey | bytes, ...]]:
        keys = self.branch_keys
        return tuple(_parent(key, 0) for key in keys), tuple(_parent(key, 1) for key in keys)

    def _text(self, chain: str) -> str:
        return with_checksum(_expression(self.threshold, self.branch_keys, f"/{chain}/*"))


def expect_same_vault(parsed: ParsedVault, ours: BranchDescriptor, *, field: str = "descriptor") -> None:
    """Raise ``InvalidInput`` naming the first difference unless ``parsed`` is exactly our vault.

    Threshold, number and order of keys, each key with its origin, and the branch must all be ours. A text of the
    layout ``policy`` names no branch: it is every vault's of its keyset.
    """
    if parsed.threshold != ours.threshold:
        raise InvalidInput(f"threshold {parsed.threshold}; registered is {ours.threshold}", field=field)
    if len(parsed.keys) != len(ours.keys):
        raise InvalidInput(f"{len(parsed.keys)} keys; registered are {len(ours.keys)}", field=field)
    if parsed.network != ours.network:
        raise InvalidInput(f"a descriptor of {parsed.network.name}; ours is {ours.network.name}", field=field)
    given = parsed.account_keys() if ours.layout == POLICY else parsed.branch_keys()
    if sorted(key.text for key in given) == sorted(key.text for key in ours.branch_keys) and given != ours.branch_keys:
        raise InvalidInput("the same keys in another order than registered", field=field)
    for place, (key, registered) in enumerate(zip(given, ours.branch_keys, strict=True), start=1):
        if key != registered:
            raise InvalidInput(f"key {place} is not the registered one", field=field)


def _expect_layout(keys: Sequence[MemberKey], layout: str) -> None:
    if layout not in (BRANCHES, POLICY):
        raise InvalidInput(f"no layout of vaults; accepted is {BRANCHES} or {POLICY}", field="layout")
    expect_distinct([key.public_key for key in keys], field="keys")
    expect_derivable(keys, field="keys")


def _expression(threshold: int, keys: Sequence[MemberKey], suffix: str) -> str:
    texts = [key.text + (suffix if isinstance(key, AccountKey) else "") for key in keys]
    return f"wsh(sortedmulti({threshold},{','.join(texts)}))"


def _parent(key: MemberKey, chain: int) -> ExtendedKey | bytes:
    return key.extended.child(chain) if isinstance(key, AccountKey) else key.public_key


def _origin(key: MemberKey, tail: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
    steps = (*parse_path(key.path, field="path"), *tail) if isinstance(key, AccountKey) else ()
    return key.fingerprint, steps
