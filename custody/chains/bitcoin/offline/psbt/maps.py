"""The bytes of a PSBT, version 0: key-value maps (BIP-174), strictly read and written back unchanged.

Known fields are checked for the form their BIP gives them (174, 371, 373); fields nobody here knows are kept as they
are. Fields of version 2 (BIP-370) have no place in version 0 and are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import coincurve

from custody.chains.bitcoin.offline.ecdsa import is_public_key
from custody.chains.bitcoin.offline.transaction import (
    MalformedTransaction,
    Reader,
    Transaction,
    compact_size,
    parse_output,
    parse_transaction,
    read_items,
)

MAGIC: Final = b"psbt\xff"
MAX_INPUTS: Final = 250
MAX_OUTPUTS: Final = 2_000

GLOBAL_UNSIGNED: Final = 0x00
GLOBAL_XPUB: Final = 0x01
GLOBAL_VERSION: Final = 0xFB
IN_PREVIOUS: Final = 0x00
IN_WITNESS_UTXO: Final = 0x01
IN_PARTIAL_SIGNATURE: Final = 0x02
IN_SIGHASH: Final = 0x03
IN_REDEEM_SCRIPT: Final = 0x04
IN_WITNESS_SCRIPT: Final = 0x05
IN_DERIVATION: Final = 0x06
IN_FINAL_SCRIPT_SIG: Final = 0x07
IN_FINAL_WITNESS: Final = 0x08
OUT_REDEEM_SCRIPT: Final = 0x00
OUT_WITNESS_SCRIPT: Final = 0x01
OUT_DERIVATION: Final = 0x02

Fields = Mapping[bytes, bytes]


class MalformedPsbt(ValueError):
    """These bytes are not one PSBT of version 0; the message says what is wrong with them."""


@dataclass(frozen=True)
class PsbtMaps:
    """A PSBT's maps in the order they were read: global, one per input, one per output."""

    unsigned: Transaction
    shared: Fields
    inputs: tuple[Fields, ...]
    outputs: tuple[Fields, ...]

    def serialize(self) -> bytes:
        """The PSBT's bytes, every map in its own order."""
        return MAGIC + b"".join(_write_map(fields) for fields in (self.shared, *self.inputs, *self.outputs))


def parse_maps(raw: bytes) -> PsbtMaps:
    """Read a PSBT of version 0. Raises ``MalformedPsbt``; never anything else, in time linear in its size."""
    if raw[:5] != MAGIC:
        raise MalformedPsbt("not a PSBT: the magic bytes are missing")
    try:
        return _parse(Reader(raw[5:]))
    except MalformedTransaction as error:
        raise MalformedPsbt(str(error)) from error


def key_of(kind: int, data: bytes = b"") -> bytes:
    """The key of a field: its type and key data."""
    return bytes([kind]) + data


def of_kind(fields: Fields, kind: int) -> dict[bytes, bytes]:
    """Key data to value of every field of one type."""
    return {key[1:]: value for key, value in fields.items() if key[0] == kind}


def _parse(reader: Reader) -> PsbtMaps:
    shared = _read_map(reader)
    _refuse_version_2(shared)
    _check(shared, _GLOBAL)
    unsigned = _unsigned_transaction(shared)
    inputs = tuple(_checked(_read_map(reader), _INPUT) for _ in unsigned.inputs)
    outputs = tuple(_checked(_read_map(reader), _OUTPUT) for _ in unsigned.outputs)
    reader.finish()
    return PsbtMaps(unsigned, shared, inputs, outputs)


def _unsigned_transaction(shared: Fields) -> Transaction:
    raw = shared.get(key_of(GLOBAL_UNSIGNED))
    if raw is None:
        raise MalformedPsbt("the unsigned transaction is missing")
    unsigned = parse_transaction(raw, witness=False)
    if not 1 <= len(unsigned.inputs) <= MAX_INPUTS:
        raise MalformedPsbt(f"{len(unsigned.inputs)} inputs; accepted is 1 to {MAX_INPUTS}")
    if not 1 <= len(unsigned.outputs) <= MAX_OUTPUTS:
        raise MalformedPsbt(f"{len(unsigned.outputs)} outputs; accepted is 1 to {MAX_OUTPUTS}")
    if any(entry.script_sig for entry in unsigned.inputs):
        raise MalformedPsbt("the unsigned transaction holds a signature script")
    if len({(entry.txid, entry.vout) for entry in unsigned.inputs}) != len(unsigned.inputs):
        raise MalformedPsbt("the same coin is spent twice")
    return unsigned


def _refuse_version_2(shared: Fields) -> None:
    version = shared.get(key_of(GLOBAL_VERSION), bytes(4))
    if len(version) != 4:
        raise MalformedPsbt("a malformed version field")
    if version != bytes(4):
        number = int.from_bytes(version, "little")
        raise MalformedPsbt(f"PSBT version {number}; accepted is version 0 (BIP-174)")


def _read_map(reader: Reader) -> dict[bytes, bytes]:
    fields: dict[bytes, bytes] = {}
    while key := reader.string():
        if key in fields:
            raise MalformedPsbt("the same key twice in one map")
        fields[key] = reader.string()
    return fields


def _write_map(fields: Fields) -> bytes:
    parts = [compact_size(len(key)) + key + compact_size(len(value)) + value for key, value in fields.items()]
    return b"".join(parts) + b"\0"


Rule = Callable[[bytes, bytes], bool]


def _checked(fields: dict[bytes, bytes], rules: Mapping[int, Rule | None]) -> dict[bytes, bytes]:
    _check(fields, rules)
    return fields


def _check(fields: Fields, rules: Mapping[int, Rule | None]) -> None:
    for key, value in fields.items():
        rule = rules.get(key[0], _anything)
        if rule is None:
            raise MalformedPsbt(f"field {key[0]:#04x} is of PSBT version 2 (BIP-370); accepted is version 0")
        if not rule(key[1:], value):
            raise MalformedPsbt(f"field {key[0]:#04x} is malformed")


def _anything(_data: bytes, _value: bytes) -> bool:
    return True


def _plain(rule: Callable[[bytes], bool]) -> Rule:
    return lambda data, value: not data and rule(value)


def _sized(*lengths: int) -> Rule:
    return _plain(lambda value: len(value) in lengths)


def _is_transaction(value: bytes) -> bool:
    parse_transaction(value)
    return True


def _is_output(value: bytes) -> bool:
    parse_output(value)
    return True


def _is_witness(value: bytes) -> bool:
    reader = Reader(value)
    read_items(reader)
    return reader.at_end


def _is_any_public_key(data: bytes) -> bool:
    if len(data) == 65 and data[0] == 4:
        try:
            coincurve.PublicKey(data)
        except ValueError:
            return False
        return True
    return is_public_key(data)


def _by_public_key(rule: Callable[[bytes], bool]) -> Rule:
    return lambda data, value: _is_any_public_key(data) and rule(value)


def _is_origin(value: bytes) -> bool:
    return len(value) >= 4 and len(value) % 4 == 0


def _is_taproot_origin(data: bytes, value: bytes) -> bool:
    reader = Reader(value)
    reader.take(32 * reader.count(32))
    return len(data) == 32 and _is_origin(value[-len(reader.peek(len(value))) :] if reader.peek(1) else b"")


def _is_leaf(data: bytes, value: bytes) -> bool:
    return len(value) >= 1 and 33 <= len(data) <= 33 + 32 * 128 and (len(data) - 33) % 32 == 0


def _is_participants(data: bytes, value: bytes) -> bool:
    keys = [value[at : at + 33] for at in range(0, len(value), 33)]
    return is_public_key(data) and bool(keys) and all(map(is_public_key, keys))


def _by_participant(length: int) -> Rule:
    def rule(data: bytes, value: bytes) -> bool:
        named = is_public_key(data[:33]) and is_public_key(data[33:66])
        return named and len(data) in (66, 98) and len(value) == length

    return rule


def _hash_key(length: int) -> Rule:
    return lambda data, _value: len(data) == length


_GLOBAL: Final[Mapping[int, Rule | None]] = {
    GLOBAL_UNSIGNED: lambda data, _value: not data,
    GLOBAL_XPUB: lambda data, value: len(data) == 78 and len(value) == 4 + 4 * data[4],
    0x02: None,
    0x03: None,
    0x04: None,
    0x05: None,
    0x06: None,
    GLOBAL_VERSION: _sized(4),
}
_INPUT: Final[Mapping[int, Rule | None]] = {
    IN_PREVIOUS: _plain(_is_transaction),
    IN_WITNESS_UTXO: _plain(_is_output),
    IN_PARTIAL_SIGNATURE: _by_public_key(lambda value: len(value) >= 1),
    IN_SIGHASH: _sized(4),
    IN_REDEEM_SCRIPT: _plain(lambda _value: True),
    IN_WITNESS_SCRIPT: _plain(lambda _value: True),
    IN_DERIVATION: _by_public_key(_is_origin),
    IN_FINAL_SCRIPT_SIG: _plain(lambda _value: True),
    IN_FINAL_WITNESS: _plain(_is_witness),
    0x0A: _hash_key(20),
    0x0B: _hash_key(32),
    0x0C: _hash_key(20),
    0x0D: _hash_key(32),
    0x0E: None,
    0x0F: None,
    0x10: None,
    0x11: None,
    0x12: None,
    0x13: _sized(64, 65),
    0x14: lambda data, value: len(data) == 64 and len(value) in (64, 65),
    0x15: _is_leaf,
    0x16: _is_taproot_origin,
    0x17: _sized(32),
    0x18: _sized(32),
    0x1A: _is_participants,
    0x1B: _by_participant(66),
    0x1C: _by_participant(32),
}
_OUTPUT: Final[Mapping[int, Rule | None]] = {
    OUT_REDEEM_SCRIPT: _plain(lambda _value: True),
    OUT_WITNESS_SCRIPT: _plain(lambda _value: True),
    OUT_DERIVATION: _by_public_key(_is_origin),
    0x03: None,
    0x04: None,
    0x05: _sized(32),
    0x06: _plain(lambda value: len(value) >= 1),
    0x07: _is_taproot_origin,
    0x08: _is_participants,
}
