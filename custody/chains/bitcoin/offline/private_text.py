"""Recognising a private key in text, so that it is refused before anything else reads it, and never repeated."""

from __future__ import annotations

import re
from typing import Final

from custody.kernel.errors import InvalidInput

_TOKENS: Final = re.compile(r"[^0-9A-Za-z]+")
_EXTENDED: Final = re.compile(r"[xtyzuvYZUV]prv[0-9A-Za-z]*", re.ASCII)
_WIF: Final = re.compile(r"[59][1-9A-HJ-NP-Za-km-z]{50}|[KLc][1-9A-HJ-NP-Za-km-z]{51}", re.ASCII)


def refuse_private_key(text: str, *, field: str) -> None:
    """Raise ``InvalidInput`` when any part of ``text`` looks like an extended private key or a WIF key.

    The checksum is not asked: a mistyped private key is one all the same. The message never repeats the text.
    """
    for token in _TOKENS.split(text):
        if _EXTENDED.match(token):
            raise InvalidInput("holds an extended private key; accepted are public keys only", field=field)
        if _WIF.fullmatch(token):
            raise InvalidInput("holds a private key (WIF); accepted are public keys only", field=field)
