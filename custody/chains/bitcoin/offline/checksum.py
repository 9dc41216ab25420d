"""The descriptor checksum of BIP-380: eight characters behind ``#``."""

from __future__ import annotations

from typing import Final

from custody.kernel.errors import InvalidInput

_CHARACTERS: Final = "0123456789()[],'/*abcdefgh@:$%{}IJKLMNOPQRSTUVWXYZ&+-.;<=>?!^_|~ijklmnopqrstuvwxyzABCDEFGH`#\"\\ "
_SYMBOLS: Final = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATORS: Final = (0xF5DEE51989, 0xA9FDCA3312, 0x1BAB10E32D, 0x3706B1677A, 0x644D626FFD)


def checksum(text: str, *, field: str = "descriptor") -> str:
    """The checksum of a descriptor without one. Raises ``InvalidInput`` for a character no descriptor has."""
    state = 1
    for symbol in (*_symbols(text, field), 0, 0, 0, 0, 0, 0, 0, 0):
        top, state = state >> 35, (state & 0x7FFFFFFFF) << 5 ^ symbol
        for bit, generator in enumerate(_GENERATORS):
            if top >> bit & 1:
                state ^= generator
    state ^= 1
    return "".join(_SYMBOLS[state >> 5 * (7 - place) & 31] for place in range(8))


def with_checksum(text: str, *, field: str = "descriptor") -> str:
    """``text`` with ``#`` and its checksum."""
    return f"{text}#{checksum(text, field=field)}"


def strip_checksum(text: str, *, field: str = "descriptor") -> str:
    """The descriptor without its checksum, which is verified when there is one. Raises ``InvalidInput``."""
    body, separator, given = text.partition("#")
    expected = checksum(body, field=field)
    if separator and len(given) != 8:
        raise InvalidInput(f"a checksum of {len(given)} characters; accepted is 8 behind #", field=field)
    if separator and given != expected:
        raise InvalidInput("wrong checksum: the descriptor was mistyped or changed", field=field)
    return body


def _symbols(text: str, field: str) -> list[int]:
    symbols, groups = [], []
    for character in text:
        position = _CHARACTERS.find(character)
        if position < 0:
            raise InvalidInput("a character that no descriptor has (BIP-380)", field=field)
        symbols.append(position & 31)
        groups.append(position >> 5)
        if len(groups) == 3:
            symbols.append(groups[0] * 9 + groups[1] * 3 + groups[2])
            groups = []
    if groups:
        symbols.append(groups[0] if len(groups) == 1 else groups[0] * 3 + groups[1])
    return symbols
