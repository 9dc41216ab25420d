"""RLP, in which Ethereum writes transactions: byte strings and lists of them. Only the shortest form is read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

MAX_DEPTH: Final = 8

Item: TypeAlias = "bytes | list[Item]"


class MalformedRlp(ValueError):
    """These bytes are not one RLP item in its shortest form. Callers name the field it stood in."""


def encode(item: bytes | Sequence[Item]) -> bytes:
    """One item as bytes."""
    if isinstance(item, bytes):
        return item if len(item) == 1 and item[0] < 0x80 else _head(0x80, len(item)) + item
    body = b"".join(map(encode, item))
    return _head(0xC0, len(body)) + body


def decode(raw: bytes) -> Item:
    """Exactly one item. Raises ``MalformedRlp`` for a longer form than needed, and for bytes too few or too many."""
    item, end = _read(raw, 0, len(raw), 0)
    if end != len(raw):
        raise MalformedRlp("bytes left over behind the end")
    return item


def encode_number(value: int) -> bytes:
    """A number as its shortest big-endian bytes; zero is the empty string."""
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def decode_number(item: Item, *, bits: int) -> int:
    """The number an item is. Raises ``MalformedRlp`` for a list, a leading zero byte, or more than ``bits``."""
    if not isinstance(item, bytes) or item[:1] == b"\0" or len(item) * 8 > bits:
        raise MalformedRlp(f"not a number of at most {bits} bits in its shortest form")
    return int.from_bytes(item, "big")


def _head(base: int, length: int) -> bytes:
    if length < 56:
        return bytes([base + length])
    width = encode_number(length)
    return bytes([base + 55 + len(width)]) + width


def _read(raw: bytes, at: int, limit: int, depth: int) -> tuple[Item, int]:
    if at >= limit:
        raise MalformedRlp("ends too early")
    if depth > MAX_DEPTH:
        raise MalformedRlp(f"nested more than {MAX_DEPTH} deep")
    first = raw[at]
    if first < 0x80:
        return raw[at : at + 1], at + 1
    start, end = _bounds(raw, at, limit, first - (0x80 if first < 0xC0 else 0xC0))
    if first < 0xC0:
        if end - start == 1 and raw[start] < 0x80:
            raise MalformedRlp("a byte not in its shortest form")
        return raw[start:end], end
    items: list[Item] = []
    while start < end:
        item, start = _read(raw, start, end, depth + 1)
        items.append(item)
    return items, end


def _bounds(raw: bytes, at: int, limit: int, code: int) -> tuple[int, int]:
    start, length = at + 1, code
    if code > 55:
        width = raw[start : start + code - 55]
        start += code - 55
        length = int.from_bytes(width, "big")
        if width[:1] == b"\0" or length < 56:
            raise MalformedRlp("a length not in its shortest form")
    if length > limit - start:
        raise MalformedRlp("ends too early")
    return start, start + length
