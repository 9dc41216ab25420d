"""Accepting a PSBT from outside: three parsers must take it, and what it claims must be of our network."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from typing import Final

import bdkpython
from embit import psbt as embit_psbt

from custody.chains.bitcoin.offline.foreign import ForeignRefusal, foreign
from custody.chains.bitcoin.offline.keys import HARDENED
from custody.chains.bitcoin.offline.network import Network
from custody.chains.bitcoin.offline.psbt import maps
from custody.chains.bitcoin.offline.psbt.maps import MalformedPsbt, of_kind, parse_maps
from custody.chains.bitcoin.offline.psbt.view import Psbt, PsbtRefused, read_origin

MAX_PSBT_BYTES: Final = 2_000_000
"""Largest PSBT read or composed, in bytes before base64."""

_MAX_BASE64: Final = (MAX_PSBT_BYTES + 2) // 3 * 4
_PURPOSES_WITH_COIN: Final = frozenset(HARDENED + purpose for purpose in (44, 48, 49, 84, 86, 87))


def parse_psbt(text: object, *, network: Network | None = None, field: str = "psbt") -> Psbt:
    """Read a PSBT of version 0 from base64 text, or from its bytes.

    With ``network``, keys that say they are another network's are refused too. Raises ``PsbtRefused`` and
    nothing else: not base64, larger than ``MAX_PSBT_BYTES``, version 2, 0 or more than 250 inputs, 0 or more
    than 2,000 outputs, duplicate or malformed fields, or refused by embit or bdkpython. Fields that are
    nobody's here are kept.
    """
    raw = text if isinstance(text, bytes) else _from_base64(text, field)
    if len(raw) > MAX_PSBT_BYTES:
        raise PsbtRefused(f"{len(raw)} bytes; accepted is at most {MAX_PSBT_BYTES}", field=field)
    try:
        psbt = Psbt(parse_maps(raw))
    except MalformedPsbt as error:
        raise PsbtRefused(str(error), field=field) from error
    _expect_second_opinions(psbt, field)
    if network is not None:
        refuse_other_network(psbt, network, field=field)
    return psbt


def refuse_other_network(psbt: Psbt, network: Network, *, field: str = "psbt") -> None:
    """Raise ``PsbtRefused`` when a key's path has another network's coin type, or a global xpub its version bytes.

    A transaction itself names no network. Testnet, signet and regtest cannot be told apart by keys; that every
    script is our vault's settles it where the PSBT is matched with the vault.
    """
    for path in _paths(psbt):
        if len(path) >= 2 and path[0] in _PURPOSES_WITH_COIN and path[1] != HARDENED + network.coin_type:
            raise PsbtRefused(f"a key path of another network than {network.name}", field=field)
    for xpub in of_kind(psbt.maps.shared, maps.GLOBAL_XPUB):
        if xpub[:4] != network.xpub_version:
            raise PsbtRefused(f"an extended key of another network than {network.name}", field=field)


def _from_base64(text: object, field: str) -> bytes:
    if not isinstance(text, str):
        raise PsbtRefused("not a string; accepted is a PSBT in base64", field=field)
    plain = text.strip()
    if len(plain) > _MAX_BASE64:
        raise PsbtRefused(f"larger than {MAX_PSBT_BYTES} bytes", field=field)
    try:
        return base64.b64decode(plain.encode("ascii"), validate=True)
    except (ValueError, binascii.Error) as error:
        raise PsbtRefused("not base64", field=field) from error


def _expect_second_opinions(psbt: Psbt, field: str) -> None:
    try:
        by_embit = foreign(lambda: bytes(embit_psbt.PSBT.parse(psbt.raw).tx.serialize()))
    except ForeignRefusal as error:
        raise PsbtRefused("refused by the second parser (embit)", field=field) from error
    if by_embit != psbt.unsigned_transaction:
        raise PsbtRefused("two parsers read different transactions", field=field)
    try:
        foreign(lambda: bdkpython.Psbt(psbt.base64))
    except ForeignRefusal as error:
        raise PsbtRefused("refused by the third parser (bdk)", field=field) from error


def _paths(psbt: Psbt) -> Iterator[tuple[int, ...]]:
    for claimed in [view.derivations for view in psbt.inputs] + [view.derivations for view in psbt.outputs]:
        yield from (path for _, path in claimed.values())
    for origin in of_kind(psbt.maps.shared, maps.GLOBAL_XPUB).values():
        yield read_origin(origin)[1]
