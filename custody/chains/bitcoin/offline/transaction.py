"""Bitcoin transactions: reading and writing them (BIP-144), their ids, and how large a spend of a vault will be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from custody.chains.bitcoin.offline.encoding import sha256d

MAX_MONEY_SAT: Final = 21_000_000 * 100_000_000
SIGNATURE_BYTES: Final = 72
"""Largest DER signature with low s, its sighash byte included. Signers need not grind for 71."""

_MAX_ITEM_BYTES: Final = 4_000_000


class MalformedTransaction(ValueError):
    """These bytes are not one transaction. Callers name the field it stood in."""


@dataclass(frozen=True, slots=True)
class TransactionInput:
    """One input: the output it spends, and what unlocks it."""

    txid: str
    """Hex as nodes print it."""
    vout: int
    script_sig: bytes
    sequence: int
    witness: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class TransactionOutput:
    """One output: satoshi and the script that may spend them."""

    amount_sat: int
    script_pubkey: bytes


@dataclass(frozen=True)
class Transaction:
    """A transaction, signed or not."""

    version: int
    inputs: tuple[TransactionInput, ...]
    outputs: tuple[TransactionOutput, ...]
    locktime: int

    @cached_property
    def stripped(self) -> bytes:
        """Its bytes without any witness: what the txid is the hash of."""
        parts = [self.version.to_bytes(4, "little"), *self._body(), self.locktime.to_bytes(4, "little")]
        return b"".join(parts)

    @cached_property
    def raw(self) -> bytes:
        """Its bytes as a node relays them."""
        if not any(entry.witness for entry in self.inputs):
            return self.stripped
        witness = [write_items(entry.witness) for entry in self.inputs]
        head, tail = self.version.to_bytes(4, "little") + b"\x00\x01", self.locktime.to_bytes(4, "little")
        return b"".join([head, *self._body(), *witness, tail])

    @property
    def txid(self) -> str:
        """Hex as nodes print it."""
        return sha256d(self.stripped)[::-1].hex()

    @property
    def wtxid(self) -> str:
        """Hex as nodes print it; commits to the witness too (BIP-141)."""
        return sha256d(self.raw)[::-1].hex()

    @property
    def weight(self) -> int:
        """Weight units (BIP-141): three times the stripped size and once the whole."""
        return 3 * len(self.stripped) + len(self.raw)

    @property
    def vsize(self) -> int:
        """Virtual bytes: weight / 4, rounded up."""
        return (self.weight + 3) // 4

    def _body(self) -> list[bytes]:
        parts = [compact_size(len(self.inputs))]
        for entry in self.inputs:
            parts += [bytes.fromhex(entry.txid)[::-1], entry.vout.to_bytes(4, "little")]
            parts += [compact_size(len(entry.script_sig)), entry.script_sig, entry.sequence.to_bytes(4, "little")]
        parts.append(compact_size(len(self.outputs)))
        for output in self.outputs:
            parts += [output.amount_sat.to_bytes(8, "little"), compact_size(len(output.script_pubkey))]
            parts.append(output.script_pubkey)
        return parts


def estimate_vsize(*, inputs: int, threshold: int, members: int, output_scripts: Sequence[bytes]) -> int:
    """Virtual bytes of a signed spend of ``inputs`` coins of an m-of-n vault into these output scripts.

    An upper bound that is met when every signature has 72 bytes.
    """
    body = compact_size(inputs), compact_size(len(output_scripts))
    outputs = sum(8 + len(compact_size(len(script))) + len(script) for script in output_scripts)
    stripped = 4 + sum(map(len, body)) + 41 * inputs + outputs + 4
    return (4 * stripped + 2 + inputs * _witness_bytes(threshold, members) + 3) // 4


def txid_of(raw: bytes) -> str:
    """The txid of a serialised transaction, with or without witness. Raises ``MalformedTransaction``."""
    return parse_transaction(raw).txid


def parse_transaction(raw: bytes, *, witness: bool = True) -> Transaction:
    """Read exactly one transaction. With ``witness`` false the marker of BIP-144 is not looked for.

    Raises ``MalformedTransaction`` for bytes too few or too many, a length not in its shortest form, and an
    amount above 21 million bitcoin.
    """
    reader = Reader(raw)
    version = reader.integer(4)
    has_witness = witness and reader.peek(2) == b"\x00\x01"
    if has_witness:
        reader.take(2)
    entries = [_read_input(reader) for _ in range(reader.count(41))]
    outputs = tuple(_read_output(reader) for _ in range(reader.count(9)))
    if has_witness:
        entries = [_with_witness(entry, read_items(reader)) for entry in entries]
        if not any(entry.witness for entry in entries):
            raise MalformedTransaction("a witness marker without a witness")
    locktime = reader.integer(4)
    reader.finish()
    return Transaction(version, tuple(entries), outputs, locktime)


class Reader:
    """Bytes read from front to back, every length checked against what is left before it is used."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._at = 0

    @property
    def at_end(self) -> bool:
        """Whether everything has been read."""
        return self._at == len(self._raw)

    def peek(self, length: int) -> bytes:
        """Up to ``length`` bytes, left where they are."""
        return self._raw[self._at : self._at + length]

    def take(self, length: int) -> bytes:
        """The next ``length`` bytes. Raises ``MalformedTransaction`` when there are fewer."""
        if length > len(self._raw) - self._at:
            raise MalformedTransaction("ends too early")
        self._at += length
        return self._raw[self._at - length : self._at]

    def integer(self, length: int) -> int:
        """The next ``length`` bytes as an unsigned little-endian number."""
        return int.from_bytes(self.take(length), "little")

    def compact(self) -> int:
        """A compact size, in its shortest form only."""
        first = self.integer(1)
        if first < 0xFD:
            return first
        width = {0xFD: 2, 0xFE: 4, 0xFF: 8}[first]
        value = self.integer(width)
        if value > _MAX_ITEM_BYTES or len(compact_size(value)) != width + 1:
            raise MalformedTransaction("a length that is too large or not in its shortest form")
        return value

    def count(self, least_bytes: int) -> int:
        """A compact size counting items of at least ``least_bytes`` each, so never more than could follow."""
        value = self.compact()
        if value * least_bytes > len(self._raw) - self._at:
            raise MalformedTransaction("ends too early")
        return value

    def string(self) -> bytes:
        """A compact size and that many bytes."""
        return self.take(self.compact())

    def finish(self) -> None:
        """Raise ``MalformedTransaction`` when bytes are left over."""
        if not self.at_end:
            raise MalformedTransaction("bytes left over behind the end")


def compact_size(value: int) -> bytes:
    """``value`` as Bitcoin's variable-length integer, shortest form."""
    if value < 0xFD:
        return bytes([value])
    if value <= 0xFFFF:
        return b"\xfd" + value.to_bytes(2, "little")
    if value <= 0xFFFFFFFF:
        return b"\xfe" + value.to_bytes(4, "little")
    return b"\xff" + value.to_bytes(8, "little")


def read_items(reader: Reader) -> tuple[bytes, ...]:
    """A witness stack: a count and that many strings."""
    return tuple(reader.string() for _ in range(reader.count(1)))


def write_items(items: Sequence[bytes]) -> bytes:
    """A witness stack as bytes."""
    return compact_size(len(items)) + b"".join(compact_size(len(item)) + item for item in items)


def write_output(output: TransactionOutput) -> bytes:
    """An output as bytes, as ``witness_utxo`` fields hold it (BIP-174)."""
    return output.amount_sat.to_bytes(8, "little") + compact_size(len(output.script_pubkey)) + output.script_pubkey


def parse_output(raw: bytes) -> TransactionOutput:
    """Read exactly one output. Raises ``MalformedTransaction``."""
    reader = Reader(raw)
    output = _read_output(reader)
    reader.finish()
    return output


def _witness_bytes(threshold: int, members: int) -> int:
    script_bytes = 3 + 34 * members
    items = 1 + threshold * (1 + SIGNATURE_BYTES) + len(compact_size(script_bytes)) + script_bytes
    return len(compact_size(threshold + 2)) + items


def _read_input(reader: Reader) -> TransactionInput:
    txid = reader.take(32)[::-1].hex()
    vout = reader.integer(4)
    script_sig = reader.string()
    return TransactionInput(txid, vout, script_sig, reader.integer(4))


def _read_output(reader: Reader) -> TransactionOutput:
    amount_sat = reader.integer(8)
    if amount_sat > MAX_MONEY_SAT:
        raise MalformedTransaction("an amount above 21 million bitcoin")
    return TransactionOutput(amount_sat, reader.string())


def _with_witness(entry: TransactionInput, witness: tuple[bytes, ...]) -> TransactionInput:
    return TransactionInput(entry.txid, entry.vout, entry.script_sig, entry.sequence, witness)
