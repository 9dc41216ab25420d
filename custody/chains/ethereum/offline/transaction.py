"""Transactions as they are signed and relayed: legacy (EIP-155), with an access list (EIP-2930), with a base fee
(EIP-1559). Read to know sender, hash and what was said; nothing here signs. Amounts and fees are wei, gas is gas.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from custody.chains.ethereum.offline import rlp
from custody.chains.ethereum.offline.abi import MAX_DATA_BYTES
from custody.chains.ethereum.offline.address import checksum_address
from custody.chains.ethereum.offline.ecdsa import recover_address
from custody.chains.ethereum.offline.keccak import keccak
from custody.chains.ethereum.offline.rlp import Item, MalformedRlp, decode_number
from custody.kernel.errors import InvalidInput

MAX_NONCE: Final = 2**64 - 2
"""The highest nonce a transaction can have (EIP-2681)."""

_NAMES: Final = {3: "a blob transaction (EIP-4844)", 4: "a transaction that sets code (EIP-7702)"}
_LEGACY_FIELDS: Final = 9
_TYPED_FIELDS: Final = {1: 11, 2: 12}


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """A transaction with its signature checked."""

    kind: int
    """0 legacy, 1 with an access list, 2 with a base fee."""
    chain_id: int | None
    """``None`` for a legacy transaction from before EIP-155, which any chain takes."""
    nonce: int
    max_fee_per_gas: int
    """The gas price of kinds 0 and 1."""
    max_priority_fee_per_gas: int
    gas_limit: int
    to: str | None
    """``None`` when it creates a contract."""
    value: int
    data: bytes
    sender: str
    hash: bytes


def decode_transaction(raw: bytes, *, field: str = "transaction") -> SignedTransaction:
    """Read one signed transaction. Raises ``InvalidInput`` for a kind we do not know by name, for RLP that is not in
    its shortest form, and for a signature that no key made or whose s is in its upper half (EIP-2).
    """
    if len(raw) > MAX_DATA_BYTES:
        raise InvalidInput(f"longer than {MAX_DATA_BYTES} bytes", field=field)
    if not raw:
        raise InvalidInput("no bytes", field=field)
    try:
        if raw[0] >= 0xC0:
            return _legacy(_list(rlp.decode(raw), _LEGACY_FIELDS), raw)
        fields = _TYPED_FIELDS.get(raw[0])
        if fields is None:
            raise MalformedRlp(_NAMES.get(raw[0], f"a transaction of unknown type {raw[0]}"))
        return _typed(raw[0], _list(rlp.decode(raw[1:]), fields), raw)
    except MalformedRlp as error:
        raise InvalidInput(f"not a transaction we read: {error}", field=field) from error


def _legacy(items: Sequence[Item], raw: bytes) -> SignedTransaction:
    v = decode_number(items[6], bits=256)
    if v in (27, 28):
        chain_id, parity, signed = None, v - 27, list(items[:6])
    elif v >= 37:
        chain_id, parity = (v - 35) // 2, (v - 35) % 2
        signed = [*items[:6], rlp.encode_number(chain_id), b"", b""]
    else:
        raise MalformedRlp(f"v is {v}; accepted is 27, 28, or 35 and more with a chain id (EIP-155)")
    price = decode_number(items[1], bits=256)
    return SignedTransaction(
        0, chain_id, _nonce(items[0]), price, price, decode_number(items[2], bits=64), _to(items[3]),
        decode_number(items[4], bits=256), _string(items[5]),
        _sender(rlp.encode(signed), items[7], items[8], parity), keccak(raw),
    )  # fmt: skip


def _typed(kind: int, items: Sequence[Item], raw: bytes) -> SignedTransaction:
    chain_id, nonce, priority = decode_number(items[0], bits=256), _nonce(items[1]), decode_number(items[2], bits=256)
    rest = list(items[3:] if kind == 1 else items[4:])
    fee = priority if kind == 1 else decode_number(items[3], bits=256)
    if priority > fee:
        raise MalformedRlp("a priority fee above the whole fee (EIP-1559)")
    gas_limit, to, value, data, access_list, parity, r, s = rest
    _expect_access_list(access_list)
    signed = bytes([kind]) + rlp.encode(list(items[:-3]))
    return SignedTransaction(
        kind, chain_id, nonce, fee, priority, decode_number(gas_limit, bits=64), _to(to),
        decode_number(value, bits=256), _string(data),
        _sender(signed, r, s, decode_number(parity, bits=8)), keccak(raw),
    )  # fmt: skip


def _sender(signed: bytes, r: Item, s: Item, parity: int) -> str:
    numbers = decode_number(r, bits=256), decode_number(s, bits=256)
    sender = recover_address(keccak(signed), r=numbers[0], s=numbers[1], parity=parity)
    if sender is None:
        raise MalformedRlp("a signature that no key made, or with s in its upper half")
    return sender


def _nonce(item: Item) -> int:
    nonce = decode_number(item, bits=64)
    if nonce > MAX_NONCE:
        raise MalformedRlp("a nonce above the highest (EIP-2681)")
    return nonce


def _to(item: Item) -> str | None:
    if not isinstance(item, bytes) or len(item) not in (0, 20):
        raise MalformedRlp("a recipient that is no address")
    return checksum_address(item) if item else None


def _string(item: Item) -> bytes:
    if not isinstance(item, bytes):
        raise MalformedRlp("a list where bytes belong")
    return item


def _list(item: Item, length: int) -> list[Item]:
    if not isinstance(item, list) or len(item) != length:
        raise MalformedRlp(f"not a list of {length} fields")
    return item


def _expect_access_list(item: Item) -> None:
    if not isinstance(item, list):
        raise MalformedRlp("an access list that is none (EIP-2930)")
    for entry in item:
        address, keys = _list(entry, 2)
        if len(_string(address)) != 20 or not isinstance(keys, list) or any(len(_string(key)) != 32 for key in keys):
            raise MalformedRlp("an access list that is none (EIP-2930)")
