"""Digests as a short code people can compare by eye, and amounts as people write them."""

from __future__ import annotations

from typing import Final

from custody.kernel.ids import base32
from custody.kernel.money import Asset, format_decimal

_OWN: Final = "/slip44:"
"""In the CAIP-19 id of a chain's own asset."""


def digest_code(digest: str) -> str:
    """The first 80 bits of a hex digest as four groups of Crockford base 32: ``7K2M 9QXD 4HTW 0ZRB``."""
    code = base32(int(digest[:20], 16), 16)
    return " ".join(code[place : place + 4] for place in range(0, 16, 4))


def long_code(digest: str) -> str:
    """The first 130 bits as 26 characters in groups of four: for reading aloud where nothing else is compared."""
    code = base32(int(digest[:33], 16) >> 2, 26)
    return " ".join(code[place : place + 4] for place in range(0, 26, 4))


def names_digest(said: str, digest: str) -> bool:
    """Whether ``said`` is this hex digest, its short code or its long one; case, blanks and dashes do not matter."""
    plain = said.upper().replace(" ", "").replace("-", "")
    codes = {code(digest).replace(" ", "") for code in (digest_code, long_code)}
    return plain in codes or plain == digest.upper()


def amount_in_words(units: int, asset: Asset) -> str:
    """``0.25000000 BTC``."""
    return f"{format_decimal(units, asset)} {asset.code}"


def fee_in_words(units: int, asset: Asset | None) -> str:
    """A network fee: decimal where ``asset`` is the chain's own, base units of it otherwise."""
    if asset is None:
        return f"{units} base units"
    if _OWN in asset.id:
        return amount_in_words(units, asset)
    return f"{units} base units of the chain's own asset"
