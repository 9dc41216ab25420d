"""Every way to change one byte of what a decoder reads, and what must come of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from custody.kernel.errors import Refused

Value = TypeVar("Value")


def mutations(data: bytes) -> Iterator[bytes]:
    """Each byte with each single bit turned, zeroed and filled; each byte left out; a byte put in before each place."""
    for place in range(len(data)):
        others = {data[place] ^ 1 << bit for bit in range(8)} | {0, 255}
        yield from (data[:place] + bytes([other]) + data[place + 1 :] for other in others - {data[place]})
        yield data[:place] + data[place + 1 :]
    for place in range(len(data) + 1):
        yield data[:place] + b"\0" + data[place:]
        yield data[:place] + b"\x01" + data[place:]
    yield data + bytes(32)
    yield data[:-32]
    yield data + data


def read_all(read: Callable[[bytes], Value], data: bytes) -> tuple[int, int]:
    """Read every mutation: each is refused or means something else, and no two of them mean the same.

    Returns how many were refused and how many were read.
    """
    seen: dict[Value, bytes] = {read(data): data}
    refused = 0
    for changed in mutations(data):
        if changed in seen.values():
            continue
        try:
            found = read(changed)
        except Refused:
            refused += 1
            continue
        assert found not in seen or seen[found] == changed, "two byte strings of one meaning"
        seen[found] = changed
    return refused, len(seen) - 1
