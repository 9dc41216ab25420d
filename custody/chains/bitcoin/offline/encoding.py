"""Base58Check, and the two bech32 checksums of segwit addresses (BIP-173, BIP-350).

Pure functions over bytes. Decoders raise ``ValueError`` with a plain reason; callers put the field's name to it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

BASE58: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
BECH32: Final = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"

MAX_BASE58_CHARACTERS: Final = 120
"""Longer than any key or address; decoding is quadratic, so the length is bounded first."""
MAX_BECH32_CHARACTERS: Final = 90


def base58check_encode(payload: bytes) -> str:
    """``payload`` with its four-byte checksum, in base 58."""
    return base58_encode(payload + sha256d(payload)[:4])


def base58check_decode(text: str) -> bytes:
    """The payload of a Base58Check text. Raises ``ValueError`` for a wrong character, length or checksum."""
    raw = base58_decode(text)
    if len(raw) < 5 or sha256d(raw[:-4])[:4] != raw[-4:]:
        raise ValueError("wrong Base58 checksum")
    return raw[:-4]


def base58_encode(payload: bytes) -> str:
    """Base 58 without a checksum; each leading zero byte is a leading ``1``."""
    number, digits = int.from_bytes(payload, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        digits = BASE58[digit] + digits
    return "1" * (len(payload) - len(payload.lstrip(b"\0"))) + digits


def base58_decode(text: str) -> bytes:
    """The bytes of a base 58 text. Raises ``ValueError`` for a wrong character or an overlong text."""
    if not text or len(text) > MAX_BASE58_CHARACTERS:
        raise ValueError("wrong length for Base58")
    number = 0
    for character in text:
        digit = BASE58.find(character)
        if digit < 0:
            raise ValueError("a character that is not Base58")
        number = number * 58 + digit
    zeros = len(text) - len(text.lstrip("1"))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")


def segwit_encode(hrp: str, version: int, program: bytes) -> str:
    """The address of a witness program: bech32 for version 0, bech32m above (BIP-350)."""
    length = (len(program) * 8 + 4) // 5
    number = int.from_bytes(program, "big") << (length * 5 - len(program) * 8)
    words = [version, *(number >> shift & 31 for shift in range(5 * (length - 1), -1, -5))]
    checksum = _polymod((*words, 0, 0, 0, 0, 0, 0), _hrp_state(hrp)) ^ _constant(version)
    words += [checksum >> shift & 31 for shift in range(25, -1, -5)]
    return f"{hrp}1" + "".join([BECH32[word] for word in words])


def segwit_decode(text: str) -> tuple[str, int, bytes]:
    """Read a segwit address into (human-readable part, witness version, program).

    Raises ``ValueError`` for mixed case, an overlong text, a wrong checksum or padding, and for a checksum
    of the other kind (BIP-350: version 0 is bech32, every later version bech32m).
    """
    hrp, words = _bech32_words(text)
    version = words[0]
    if version > 16:
        raise ValueError("witness version above 16")
    if _polymod(words, _hrp_state(hrp)) != _constant(version):
        raise ValueError("wrong bech32 checksum")
    program = _regroup(words[1:-6])
    if not 2 <= len(program) <= 40 or (version == 0 and len(program) not in (20, 32)):
        raise ValueError("wrong witness program length")
    return hrp, version, program


def sha256d(payload: bytes) -> bytes:
    """SHA-256 twice, as Bitcoin names transactions and checks Base58."""
    return hashlib.sha256(hashlib.sha256(payload).digest()).digest()


def _bech32_words(text: str) -> tuple[str, list[int]]:
    if len(text) > MAX_BECH32_CHARACTERS:
        raise ValueError("longer than 90 characters")
    if text != text.lower() and text != text.upper():
        raise ValueError("mixed upper and lower case")
    hrp, separator, data = text.lower().rpartition("1")
    if not separator or not hrp or len(data) < 7:
        raise ValueError("not bech32")
    if any(not 33 <= ord(character) <= 126 for character in hrp):
        raise ValueError("a character that is not bech32")
    words = [BECH32.find(character) for character in data]
    if -1 in words:
        raise ValueError("a character that is not bech32")
    return hrp, words


def _regroup(words: list[int]) -> bytes:
    number, bits = 0, len(words) * 5
    for word in words:
        number = number << 5 | word
    spare = bits % 8
    if spare >= 5 or number & ((1 << spare) - 1):
        raise ValueError("wrong bech32 padding")
    return (number >> spare).to_bytes(bits // 8, "big")


def _constant(version: int) -> int:
    return 1 if version == 0 else 0x2BC830A3


def _feedback(top: int) -> int:
    generators = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
    mixed = 0
    for bit, generator in enumerate(generators):
        if top >> bit & 1:
            mixed ^= generator
    return mixed


_FEEDBACK: Final = tuple(_feedback(top) for top in range(32))


def _polymod(words: Iterable[int], state: int) -> int:
    for word in words:
        state = (state & 0x1FFFFFF) << 5 ^ word ^ _FEEDBACK[state >> 25]
    return state


@lru_cache(maxsize=16)
def _hrp_state(hrp: str) -> int:
    expanded = [ord(character) >> 5 for character in hrp] + [0] + [ord(character) & 31 for character in hrp]
    return _polymod(expanded, 1)
