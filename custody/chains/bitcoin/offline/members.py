"""A member of a Bitcoin keyset: an account key, or one fixed public key of a module that cannot derive.

A fixed key stands in every script of its keyset as it is. The other members' derived keys make the scripts differ, so
a keyset needs at least one of those; who sees two scripts spent sees the fixed key in both.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from custody.chains.bitcoin.offline.ecdsa import is_public_key
from custody.chains.bitcoin.offline.keys import AccountKey
from custody.chains.bitcoin.offline.network import Network
from custody.chains.bitcoin.offline.private_text import refuse_private_key
from custody.chains.bitcoin.offline.script import hash160
from custody.kernel.errors import InvalidInput

_FIXED: Final = re.compile(r"\[([0-9a-f]{8})\](0[23][0-9a-f]{64})", re.ASCII)


@dataclass(frozen=True)
class FixedKey:
    """One compressed public key with its own fingerprint as origin: ``[d34db33f]02…``, no path and nothing behind."""

    public_key: bytes

    @property
    def fingerprint(self) -> str:
        """The first four bytes of HASH160 of the key, hex: it is its own master key."""
        return hash160(self.public_key)[:4].hex()

    @property
    def path(self) -> str:
        """Empty: nothing is derived."""
        return ""

    @property
    def text(self) -> str:
        """The one way to write it, in keysets and in descriptors."""
        return f"[{self.fingerprint}]{self.public_key.hex()}"

    def child(self, branch: int) -> FixedKey:
        """Itself, on every branch."""
        del branch
        return self

    @classmethod
    def parse(cls, text: str, *, field: str = "key") -> FixedKey:
        """Read ``[fingerprint]02…``. Raises ``InvalidInput`` for no point, or another key's fingerprint."""
        refuse_private_key(text, field=field)
        match = _FIXED.fullmatch(text)
        if match is None or not is_public_key(bytes.fromhex(match.group(2))):
            raise InvalidInput("not a fixed key; accepted is [fingerprint]02… with 33 bytes on the curve", field=field)
        key = cls(bytes.fromhex(match.group(2)))
        if key.fingerprint != match.group(1):
            raise InvalidInput(f"another key's fingerprint; accepted is {key.fingerprint}", field=field)
        return key


MemberKey = AccountKey | FixedKey
"""What stands behind a cosigner's name in a keyset."""


def parse_member(text: object, *, network: Network, field: str = "key") -> MemberKey:
    """Read an account key of ``network`` or a fixed key, which is of every network. Raises ``InvalidInput``."""
    if isinstance(text, str) and _FIXED.fullmatch(text):
        return FixedKey.parse(text, field=field)
    return AccountKey.parse(text, network=network, field=field)


def expect_derivable(keys: Sequence[MemberKey], *, field: str) -> None:
    """Raise ``InvalidInput`` where every member is fixed: all clients would have one address."""
    if all(isinstance(key, FixedKey) for key in keys):
        raise InvalidInput("fixed keys alone; accepted are keysets with an account key among them", field=field)
