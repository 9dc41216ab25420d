"""From enough signatures to the transaction a node takes (BIP-174 finaliser and extractor)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from custody.chains.bitcoin.offline.psbt import maps
from custody.chains.bitcoin.offline.psbt.maps import Fields, key_of
from custody.chains.bitcoin.offline.psbt.signatures import valid_signatures
from custody.chains.bitcoin.offline.psbt.view import Psbt, PsbtRefused
from custody.chains.bitcoin.offline.script import push, read_multisig
from custody.chains.bitcoin.offline.transaction import (
    Reader,
    Transaction,
    TransactionInput,
    read_items,
    write_items,
)
from custody.kernel.errors import Refused

_SPENT: frozenset[int] = frozenset(range(maps.IN_PARTIAL_SIGNATURE, maps.IN_DERIVATION + 1))


class NotFinal(Refused):
    """A quorum of valid signatures is missing. ``facts`` has the input, ``have`` and ``need``."""

    code = "psbt-not-final"


@dataclass(frozen=True, slots=True)
class FinalTransaction:
    """A fully signed transaction, ready to broadcast."""

    raw: bytes
    txid: str
    wtxid: str
    vsize: int
    weight: int
    fee_sat: int


def finalize(psbt: Psbt) -> FinalTransaction:
    """The signed transaction, from the first m valid signatures in script order on each input.

    Signatures that do not verify, are of another type than ALL or by a key the script does not hold are not
    counted. Raises ``NotFinal`` when an input has fewer than m, or is of a kind we do not finalise.
    """
    return extract(finalize_inputs(psbt))


def finalize_inputs(psbt: Psbt) -> Psbt:
    """``psbt`` with final scripts in place of signatures, scripts and key origins (BIP-174). Raises ``NotFinal``."""
    inputs = tuple(_finalized(psbt, index) for index in range(len(psbt.inputs)))
    return Psbt(replace(psbt.maps, inputs=inputs))


def extract(psbt: Psbt) -> FinalTransaction:
    """The transaction of a finalised PSBT.

    Raises ``NotFinal`` when an input has no final script, ``PsbtRefused`` when an input's amount is not stated.
    """
    entries = map(_signed_input, psbt.maps.unsigned.inputs, psbt.maps.inputs, range(len(psbt.inputs)))
    signed = Transaction(psbt.version, tuple(entries), psbt.maps.unsigned.outputs, psbt.locktime)
    return FinalTransaction(signed.raw, signed.txid, signed.wtxid, signed.vsize, signed.weight, psbt.fee_sat)


def _finalized(psbt: Psbt, index: int) -> Fields:
    fields = psbt.maps.inputs[index]
    if _is_final(fields):
        return fields
    script, is_segwit = _script_code(psbt, index)
    stack = [b"", *_quorum(psbt, index, script), script]
    final = (
        _segwit_fields(psbt, index, stack)
        if is_segwit
        else {key_of(maps.IN_FINAL_SCRIPT_SIG): b"".join(map(push, stack))}
    )
    kept = {key: value for key, value in fields.items() if key[0] not in _SPENT}
    return dict(sorted({**kept, **final}.items()))


def _script_code(psbt: Psbt, index: int) -> tuple[bytes, bool]:
    try:
        return psbt.script_code(index)
    except PsbtRefused as error:
        raise NotFinal(error.message, input=index, have=0, need=1) from error


def _segwit_fields(psbt: Psbt, index: int, stack: Sequence[bytes]) -> dict[bytes, bytes]:
    fields = {key_of(maps.IN_FINAL_WITNESS): write_items(stack)}
    redeem_script = psbt.inputs[index].redeem_script
    if redeem_script is not None:
        fields[key_of(maps.IN_FINAL_SCRIPT_SIG)] = push(redeem_script)
    return fields


def _quorum(psbt: Psbt, index: int, script: bytes) -> list[bytes]:
    multisig = read_multisig(script)
    if multisig is None:
        raise NotFinal("not a multisig input", input=index, have=0, need=1)
    valid = list(valid_signatures(psbt, index).values())
    if len(valid) < multisig.threshold:
        raise NotFinal(
            f"input {index} has {len(valid)} of {multisig.threshold} signatures",
            input=index,
            have=len(valid),
            need=multisig.threshold,
        )
    return valid[: multisig.threshold]


def _is_final(fields: Fields) -> bool:
    return key_of(maps.IN_FINAL_SCRIPT_SIG) in fields or key_of(maps.IN_FINAL_WITNESS) in fields


def _signed_input(entry: TransactionInput, fields: Fields, index: int) -> TransactionInput:
    if not _is_final(fields):
        raise NotFinal(f"input {index} is not finalised", input=index)
    witness = fields.get(key_of(maps.IN_FINAL_WITNESS))
    items = read_items(Reader(witness)) if witness is not None else ()
    return replace(entry, script_sig=fields.get(key_of(maps.IN_FINAL_SCRIPT_SIG), b""), witness=items)
