"""Reading a descriptor that somebody gives us (BIP-380, 383, 389): only ``wsh(sortedmulti(…))`` is a vault.

Every other form is refused by its name, everything with a private key before it is read at all.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from custody.chains.bitcoin.offline.checksum import strip_checksum
from custody.chains.bitcoin.offline.derivation import DerivedScript, derive_script
from custody.chains.bitcoin.offline.ecdsa import is_public_key
from custody.chains.bitcoin.offline.keys import (
    HARDENED,
    AccountKey,
    ExtendedKey,
    expect_origin,
    format_path,
    parse_path,
)
from custody.chains.bitcoin.offline.members import FixedKey, MemberKey
from custody.chains.bitcoin.offline.network import NETWORKS, Network
from custody.chains.bitcoin.offline.private_text import refuse_private_key
from custody.chains.bitcoin.offline.script import MAX_MEMBERS
from custody.kernel.errors import InvalidInput

MAX_DESCRIPTOR_CHARACTERS: Final = 8_000

_ACCEPTED: Final = "accepted is wsh(sortedmulti(m,key,…))"
_NAME: Final = re.compile(r"([a-z_]+)\(", re.ASCII)
_VAULT: Final = re.compile(r"wsh\(sortedmulti\(([0-9]{1,3}),([^()]+)\)\)", re.ASCII)
_KEY: Final = re.compile(r"(?:\[([0-9a-fA-F]{8})((?:/[0-9]{1,10}[h']?)*)\])?([0-9A-Za-z]+)((?:/[^/]+)*)", re.ASCII)
_BRANCH_STEPS: Final = 5
_MULTIPATH: Final = "<0;1>"


@dataclass(frozen=True)
class VaultKey:
    """One key expression of a vault descriptor, as written."""

    fingerprint: str | None
    """Eight hex digits of the origin; ``None`` when it was not given."""
    origin: tuple[int, ...]
    """Path from the master key to ``key``; empty without an origin."""
    key: ExtendedKey | bytes
    """An extended key, or one fixed compressed public key."""
    steps: tuple[int, ...]
    """Unhardened steps behind the key, before ``<0;1>`` and ``*``."""
    multipath: bool = False
    """Whether ``<0;1>`` stands behind the steps."""
    wildcard: bool = False
    """Whether ``*`` stands last."""

    @property
    def xpub(self) -> str:
        """The extended key as text, or the fixed key in hex."""
        return self.key.hex() if isinstance(self.key, bytes) else self.key.text

    @property
    def public_key(self) -> bytes:
        """The compressed public key of ``key`` itself."""
        return self.key if isinstance(self.key, bytes) else self.key.public_key

    @cached_property
    def parent(self) -> ExtendedKey | bytes:
        """The key after ``steps``."""
        if isinstance(self.key, bytes):
            return self.key
        found = self.key
        for step in self.steps:
            found = found.child(step)
        return found

    def public_key_at(self, chain: int, index: int) -> bytes:
        """The compressed public key at ``index`` of chain 0 or 1, as far as the expression has chains and indexes."""
        parent = self.parent
        if isinstance(parent, bytes):
            return parent
        if self.multipath:
            parent = parent.child(chain)
        return parent.child_public_key(index) if self.wildcard else parent.public_key


@dataclass(frozen=True)
class ParsedVault:
    """A ``wsh(sortedmulti(…))`` descriptor taken apart, keys in the order they were written."""

    threshold: int
    keys: tuple[VaultKey, ...]
    network: Network

    @property
    def multipath(self) -> bool:
        """Whether it holds ``<0;1>``: one text for receive and change."""
        return any(key.multipath for key in self.keys)

    @property
    def branch(self) -> int | None:
        """The branch all keys share, when the text is one of ours: ``<0;1>/*`` behind the account key and branch,
        or behind the branch's key with the branch in its origin. ``None`` for any other ``wsh(sortedmulti(…))``,
        and for a text of one chain alone.
        """
        branches = {_branch_of(key, self.network) for key in self.keys if not isinstance(key.key, bytes)}
        return branches.pop() if len(branches) == 1 else None

    def branch_keys(self) -> tuple[MemberKey, ...]:
        """The keys at the branch, child form: ``[fp/48h/1h/0h/2h/7]xpub``, whichever of our two forms was read.

        Raises ``InvalidInput`` when the text is not a vault branch of ours.
        """
        if self.branch is None:
            raise InvalidInput("not a branch of BIP-48 P2WSH account keys with origins and <0;1>/*", field="descriptor")
        return tuple(_fixed(key) if isinstance(key.key, bytes) else _branch_key(key) for key in self.keys)

    def account_keys(self) -> tuple[MemberKey, ...]:
        """The account keys of a text with ``<0;1>/*`` right behind each. Raises ``InvalidInput`` for another text."""
        return tuple(
            _fixed(key) if isinstance(key.key, bytes) else _account_key(key, self.network) for key in self.keys
        )

    def derive(self, *, change: bool, index: int) -> DerivedScript:
        """The script at ``index`` (0 to 2**31 - 1) of the receive or change chain.

        Raises ``InvalidInput`` for change where the text has no ``<0;1>``, and for an index out of range.
        """
        if change and not self.multipath:
            raise InvalidInput("the descriptor has no change chain", field="change")
        pubkeys = [key.public_key_at(1 if change else 0, index) for key in self.keys]
        return derive_script(
            threshold=self.threshold, pubkeys=pubkeys, network=self.network, change=change, index=index
        )


def parse_vault_descriptor(text: object, *, network: Network, field: str = "descriptor") -> ParsedVault:
    """Read a vault's descriptor of ``network``, its checksum verified when there is one.

    Only ``wsh(sortedmulti(m, …))`` over 1 to 15 different public keys is a vault. Raises ``InvalidInput``
    naming the form for any other descriptor, and for private keys, hardened steps, keys of another network,
    an origin that does not fit its key, and a multipath that is not ``<0;1>``.
    """
    body = _body(text, field)
    match = _VAULT.fullmatch(body)
    if match is None:
        raise InvalidInput(_refusal(body), field=field)
    expressions = match.group(2).split(",")
    threshold = _threshold(match.group(1), len(expressions), field)
    keys = tuple(_parse_key(expression, network, field) for expression in expressions)
    expect_distinct([key.public_key for key in keys], field=field)
    return ParsedVault(threshold, keys, network)


def script_pubkeys(text: str, index: int, *, network: Network | None = None) -> tuple[bytes, ...]:
    """The output scripts of a ``wsh(sortedmulti(…))`` text at ``index``: receive, and change where it has ``<0;1>``.

    Without a network, mainnet's keys are tried first. Raises as ``parse_vault_descriptor`` does.
    """
    parsed = parse_vault_descriptor(text, network=network or _network_of(text))
    receive = parsed.derive(change=False, index=index).script_pubkey
    return (receive, parsed.derive(change=True, index=index).script_pubkey) if parsed.multipath else (receive,)


def expect_distinct(pubkeys: Sequence[bytes], *, field: str) -> None:
    """Raise ``InvalidInput`` when a public key stands there twice: one cosigner would count as two."""
    if len(set(pubkeys)) != len(pubkeys):
        raise InvalidInput("the same key twice; accepted are different cosigners", field=field)


def _body(text: object, field: str) -> str:
    if not isinstance(text, str):
        raise InvalidInput("not a string; accepted is a descriptor", field=field)
    if not 0 < len(text) <= MAX_DESCRIPTOR_CHARACTERS:
        raise InvalidInput(f"{len(text)} characters; accepted is 1 to {MAX_DESCRIPTOR_CHARACTERS}", field=field)
    refuse_private_key(text, field=field)
    return strip_checksum(text, field=field)


def _refusal(body: str) -> str:
    names = []
    rest = body
    while (found := _NAME.match(rest)) is not None:
        names.append(found.group(1))
        rest = rest[found.end() :]
        if names[-1] not in ("sh", "wsh"):
            break
    if names[:2] == ["wsh", "sortedmulti"] or not names:
        return f"not a well-formed descriptor; {_ACCEPTED}"
    return f"{'('.join(names)}{')' * (len(names) - 1)} is not a vault here; {_ACCEPTED}"


def _threshold(digits: str, members: int, field: str) -> int:
    if members > MAX_MEMBERS:
        raise InvalidInput(f"{members} keys; accepted is 1 to {MAX_MEMBERS}", field=field)
    if digits.startswith("0") or not 1 <= int(digits) <= members:
        raise InvalidInput(f"a threshold of {digits} among {members} keys", field=field)
    return int(digits)


def _parse_key(expression: str, network: Network, field: str) -> VaultKey:
    match = _KEY.fullmatch(expression)
    if match is None:
        raise InvalidInput("not a key expression; accepted is [fingerprint/path]xpub/<0;1>/*", field=field)
    fingerprint, path, text, suffix = match.groups()
    origin = parse_path((path or "").removeprefix("/"), field=field)
    steps, multipath, wildcard = _parse_suffix(suffix, field)
    if len(text) == 66:
        return _fixed_key(fingerprint, origin, text, suffix, field)
    key = ExtendedKey.parse(text, network=network, field=field)
    if fingerprint is not None:
        expect_origin(key, origin, field=field)
    return VaultKey(fingerprint and fingerprint.lower(), origin, key, steps, multipath, wildcard)


def _fixed_key(fingerprint: str | None, origin: tuple[int, ...], text: str, suffix: str, field: str) -> VaultKey:
    try:
        pubkey = bytes.fromhex(text)
    except ValueError:
        pubkey = b""
    if suffix or not is_public_key(pubkey):
        raise InvalidInput("not a compressed public key, or steps behind one", field=field)
    return VaultKey(fingerprint and fingerprint.lower(), origin, pubkey, ())


def _parse_suffix(suffix: str, field: str) -> tuple[tuple[int, ...], bool, bool]:
    parts = suffix.split("/")[1:]
    if any(part[-1] in "hH'" for part in parts):
        raise InvalidInput("a hardened step behind a public key cannot be derived", field=field)
    wildcard = bool(parts) and parts[-1] == "*"
    parts = parts[:-1] if wildcard else parts
    multipath = bool(parts) and parts[-1] == _MULTIPATH
    parts = parts[:-1] if multipath else parts
    if any("<" in part or ">" in part for part in parts):
        raise InvalidInput("a multipath that is not <0;1>, just before the last step", field=field)
    return parse_path("/".join(parts), field=field), multipath, wildcard


def _branch_of(key: VaultKey, network: Network) -> int | None:
    path = (*key.origin, *key.steps)
    has_shape = key.fingerprint is not None and key.multipath and key.wildcard and isinstance(key.key, ExtendedKey)
    if not has_shape or len(path) != _BRANCH_STEPS or len(key.origin) < _BRANCH_STEPS - 1:
        return None
    purpose, coin_type, account, script_type, branch = path
    is_account = (purpose, coin_type, script_type) == (HARDENED + 48, HARDENED + network.coin_type, HARDENED + 2)
    return branch if is_account and account >= HARDENED > branch else None


def _branch_key(key: VaultKey) -> AccountKey:
    assert key.fingerprint is not None
    assert isinstance(key.key, ExtendedKey)
    found = key.key
    path = key.origin
    for step in key.steps[: _BRANCH_STEPS - len(key.origin)]:
        found, path = found.child(step), (*path, step)
    return AccountKey(key.fingerprint, format_path(path), found.text)


def _account_key(key: VaultKey, network: Network) -> AccountKey:
    if key.fingerprint is None or not (key.multipath and key.wildcard) or key.steps:
        raise InvalidInput("not BIP-48 P2WSH account keys with origins and <0;1>/* behind them", field="descriptor")
    text = f"[{key.fingerprint}/{format_path(key.origin)}]{key.xpub}"
    return AccountKey.parse(text, network=network, field="descriptor")


def _fixed(key: VaultKey) -> FixedKey:
    if key.origin:
        raise InvalidInput("a fixed key with a path", field="descriptor")
    return FixedKey.parse(f"[{key.fingerprint or ''}]{key.xpub}", field="descriptor")


def _network_of(text: str) -> Network:
    testnet = next(network for network in NETWORKS if network.coin_type)
    return testnet if re.search(r"\btpub", text) else NETWORKS[0]
