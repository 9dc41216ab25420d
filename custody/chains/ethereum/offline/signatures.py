"""Owners' signatures of a SafeTx: 65 bytes each (r, s, v), concatenated ascending by owner as the Safe wants them.

What v means is the Safe's own (``checkNSignatures``): 0 a contract's signature (EIP-1271), 1 a hash approved on chain,
above 30 an ``eth_sign`` signature, else plain ECDSA over the SafeTx hash. Of owners of ours only the last is taken,
with v 27 or 28 and s in its lower half: one digest and one key have one signature we accept the form of.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Final

from custody.chains.ethereum.offline.address import checksum_address
from custody.chains.ethereum.offline.ecdsa import ORDER, recover_address
from custody.chains.ethereum.offline.eip712 import message_digest
from custody.kernel.errors import InvalidInput, Refused

SIGNATURE_BYTES: Final = 65


class OwnerSignatureRefused(Refused):
    """A signature, or a set of them, that the Safe or we would not take."""

    code = "safe-signature-refused"


class SignatureKind(StrEnum):
    """What a signature's v says it is."""

    CONTRACT = "contract"
    APPROVED_HASH = "approved-hash"
    ECDSA = "ecdsa"
    ETH_SIGN = "eth-sign"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature taken apart; nothing is checked yet."""

    r: int
    s: int
    v: int

    @property
    def kind(self) -> SignatureKind:
        """What v says."""
        if self.v == 0:
            return SignatureKind.CONTRACT
        if self.v == 1:
            return SignatureKind.APPROVED_HASH
        if self.v in (27, 28):
            return SignatureKind.ECDSA
        return SignatureKind.ETH_SIGN if self.v > 30 else SignatureKind.UNKNOWN

    @property
    def raw(self) -> bytes:
        """Its 65 bytes."""
        return self.r.to_bytes(32, "big") + self.s.to_bytes(32, "big") + bytes([self.v])

    @property
    def named_owner(self) -> str | None:
        """The owner that a contract's signature or an approved hash only claims, in r; ``None`` for other kinds."""
        if self.kind not in (SignatureKind.CONTRACT, SignatureKind.APPROVED_HASH) or self.r >> 160:
            return None
        return checksum_address(self.r.to_bytes(20, "big"))


def parse_signature(raw: bytes, *, field: str = "signature") -> Signature:
    """Take one signature apart. Raises ``InvalidInput`` unless there are 65 bytes."""
    if len(raw) != SIGNATURE_BYTES:
        raise InvalidInput(f"{len(raw)} bytes; accepted are {SIGNATURE_BYTES}", field=field)
    return Signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:64], "big"), raw[64])


def split_signatures(raw: bytes, *, field: str = "signatures") -> tuple[Signature, ...]:
    """Take concatenated signatures apart. Raises ``InvalidInput`` for a length that is no multiple of 65.

    The data of a contract's signature stands behind them all; there is none in signatures of ours.
    """
    if not raw or len(raw) % SIGNATURE_BYTES:
        raise InvalidInput(f"{len(raw)} bytes; accepted is a multiple of {SIGNATURE_BYTES}", field=field)
    starts = range(0, len(raw), SIGNATURE_BYTES)
    return tuple(parse_signature(raw[start : start + SIGNATURE_BYTES], field=field) for start in starts)


def recover_owner(digest: bytes, signature: Signature) -> str:
    """The address that signed ``digest``, the 32-byte SafeTx hash, by plain ECDSA. Raises ``OwnerSignatureRefused``."""
    kind = signature.kind
    if kind is not SignatureKind.ECDSA:
        raise OwnerSignatureRefused(f"v is {signature.v} ({kind.value}); accepted is 27 or 28, a plain signature")
    if signature.s > ORDER // 2:
        raise OwnerSignatureRefused("s is in its upper half: a second form of a signature that has a first")
    owner = recover_address(digest, r=signature.r, s=signature.s, parity=signature.v - 27)
    if owner is None:
        raise OwnerSignatureRefused("no key made this signature")
    return owner


def eth_sign_owner(digest: bytes, signature: Signature) -> str | None:
    """Who made an ``eth_sign`` signature of a SafeTx hash. Read in strangers' signatures, never accepted."""
    if signature.kind is not SignatureKind.ETH_SIGN:
        return None
    return recover_address(message_digest(digest), r=signature.r, s=signature.s, parity=signature.v - 31)


def check_signature(digest: bytes, raw: bytes, *, owners: Collection[str]) -> str:
    """The owner who signed ``digest``. Raises ``OwnerSignatureRefused`` when it is none of ``owners``."""
    owner = recover_owner(digest, parse_signature(raw))
    if owner not in owners:
        raise OwnerSignatureRefused(f"signed by {owner}, who is no owner, or over something else")
    return owner


def assemble(digest: bytes, signatures: Iterable[bytes], *, owners: Collection[str], threshold: int) -> bytes:
    """What ``execTransaction`` takes: exactly ``threshold`` signatures of different owners, ascending by owner.

    Raises ``OwnerSignatureRefused``, and ``InvalidInput`` for a signature of another length.
    """
    found: dict[str, bytes] = {}
    for raw in signatures:
        owner = check_signature(digest, raw, owners=owners)
        if owner in found:
            raise OwnerSignatureRefused(f"two signatures of {owner}")
        found[owner] = raw
    _expect_threshold(len(found), threshold)
    return b"".join(found[owner] for owner in sorted(found, key=str.lower))


def check_signatures(digest: bytes, raw: bytes, *, owners: Collection[str], threshold: int) -> tuple[str, ...]:
    """The owners who signed, in order. Raises ``OwnerSignatureRefused`` for what ``assemble`` does not write."""
    signatures = split_signatures(raw)
    _expect_threshold(len(signatures), threshold)
    found = [check_signature(digest, signature.raw, owners=owners) for signature in signatures]
    numbers = [int(owner, 16) for owner in found]
    if any(first >= second for first, second in pairwise(numbers)):
        raise OwnerSignatureRefused("not ascending by owner, or an owner twice")
    return tuple(found)


def _expect_threshold(count: int, threshold: int) -> None:
    if count != threshold:
        raise OwnerSignatureRefused(f"{count} signatures; accepted are exactly {threshold}")
