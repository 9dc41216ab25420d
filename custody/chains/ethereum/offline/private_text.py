"""Recognising a private key in text, so that it is refused before anything else reads it, and never repeated."""

from __future__ import annotations

import re
from typing import Final

from custody.kernel.errors import InvalidInput

_NUMBER: Final = re.compile(r"[0-9a-fA-F]{64}", re.ASCII)
_EXTENDED: Final = re.compile(r"(?<![0-9A-Za-z])[xtyzuvYZUV]prv[0-9A-Za-z]", re.ASCII)
_WIF: Final = re.compile(r"(?<![0-9A-Za-z])[5KL9c][1-9A-HJ-NP-Za-km-z]{50,51}(?![0-9A-Za-z])", re.ASCII)
_WORDS: Final = re.compile(r"(?:[a-z]{3,8}\s+){11,}[a-z]{3,8}", re.ASCII)


def refuse_private_key(text: str, *, field: str) -> None:
    """Raise ``InvalidInput`` when any part of ``text`` looks like a private key or the words of a seed.

    32 bytes of hex may be a hash as well: where this is asked, neither has a place. The message never repeats the text.
    """
    for shape, meaning in (
        (_NUMBER, "32 bytes of hex, which may be a private key"),
        (_EXTENDED, "an extended private key"),
        (_WIF, "a private key (WIF)"),
        (_WORDS, "the words of a seed"),
    ):
        if shape.search(text):
            raise InvalidInput(f"holds {meaning}; accepted are addresses only", field=field)
