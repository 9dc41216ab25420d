"""Destinations: reading an address for one network, and writing the address of a script.

Two decoders must agree on every address: ours, and bdkpython's (rust-bitcoin).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import bdkpython

from custody.chains.bitcoin.offline.encoding import (
    base58check_decode,
    base58check_encode,
    segwit_decode,
    segwit_encode,
)
from custody.chains.bitcoin.offline.foreign import ForeignRefusal, foreign
from custody.chains.bitcoin.offline.network import NETWORKS, Network
from custody.chains.bitcoin.offline.private_text import refuse_private_key
from custody.kernel.errors import InvalidInput

DUST_RATE_SAT_VB: Final = 3
"""Bitcoin Core's dust relay rate: an output is dust when spending it would cost more than it holds at this rate."""

_FOREIGN_NETWORKS: Final = {
    "mainnet": bdkpython.Network.BITCOIN,
    "testnet": bdkpython.Network.TESTNET,
    "signet": bdkpython.Network.SIGNET,
    "regtest": bdkpython.Network.REGTEST,
}
_SEGWIT_KINDS: Final = {(0, 20): "p2wpkh", (0, 32): "p2wsh", (1, 32): "p2tr"}
_PLAIN: Final = re.compile(r"[0-9A-Za-z]{14,90}", re.ASCII)
_HRPS: Final = tuple(dict.fromkeys(network.hrp for network in NETWORKS))


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a payment goes: the address as we write it, its script, and what kind it is."""

    address: str
    """Canonical: bech32 in lower case, Base58 as given."""
    script_pubkey: bytes
    kind: str
    """``p2pkh``, ``p2sh``, ``p2wpkh``, ``p2wsh`` or ``p2tr``."""


def parse_address(text: object, *, network: Network, field: str = "destination") -> Destination:
    """Read an address of ``network``. Raises ``InvalidInput`` naming ``field`` for everything else.

    Refused by name: another network's address, mixed case, a truncated or overlong text, blanks, a private
    key, and witness versions or lengths that have no spending rules yet (coins there are anyone's).
    """
    plain = _plain_text(text, field)
    script, kind, networks = _decode(plain, field)
    if network.name not in networks:
        raise InvalidInput(f"an address of {' or '.join(networks)}; accepted is one of {network.name}", field=field)
    destination = Destination(address_of(script, network), script, kind)
    _expect_agreement(destination, plain, network, field)
    return destination


def address_of(script_pubkey: bytes, network: Network) -> str:
    """The address of an output script on ``network``. Raises ``InvalidInput`` for a script that has none."""
    script = script_pubkey
    if len(script) == 34 and script[:2] == b"\x00\x20":
        return segwit_encode(network.hrp, 0, script[2:])
    if len(script) == 22 and script[:2] == b"\x00\x14":
        return segwit_encode(network.hrp, 0, script[2:])
    if len(script) == 34 and script[:2] == b"\x51\x20":
        return segwit_encode(network.hrp, 1, script[2:])
    if len(script) == 25 and script[:3] == b"\x76\xa9\x14" and script[23:] == b"\x88\xac":
        return base58check_encode(bytes([network.pubkey_hash_version]) + script[3:23])
    if len(script) == 23 and script[:2] == b"\xa9\x14" and script[22:] == b"\x87":
        return base58check_encode(bytes([network.script_hash_version]) + script[2:22])
    raise InvalidInput("a script without an address", field="script_pubkey")


def dust_limit_sat(script_pubkey: bytes) -> int:
    """The least amount, in satoshi, that Bitcoin Core relays in an output of this script (3 sat/vB).

    294 for P2WPKH, 330 for P2WSH and P2TR, 540 for P2SH, 546 for P2PKH.
    """
    is_witness = (
        4 <= len(script_pubkey) <= 42
        and script_pubkey[1] == len(script_pubkey) - 2
        and (script_pubkey[0] == 0 or 0x51 <= script_pubkey[0] <= 0x60)
    )
    output_bytes = 8 + 1 + len(script_pubkey)
    spending_vbytes = 32 + 4 + 1 + 107 // 4 + 4 if is_witness else 32 + 4 + 1 + 107 + 4
    return (output_bytes + spending_vbytes) * DUST_RATE_SAT_VB


def _plain_text(text: object, field: str) -> str:
    if not isinstance(text, str):
        raise InvalidInput("not a string; accepted is an address", field=field)
    if text != text.strip() or any(character.isspace() for character in text):
        raise InvalidInput("holds a blank; accepted is an address without any", field=field)
    refuse_private_key(text, field=field)
    if len(text) > 90:
        raise InvalidInput("longer than any address (90 characters)", field=field)
    if _PLAIN.fullmatch(text) is None:
        raise InvalidInput("not an address: too short, or characters no address has", field=field)
    return text


def _decode(text: str, field: str) -> tuple[bytes, str, list[str]]:
    lowered = text.lower()
    try:
        if any(lowered.startswith(f"{hrp}1") for hrp in _HRPS):
            return _decode_segwit(text)
        return _decode_base58(text)
    except ValueError as error:
        raise InvalidInput(f"not an address: {error}", field=field) from error


def _decode_segwit(text: str) -> tuple[bytes, str, list[str]]:
    hrp, version, program = segwit_decode(text)
    kind = _SEGWIT_KINDS.get((version, len(program)))
    if kind is None:
        raise ValueError(f"witness version {version} with {len(program)} bytes has no spending rules yet")
    script = bytes([0x50 + version if version else 0, len(program)]) + program
    return script, kind, [network.name for network in NETWORKS if network.hrp == hrp]


def _decode_base58(text: str) -> tuple[bytes, str, list[str]]:
    payload = base58check_decode(text)
    if len(payload) != 21:
        raise ValueError("wrong length")
    version, body = payload[0], payload[1:]
    by_key = [network.name for network in NETWORKS if network.pubkey_hash_version == version]
    by_script = [network.name for network in NETWORKS if network.script_hash_version == version]
    if by_key:
        return b"\x76\xa9\x14" + body + b"\x88\xac", "p2pkh", by_key
    if by_script:
        return b"\xa9\x14" + body + b"\x87", "p2sh", by_script
    raise ValueError("its version byte is of no Bitcoin network")


def _expect_agreement(destination: Destination, text: str, network: Network, field: str) -> None:
    try:
        second = foreign(lambda: bytes(_foreign_script(text, network)))
    except ForeignRefusal as error:
        raise InvalidInput("not an address: the second decoder does not accept it", field=field) from error
    if second != destination.script_pubkey:
        raise InvalidInput("not an address: two decoders disagree about it", field=field)


def _foreign_script(text: str, network: Network) -> bytes:
    script: bytes = bdkpython.Address(text, _FOREIGN_NETWORKS[network.name]).script_pubkey().to_bytes()
    return script
