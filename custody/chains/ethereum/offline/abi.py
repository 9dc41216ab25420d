"""Contract ABI by hand, for the few calls we make: words packed, and read back in their one canonical form.

The ABI lets an encoder place dynamic parts anywhere, overlap them, leave gaps and fill padding with anything, and
contracts read all of it. Here a call is read only if it is byte for byte what ``pack`` would have written: each
offset points at the next free byte, padding is zero, nothing is left over. So one meaning has one encoding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from custody.chains.ethereum.offline.address import checksum_address

WORD: Final = 32
MAX_UINT: Final = 2**256 - 1
MAX_DATA_BYTES: Final = 131_072
"""Longer calldata is not read at all: a node relays no transaction above 128 KiB."""


class NotCanonical(ValueError):
    """These bytes are not the one encoding of what they should be. Callers name the field they stood in."""


@dataclass(frozen=True, slots=True)
class Dynamic:
    """A part that stands behind the head, which holds its offset."""

    encoded: bytes


Part = bytes | Dynamic


def uint_word(value: int, *, bits: int = 256) -> bytes:
    """An unsigned number as a word. Raises ``ValueError`` outside 0 to 2**bits - 1."""
    if type(value) is not int or not 0 <= value < 1 << bits:
        raise ValueError(f"not an unsigned number of {bits} bits")
    return value.to_bytes(WORD, "big")


def address_word(raw: bytes) -> bytes:
    """20 bytes of an address as a word, zeros in front."""
    if len(raw) != 20:
        raise ValueError("an address has 20 bytes")
    return bytes(12) + raw


def dynamic_bytes(data: bytes) -> Dynamic:
    """``bytes``: their length, then the bytes, padded with zeros to whole words."""
    return Dynamic(uint_word(len(data)) + data + bytes(-len(data) % WORD))


def dynamic_words(words: Sequence[bytes]) -> Dynamic:
    """An array of static words such as ``address[]``: how many, then each."""
    return Dynamic(uint_word(len(words)) + b"".join(words))


def dynamic_array(items: Sequence[bytes]) -> Dynamic:
    """An array of dynamic tuples, each already packed: how many, their offsets, then each."""
    return Dynamic(uint_word(len(items)) + pack(*(Dynamic(item) for item in items)))


def pack(*parts: Part) -> bytes:
    """Arguments or a tuple: the head, then the dynamic parts in order, without gaps."""
    at = WORD * len(parts)
    head, tail = [], []
    for part in parts:
        if isinstance(part, Dynamic):
            head.append(uint_word(at))
            tail.append(part.encoded)
            at += len(part.encoded)
        else:
            head.append(part)
    return b"".join(head + tail)


class Arguments:
    """Reads what ``pack`` wrote, field by field, and nothing else. Every method raises ``NotCanonical``.

    Fields are taken in their order; ``finish`` must be called when the last one was taken. ``limit`` is the most bytes
    that are read, ``None`` for what a node of ours answers and we asked for.
    """

    def __init__(self, data: bytes, *, fields: int, limit: int | None = MAX_DATA_BYTES) -> None:
        if limit is not None and len(data) > limit:
            raise NotCanonical(f"longer than {limit} bytes")
        if len(data) < WORD * fields:
            raise NotCanonical("ends too early")
        self._data = data
        self._head = 0
        self._head_end = WORD * fields
        self._tail = self._head_end

    def word(self) -> bytes:
        """The next field, 32 bytes as they are."""
        if self._head >= self._head_end:
            raise NotCanonical("more fields read than there are")
        self._head += WORD
        return self._data[self._head - WORD : self._head]

    def uint(self, *, bits: int = 256) -> int:
        """An unsigned number of at most ``bits``."""
        value = int.from_bytes(self.word(), "big")
        if value >> bits:
            raise NotCanonical(f"a number of more than {bits} bits")
        return value

    def boolean(self) -> bool:
        """0 or 1."""
        return bool(self.uint(bits=1))

    def address(self) -> str:
        """An address, with twelve zero bytes in front; returned with its checksum."""
        word = self.word()
        if any(word[:12]):
            raise NotCanonical("an address with bytes in front that are not zero")
        return checksum_address(word[12:])

    def byte_string(self) -> bytes:
        """``bytes`` in the tail."""
        length = self._enter()
        data = self._take(length)
        if any(self._take(-length % WORD)):
            raise NotCanonical("padding that is not zero")
        return data

    def addresses(self) -> tuple[str, ...]:
        """``address[]`` in the tail."""
        count = self._enter(least_bytes=WORD)
        inner = Arguments(self._take(count * WORD), fields=count, limit=None)
        return tuple(inner.address() for _ in range(count))

    def tuples(self, *, fields: int) -> tuple[Arguments, ...]:
        """An array of dynamic tuples of ``fields`` fields each, in the tail, which it must fill to the end.

        Each tuple is returned unread; its ``finish`` belongs to the caller.
        """
        count = self._enter(least_bytes=WORD * (1 + fields))
        rest = self._take(len(self._data) - self._tail)
        starts = [int.from_bytes(rest[WORD * place : WORD * (place + 1)], "big") for place in range(count)]
        bounds = [*starts, len(rest)]
        if bounds[0] != WORD * count or any(
            end - start < WORD * fields for start, end in zip(starts, bounds[1:], strict=True)
        ):
            raise NotCanonical("tuples that do not stand one behind the other")
        return tuple(
            Arguments(rest[start:end], fields=fields, limit=None) for start, end in zip(starts, bounds[1:], strict=True)
        )

    def finish(self) -> None:
        """Raise unless every field was taken and every byte belongs to one of them."""
        if self._head != self._head_end:
            raise NotCanonical("fewer fields read than there are")
        if self._tail != len(self._data):
            raise NotCanonical("bytes left over behind the end")

    def _enter(self, *, least_bytes: int = 1) -> int:
        if int.from_bytes(self.word(), "big") != self._tail:
            raise NotCanonical("an offset that does not point at the next free byte")
        length = int.from_bytes(self._take(WORD), "big")
        if length * least_bytes > len(self._data) - self._tail:
            raise NotCanonical("ends too early")
        return length

    def _take(self, length: int) -> bytes:
        if length > len(self._data) - self._tail:
            raise NotCanonical("ends too early")
        self._tail += length
        return self._data[self._tail - length : self._tail]


def call_arguments(data: bytes, selector: bytes, *, fields: int) -> Arguments:
    """The arguments of a call that begins with ``selector``. Raises ``NotCanonical`` for another call."""
    if data[:4] != selector:
        raise NotCanonical("another call")
    return Arguments(data[4:], fields=fields)
