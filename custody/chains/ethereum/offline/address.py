"""Addresses: 20 bytes, written with the checksum of EIP-55 (letters of the hex are upper case where a hash says so)."""

from __future__ import annotations

import re
from typing import Final

from custody.chains.ethereum.offline.keccak import keccak
from custody.kernel.errors import InvalidInput

ZERO: Final = "0x" + "00" * 20

RESERVED_BELOW: Final = 0x10000
"""Addresses with a number below this are nobody's: zero, the precompiled contracts (EIP-7587 sets 0x1 to 0x1ff
aside), system contracts of rollups, and 0xdead, where coins are burned. No key leads there: it would take a hash
with 144 leading zero bits."""

_CASE: Final = int.from_bytes(b"\x20" * 40, "big")
_ACCEPTED: Final = "accepted is 0x and 40 hex digits, in lower case or with the EIP-55 checksum"
_LOWER: Final = re.compile(r"0x[0-9a-f]{40}", re.ASCII)
_ANY_CASE: Final = re.compile(r"0x[0-9a-fA-F]{40}", re.ASCII)
_HEX: Final = re.compile(r"[0-9a-fA-F]+", re.ASCII)
_ICAP: Final = re.compile(r"XE[0-9]{2}[0-9A-Z]{16,31}", re.ASCII)
_ENS: Final = re.compile(r"[^\s:/]+\.[^\s:/.]{2,}")
_CHAIN_PREFIX: Final = re.compile(r"[0-9A-Za-z-]+(:[0-9A-Za-z-]+)?:0x[0-9a-fA-F]*", re.ASCII)
_BITCOIN: Final = re.compile(r"(bc|tb|bcrt)1[0-9a-z]{6,87}|[123mn][1-9A-HJ-NP-Za-km-z]{25,34}", re.ASCII)


def parse_address(text: object, *, field: str = "destination") -> str:
    """Read an address and return it with its EIP-55 checksum. Raises ``InvalidInput`` naming ``field``.

    Taken are a correct checksum and all lower case, nothing else: a text in capitals has lost its checksum. Refused
    by name: a wrong checksum, the zero address and the reserved ones below ``RESERVED_BELOW``, a missing ``0x``, an
    ICAP, an ENS name, a chain's prefix, an address of Bitcoin, and 32 bytes of hex, which may be a private key and
    are never repeated.
    """
    checksummed = read_address(text, field=field)
    number = int(checksummed, 16)
    if number == 0:
        raise InvalidInput("the zero address; what is sent there is lost", field=field)
    if number < RESERVED_BELOW:
        raise InvalidInput("a reserved address (a precompiled contract or a place to burn coins)", field=field)
    return checksummed


def read_address(text: object, *, field: str) -> str:
    """``parse_address`` where zero and reserved addresses are allowed: a field of a message, not a destination."""
    if not isinstance(text, str):
        raise InvalidInput(f"not a string; {_ACCEPTED}", field=field)
    if _ANY_CASE.fullmatch(text) is None:
        raise InvalidInput(f"{_what_it_is(text)}; {_ACCEPTED}", field=field)
    checksummed = checksum_address(bytes.fromhex(text[2:]))
    if text != checksummed and _LOWER.fullmatch(text) is None:
        raise InvalidInput(f"wrong EIP-55 checksum: mistyped or changed; {_ACCEPTED}", field=field)
    return checksummed


def checksum_address(raw: bytes) -> str:
    """20 bytes as text with the EIP-55 checksum. Raises ``ValueError`` for another length."""
    if len(raw) != 20:
        raise ValueError("an address has 20 bytes")
    digits = raw.hex().encode("ascii")
    text = int.from_bytes(digits, "big")
    marks = int.from_bytes(keccak(digits).hex()[:40].encode("ascii"), "big")
    # A letter whose mark is 8 or more becomes a capital, all forty at once: bit 0x20 of its ASCII code is taken away.
    # Of hex digits in ASCII, letters alone have bit 0x40, and 8 and 9 alone have bit 0x08.
    capitals = text >> 1 & (marks >> 1 | marks << 2) & _CASE
    return "0x" + (text ^ capitals).to_bytes(40, "big").decode("ascii")


def address_bytes(address: str, *, field: str = "address") -> bytes:
    """The 20 bytes of an address as values hold it. Raises ``InvalidInput`` unless ``read_address`` takes it."""
    return bytes.fromhex(read_address(address, field=field)[2:])


def expect_checksummed(address: object, *, field: str) -> bytes:
    """The 20 bytes of a text that already is as we write it. Raises ``InvalidInput`` for any other form."""
    if read_address(address, field=field) != address:
        raise InvalidInput("without its EIP-55 checksum; accepted here is the checksummed form only", field=field)
    return bytes.fromhex(address[2:])


def _what_it_is(text: str) -> str:
    if text != text.strip() or any(character.isspace() for character in text):
        return "holds a blank"
    shapes = (
        (
            re.compile(r"(0[xX])?[0-9a-fA-F]{64}", re.ASCII),
            "32 bytes of hex: a hash, or a private key that must not be here",
        ),
        (re.compile(r"[0-9a-fA-F]{40}", re.ASCII), "without 0x in front"),
        (re.compile(r"0X[0-9a-fA-F]{40}", re.ASCII), "0X in capitals"),
        (_ICAP, "an ICAP number"),
        (_CHAIN_PREFIX, "a chain's prefix in front; the chain is a field of its own"),
        (_BITCOIN, "an address of Bitcoin"),
        (_ENS, "a name (ENS), which somebody else can point elsewhere"),
    )
    for shape, meaning in shapes:
        if shape.fullmatch(text):
            return meaning
    if text[:2] == "0x" and _HEX.fullmatch(text[2:]):
        return f"{len(text) - 2} hex digits"
    return "not an address"
