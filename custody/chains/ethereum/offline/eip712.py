"""EIP-712: the hash of typed data, for any types; and EIP-191, the hash of a plain message.

Typed data comes as wallets exchange it (``eth_signTypedData_v4``): ``types``, ``primaryType``, ``domain`` and
``message``, with numbers as integers or decimal texts and bytes as ``0x`` hex. What is missing, not declared or out of
range is refused, never filled in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from custody.chains.ethereum.offline.address import address_bytes
from custody.chains.ethereum.offline.keccak import keccak
from custody.kernel.errors import InvalidInput

DOMAIN: Final = "EIP712Domain"
MAX_DEPTH: Final = 16

Types = Mapping[str, Sequence[Mapping[str, str]]]

_ARRAY: Final = re.compile(r"(.+)\[([1-9][0-9]{0,5})?\]", re.ASCII)
_NUMBER: Final = re.compile(r"(u?)int([1-9][0-9]{0,2})", re.ASCII)
_FIXED_BYTES: Final = re.compile(r"bytes([1-9][0-9]?)", re.ASCII)
_DECIMAL: Final = re.compile(r"-?(0|[1-9][0-9]{0,77})", re.ASCII)
_HEX: Final = re.compile(r"0x([0-9a-fA-F]{2})*", re.ASCII)
_NAME: Final = re.compile(r"[A-Za-z_$][0-9A-Za-z_$]*", re.ASCII)


def typed_data_digest(typed_data: Mapping[str, Any]) -> bytes:
    """The 32 bytes that are signed: keccak of ``19 01``, the domain separator and the message's hash.

    Raises ``InvalidInput`` naming the part of ``typed_data`` that is wrong.
    """
    try:
        types, primary = typed_data["types"], typed_data["primaryType"]
        domain, message = typed_data["domain"], typed_data["message"]
    except (KeyError, TypeError) as error:
        raise InvalidInput("accepted is types, primaryType, domain and message", field="typed_data") from error
    separator = hash_struct(DOMAIN, domain, types)
    if primary == DOMAIN:
        return keccak(b"\x19\x01" + separator)
    return typed_digest(separator, hash_struct(primary, message, types))


def typed_digest(domain_separator: bytes, struct_hash: bytes) -> bytes:
    """The digest of a message whose two halves are known."""
    return keccak(b"\x19\x01" + domain_separator + struct_hash)


def message_digest(message: bytes) -> bytes:
    """The digest of a plain message (EIP-191, ``personal_sign``): its length in decimal is part of it."""
    return keccak(b"\x19Ethereum Signed Message:\n" + str(len(message)).encode("ascii") + message)


def hash_struct(name: str, value: Any, types: Types) -> bytes:
    """Keccak of the type's hash and the encoded fields. Raises ``InvalidInput``."""
    return keccak(encode_struct(name, value, types))


def type_hash(name: str, types: Types) -> bytes:
    """Keccak of ``encode_type``."""
    return keccak(encode_type(name, types).encode("utf-8"))


def encode_type(name: str, types: Types) -> str:
    """``Mail(Person from,Person to,string contents)Person(string name,address wallet)``: others sorted behind."""
    needed: set[str] = set()
    _collect(name, types, needed)
    return "".join(_signature(struct, types) for struct in (name, *sorted(needed - {name})))


def encode_struct(name: str, value: Any, types: Types, *, depth: int = 0) -> bytes:
    """The type's hash and one word per field. Raises ``InvalidInput`` for a field missing or not declared."""
    fields = _fields(name, types)
    declared = [field["name"] for field in fields]
    if not isinstance(value, Mapping) or set(value) != set(declared):
        raise InvalidInput(f"not the fields of {name}; accepted are exactly {', '.join(declared)}", field=name)
    words = [_encode(field["type"], value[field["name"]], types, f"{name}.{field['name']}", depth) for field in fields]
    return type_hash(name, types) + b"".join(words)


def _signature(name: str, types: Types) -> str:
    members = [f"{field['type']} {field['name']}" for field in _fields(name, types)]
    return f"{name}({','.join(members)})"


def _encode(kind: str, value: Any, types: Types, field: str, depth: int) -> bytes:
    if depth > MAX_DEPTH:
        raise InvalidInput(f"nested more than {MAX_DEPTH} deep", field=field)
    array = _ARRAY.fullmatch(kind)
    if array:
        return _encode_array(array[1], array[2], value, types, field, depth)
    if kind in types:
        return keccak(encode_struct(kind, value, types, depth=depth + 1))
    if kind == "string":
        if not isinstance(value, str):
            raise InvalidInput("not a string", field=field)
        return keccak(_utf8(value, field))
    if kind == "bytes":
        return keccak(_bytes(value, field))
    return _encode_atom(kind, value, field)


def _encode_array(kind: str, length: str | None, value: Any, types: Types, field: str, depth: int) -> bytes:
    if not isinstance(value, (list, tuple)) or (length and len(value) != int(length)):
        raise InvalidInput(f"not a list{f' of {length}' if length else ''}", field=field)
    return keccak(
        b"".join(_encode(kind, item, types, f"{field}[{place}]", depth + 1) for place, item in enumerate(value))
    )


def _encode_atom(kind: str, value: Any, field: str) -> bytes:
    if kind == "address":
        return bytes(12) + address_bytes(value, field=field)
    if kind == "bool":
        if not isinstance(value, bool):
            raise InvalidInput("not true or false", field=field)
        return int(value).to_bytes(32, "big")
    fixed = _FIXED_BYTES.fullmatch(kind)
    if fixed and int(fixed[1]) <= 32:
        data = _bytes(value, field)
        if len(data) != int(fixed[1]):
            raise InvalidInput(f"not {fixed[1]} bytes", field=field)
        return data.ljust(32, b"\0")
    number = _NUMBER.fullmatch(kind)
    if number and int(number[2]) <= 256 and int(number[2]) % 8 == 0:
        return _encode_number(_integer(value, field), int(number[2]), signed=not number[1], field=field)
    raise InvalidInput(f"no such type: {kind}", field=field)


def _encode_number(value: int, bits: int, *, signed: bool, field: str) -> bytes:
    low, high = (-(1 << bits - 1), 1 << bits - 1) if signed else (0, 1 << bits)
    if not low <= value < high:
        raise InvalidInput(f"not within {bits} bits", field=field)
    return (value % (1 << 256)).to_bytes(32, "big")


def _integer(value: Any, field: str) -> int:
    if type(value) is int:
        return value
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        return int(value)
    raise InvalidInput("not an integer or its decimal digits", field=field)


def _bytes(value: Any, field: str) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, str) and _HEX.fullmatch(value):
        return bytes.fromhex(value[2:])
    raise InvalidInput("not bytes in hex with 0x", field=field)


def _utf8(value: str, field: str) -> bytes:
    try:
        return value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InvalidInput("not valid Unicode", field=field) from error


def _fields(name: str, types: Types) -> Sequence[Mapping[str, str]]:
    try:
        fields = types[name]
        names = [field["name"] for field in fields]
        kinds = [field["type"] for field in fields]
    except (KeyError, TypeError) as error:
        raise InvalidInput(f"the type {name} is not declared", field="types") from error
    if len(set(names)) != len(names) or not all(isinstance(text, str) for text in (*names, *kinds)):
        raise InvalidInput(f"the type {name} has a field twice, or one without a name", field="types")
    if not all(_NAME.fullmatch(text) for text in (name, *names)):
        raise InvalidInput(f"the type {name} has a name that is none", field="types")
    return fields


def _collect(name: str, types: Types, found: set[str]) -> None:
    if name in found:
        return
    found.add(name)
    for field in _fields(name, types):
        kind = field["type"].partition("[")[0]
        if kind in types:
            _collect(kind, types, found)
