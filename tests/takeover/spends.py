"""What is to be signed, as a JSON document and back: so that its bytes are changed field by field like everything else.

A document that has no bytes (an amount below zero, a script that is no hex) gives ``None``: nobody can send it.
"""

from __future__ import annotations

import base64
import json
from typing import Any

from custody.chains.bitcoin.offline.psbt import parse_psbt
from custody.chains.bitcoin.offline.psbt.maps import GLOBAL_UNSIGNED, PsbtMaps, key_of
from custody.chains.bitcoin.offline.transaction import Transaction, TransactionInput, TransactionOutput
from custody.kernel.canonical import canonical_json

Document = dict[str, Any]


def opened(unsigned: str, chain: str) -> Document:
    """The spend's fields."""
    return json.loads(unsigned) if chain.startswith("eip155:") else _opened_psbt(unsigned)


def closed(document: Any, chain: str) -> str | None:
    """The spend's text as a bundle carries it; ``None`` where no bytes say that."""
    try:
        return canonical_json(document).decode() if chain.startswith("eip155:") else _closed_psbt(document)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, IndexError):
        return None


def _opened_psbt(unsigned: str) -> Document:
    maps = parse_psbt(unsigned).maps
    tx = maps.unsigned
    return {
        "version": tx.version,
        "lock_time": tx.locktime,
        "shared": _fields({key: value for key, value in maps.shared.items() if key != key_of(GLOBAL_UNSIGNED)}),
        "inputs": [
            {"txid": entry.txid, "vout": entry.vout, "sequence": entry.sequence, "fields": _fields(fields)}
            for entry, fields in zip(tx.inputs, maps.inputs, strict=True)
        ],
        "outputs": [
            {"amount": output.amount_sat, "script": output.script_pubkey.hex(), "fields": _fields(fields)}
            for output, fields in zip(tx.outputs, maps.outputs, strict=True)
        ],
    }


def _closed_psbt(document: Document) -> str:
    tx = Transaction(
        document["version"],
        tuple(TransactionInput(each["txid"], each["vout"], b"", each["sequence"]) for each in document["inputs"]),
        tuple(TransactionOutput(each["amount"], bytes.fromhex(each["script"])) for each in document["outputs"]),
        document["lock_time"],
    )
    shared = {key_of(GLOBAL_UNSIGNED): tx.stripped, **_bytes(document["shared"])}
    inputs = tuple(_bytes(each["fields"]) for each in document["inputs"])
    outputs = tuple(_bytes(each["fields"]) for each in document["outputs"])
    return base64.b64encode(PsbtMaps(tx, shared, inputs, outputs).serialize()).decode()


def _fields(fields: Any) -> dict[str, str]:
    return {key.hex(): value.hex() for key, value in fields.items()}


def _bytes(fields: dict[str, str]) -> dict[bytes, bytes]:
    return {bytes.fromhex(key): bytes.fromhex(value) for key, value in fields.items()}
