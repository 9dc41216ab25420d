"""Extended public keys (BIP-32) and a cosigner's account key with its origin (BIP-48, BIP-380).

Nothing here holds or derives a private key, and no hardened step can be taken: neither is possible from an xpub.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import coincurve

from custody.chains.bitcoin.offline.ecdsa import ORDER, is_public_key, verify_message
from custody.chains.bitcoin.offline.encoding import base58check_decode, base58check_encode
from custody.chains.bitcoin.offline.network import Network
from custody.chains.bitcoin.offline.private_text import refuse_private_key
from custody.chains.bitcoin.offline.script import hash160
from custody.kernel.errors import InvalidInput

__all__ = ["HARDENED", "AccountKey", "ExtendedKey", "format_path", "parse_path", "verify_message"]

HARDENED: Final = 2**31
"""Steps from here on are hardened."""

_SLIP132: Final = {
    bytes.fromhex(version): (name, plain)
    for version, name, plain in (
        ("049d7cb2", "ypub", "0488b21e"),
        ("04b24746", "zpub", "0488b21e"),
        ("0295b43f", "Ypub", "0488b21e"),
        ("02aa7ed3", "Zpub", "0488b21e"),
        ("044a5262", "upub", "043587cf"),
        ("045f1cf6", "vpub", "043587cf"),
        ("024289ef", "Upub", "043587cf"),
        ("02575483", "Vpub", "043587cf"),
    )
}
_NAMES: Final = {bytes.fromhex("0488b21e"): "xpub", bytes.fromhex("043587cf"): "tpub"}
_ORIGIN: Final = re.compile(r"\[([0-9a-fA-F]{8})((?:/[0-9]{1,10}[h']?)*)\]([0-9A-Za-z]+)(/.*)?", re.ASCII)
_STEP: Final = re.compile(r"(0|[1-9][0-9]{0,9})([h']?)", re.ASCII)


@dataclass(frozen=True)
class ExtendedKey:
    """An extended public key (BIP-32), its 78 bytes taken apart."""

    version: bytes
    depth: int
    parent_fingerprint: bytes
    child_number: int
    chain_code: bytes
    public_key: bytes

    @classmethod
    def parse(cls, text: str, *, network: Network | None = None, field: str = "xpub") -> ExtendedKey:
        """Read ``xpub…`` or ``tpub…``. Raises ``InvalidInput`` for private keys, SLIP-132 prefixes (the message
        has the same key in the accepted form), another network's keys and anything BIP-32 calls invalid.
        """
        refuse_private_key(text, field=field)
        try:
            payload = base58check_decode(text)
        except ValueError as error:
            raise InvalidInput(f"not an extended public key: {error}", field=field) from error
        _refuse_slip132(payload, field)
        key = cls._from_payload(payload, field)
        if network is not None and key.version != network.xpub_version:
            wanted = _NAMES[network.xpub_version]
            raise InvalidInput(
                f"a key of another network ({_NAMES[key.version]}); accepted on {network.name} is {wanted}", field=field
            )
        return key

    @classmethod
    def _from_payload(cls, payload: bytes, field: str) -> ExtendedKey:
        if len(payload) != 78 or payload[:4] not in _NAMES:
            raise InvalidInput("not an extended public key; accepted is xpub or tpub", field=field)
        key = cls(
            payload[:4], payload[4], payload[5:9], int.from_bytes(payload[9:13], "big"), payload[13:45], payload[45:]
        )
        if key.depth == 0 and (key.parent_fingerprint != bytes(4) or key.child_number):
            raise InvalidInput("a master key that names a parent (BIP-32)", field=field)
        if not is_public_key(key.public_key):
            raise InvalidInput("its public key is not a point on the curve (BIP-32)", field=field)
        return key

    @property
    def text(self) -> str:
        """The key in Base58Check: ``xpub…`` or ``tpub…``."""
        head = self.version + bytes([self.depth]) + self.parent_fingerprint + self.child_number.to_bytes(4, "big")
        return base58check_encode(head + self.chain_code + self.public_key)

    @property
    def fingerprint(self) -> bytes:
        """The first four bytes of HASH160 of the public key; 32 bits, so a hint and never a proof."""
        return hash160(self.public_key)[:4]

    def child(self, step: int) -> ExtendedKey:
        """One unhardened public step (CKDpub). Raises ``InvalidInput`` unless 0 <= ``step`` < 2**31."""
        chain_code, point = self._child_point(step)
        if self.depth == 255:
            raise InvalidInput("deeper than 255 steps", field="path")
        return ExtendedKey(self.version, self.depth + 1, self.fingerprint, step, chain_code, point)

    def child_public_key(self, step: int) -> bytes:
        """The 33 bytes of ``child(step)``'s public key, without the rest of it."""
        return self._child_point(step)[1]

    def _child_point(self, step: int) -> tuple[bytes, bytes]:
        if not 0 <= step < HARDENED:
            raise InvalidInput("not an unhardened step; accepted is 0 to 2147483647", field="path")
        mixed = hmac.digest(self.chain_code, self.public_key + step.to_bytes(4, "big"), "sha512")
        if int.from_bytes(mixed[:32], "big") >= ORDER:
            raise InvalidInput("this step has no key (BIP-32, chance 1 in 2**127)", field="path")
        return mixed[32:], self._point.add(mixed[:32]).format()

    @cached_property
    def _point(self) -> coincurve.PublicKey:
        return coincurve.PublicKey(self.public_key)


@dataclass(frozen=True)
class AccountKey:
    """A cosigner's public key with its origin: master fingerprint, path from the master key, and the key itself."""

    fingerprint: str
    """Eight lower-case hex digits."""
    path: str
    """``48h/1h/0h/2h``: no leading ``m/``, hardened steps with ``h``; a branch's key has one more step."""
    xpub: str
    """``xpub…`` on mainnet, ``tpub…`` elsewhere."""

    @classmethod
    def parse(cls, text: object, *, network: Network, field: str = "key") -> AccountKey:
        """Read ``[d34db33f/48h/1h/0h/2h]tpub…`` (``'`` for ``h`` is read too).

        The path must be a BIP-48 P2WSH account of this network and fit the key's own depth and number. Raises
        ``InvalidInput`` for that, for private keys, SLIP-132 prefixes, and for any step behind the key.
        """
        if not isinstance(text, str):
            raise InvalidInput("not a string; accepted is [fingerprint/48h/…]xpub", field=field)
        refuse_private_key(text, field=field)
        match = _ORIGIN.fullmatch(text)
        if match is None:
            _explain_key_without_origin(text, field)
            raise InvalidInput("not a key with its origin; accepted is [fingerprint/48h/…]xpub", field=field)
        fingerprint, path, xpub, suffix = match.groups()
        if suffix:
            _refuse_suffix(suffix, field)
        steps = parse_path(path.removeprefix("/"), field=field)
        key = ExtendedKey.parse(xpub, network=network, field=field)
        _expect_account(steps, network, field)
        expect_origin(key, steps, field=field)
        return cls(fingerprint.lower(), format_path(steps), xpub)

    @property
    def text(self) -> str:
        """``[d34db33f/48h/1h/0h/2h]tpub…``, as descriptors write it."""
        return f"[{self.fingerprint}/{self.path}]{self.xpub}"

    @property
    def public_key(self) -> bytes:
        """The account's own compressed public key, 33 bytes: what proof-of-possession signatures are checked with."""
        return self.extended.public_key

    @cached_property
    def extended(self) -> ExtendedKey:
        """The key taken apart."""
        return ExtendedKey.parse(self.xpub)

    def child(self, branch: int) -> AccountKey:
        """One unhardened step below, kept in the origin: path ``48h/1h/0h/2h/7``, ``xpub`` the derived key.

        Raises ``InvalidInput`` unless 0 <= ``branch`` < 2**31.
        """
        if type(branch) is not int or not 0 <= branch < HARDENED:
            raise InvalidInput("not a branch; accepted is 0 to 2147483647", field="branch")
        return AccountKey(self.fingerprint, f"{self.path}/{branch}", self.extended.child(branch).text)


def parse_path(text: str, *, field: str) -> tuple[int, ...]:
    """``48h/1h/0h/2h`` (``'`` for ``h``) as numbers, 2**31 added to hardened steps. Raises ``InvalidInput``."""
    steps = []
    for part in text.split("/") if text else ():
        match = _STEP.fullmatch(part)
        if match is None or int(match.group(1)) >= HARDENED:
            raise InvalidInput("not a derivation path; accepted is like 48h/1h/0h/2h", field=field)
        steps.append(int(match.group(1)) + (HARDENED if match.group(2) else 0))
    return tuple(steps)


def format_path(steps: tuple[int, ...]) -> str:
    """Numbers as ``48h/1h/0h/2h``."""
    return "/".join(f"{step - HARDENED}h" if step >= HARDENED else str(step) for step in steps)


def expect_origin(key: ExtendedKey, steps: tuple[int, ...], *, field: str) -> None:
    """Raise ``InvalidInput`` unless the key's own depth and number are what the origin path says."""
    if key.depth != len(steps):
        raise InvalidInput(f"the key is at depth {key.depth}, its origin path has {len(steps)} steps", field=field)
    if steps and key.child_number != steps[-1]:
        raise InvalidInput("the key's own number is not the last step of its origin path", field=field)


def _expect_account(steps: tuple[int, ...], network: Network, field: str) -> None:
    accepted = f"accepted is 48h/{network.coin_type}h/<account>h/2h"
    if len(steps) != 4 or steps[0] != HARDENED + 48 or min(steps) < HARDENED:
        raise InvalidInput(f"not a BIP-48 account path; {accepted}", field=field)
    if steps[1] != HARDENED + network.coin_type:
        raise InvalidInput(f"the path's coin type is of another network; {accepted}", field=field)
    if steps[3] != HARDENED + 2:
        raise InvalidInput(f"not the path of a P2WSH multisig; {accepted}", field=field)


def _refuse_suffix(suffix: str, field: str) -> None:
    if "h" in suffix or "'" in suffix or "H" in suffix:
        raise InvalidInput("a hardened step behind a public key cannot be derived", field=field)
    raise InvalidInput("steps behind the key; accepted is the account key alone", field=field)


def _explain_key_without_origin(text: str, field: str) -> None:
    if re.fullmatch(r"[0-9A-Za-z]{100,120}", text):
        ExtendedKey.parse(text, field=field)
        raise InvalidInput("the key's origin is missing; accepted is [fingerprint/48h/…]xpub", field=field)


def _refuse_slip132(payload: bytes, field: str) -> None:
    known = _SLIP132.get(payload[:4])
    if known is None or len(payload) != 78:
        return
    name, plain = known[0], bytes.fromhex(known[1])
    suggestion = base58check_encode(plain + payload[4:])
    raise InvalidInput(
        f"{name} is a SLIP-132 prefix; accepted is the same key as {_NAMES[plain]}: {suggestion}",
        field=field,
        suggestion=suggestion,
    )
