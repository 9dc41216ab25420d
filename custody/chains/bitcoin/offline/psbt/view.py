"""A PSBT as a value: what it spends, what it pays, and the digests its signatures sign."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from custody.chains.bitcoin.offline.psbt import maps
from custody.chains.bitcoin.offline.psbt.maps import Fields, PsbtMaps, key_of, of_kind
from custody.chains.bitcoin.offline.script import p2sh_script, p2wsh_script
from custody.chains.bitcoin.offline.sighash import legacy_sighash, segwit_sighash
from custody.chains.bitcoin.offline.transaction import (
    TransactionInput,
    TransactionOutput,
    parse_output,
    parse_transaction,
)
from custody.kernel.errors import InvalidInput

Origin = tuple[str, tuple[int, ...]]
"""Master fingerprint (eight hex digits) and path, 2**31 added to hardened steps."""


class PsbtRefused(InvalidInput):
    """Not a PSBT we take: malformed, of another version or network, too large, or contradicting itself."""

    code = "psbt-refused"


@dataclass(frozen=True, slots=True)
class InputView:
    """One input as the PSBT states it. Nothing here is proved: see ``check_input_amounts``."""

    txid: str
    vout: int
    sequence: int
    amount_sat: int | None
    """``None`` while the PSBT does not say what it spends."""
    script_pubkey: bytes | None
    redeem_script: bytes | None
    witness_script: bytes | None
    sighash_type: int | None
    partial_signatures: Mapping[bytes, bytes]
    """Public key to DER signature with its sighash byte."""
    derivations: Mapping[bytes, Origin]
    previous_transaction: bytes | None

    @property
    def outpoint(self) -> str:
        """``txid:vout``."""
        return f"{self.txid}:{self.vout}"


@dataclass(frozen=True, slots=True)
class OutputView:
    """One output, and what the PSBT claims about whose it is."""

    amount_sat: int
    script_pubkey: bytes
    witness_script: bytes | None
    derivations: Mapping[bytes, Origin]


@dataclass(frozen=True)
class Psbt:
    """A PSBT of version 0 that was accepted or composed here. Made by ``parse_psbt`` and ``compose``."""

    maps: PsbtMaps

    @cached_property
    def base64(self) -> str:
        """Its text form, byte for byte what ``raw`` is."""
        return base64.b64encode(self.raw).decode()

    @cached_property
    def raw(self) -> bytes:
        """Its bytes."""
        return self.maps.serialize()

    @property
    def unsigned_transaction(self) -> bytes:
        """The unsigned transaction's bytes."""
        return self.maps.unsigned.stripped

    @property
    def txid(self) -> str:
        """Of the unsigned transaction; final when every input is segwit, as a vault's always is."""
        return self.maps.unsigned.txid

    @property
    def version(self) -> int:
        """The transaction's version."""
        return self.maps.unsigned.version

    @property
    def locktime(self) -> int:
        """The transaction's lock time."""
        return self.maps.unsigned.locktime

    @cached_property
    def inputs(self) -> tuple[InputView, ...]:
        """In transaction order."""
        return tuple(map(_input_view, self.maps.unsigned.inputs, self.maps.inputs))

    @cached_property
    def outputs(self) -> tuple[OutputView, ...]:
        """In transaction order."""
        return tuple(map(_output_view, self.maps.unsigned.outputs, self.maps.outputs))

    @property
    def fee_sat(self) -> int:
        """Sum of inputs less sum of outputs. Raises ``PsbtRefused`` when an input's amount is not stated,
        or the outputs are more than the inputs.
        """
        fee = sum(self.spent(index).amount_sat for index in range(len(self.inputs)))
        fee -= sum(output.amount_sat for output in self.outputs)
        if fee < 0:
            raise PsbtRefused("its outputs are more than its inputs", field="psbt")
        return fee

    def spent(self, index: int) -> TransactionOutput:
        """The output that input ``index`` spends, as stated. Raises ``PsbtRefused`` when it is not."""
        view = self.inputs[index]
        if view.amount_sat is None or view.script_pubkey is None:
            raise PsbtRefused(f"input {index} does not say what it spends", field="psbt")
        return TransactionOutput(view.amount_sat, view.script_pubkey)

    def sighash(self, index: int) -> bytes:
        """The digest, sighash type ALL, that signatures of multisig input ``index`` sign.

        BIP-143 for ``wsh`` and ``sh(wsh)``, the original algorithm for ``sh``. Raises ``PsbtRefused`` when the
        scripts do not hash to the output they spend, or the input is of no such kind.
        """
        script_code, is_segwit = self.script_code(index)
        known = self._digests.get(index)
        if known is None:
            known = self._compute(index, script_code, is_segwit)
            self._digests[index] = known
        return known

    def script_code(self, index: int) -> tuple[bytes, bool]:
        """The multisig script that input ``index`` is signed over, and whether as segwit.

        Raises ``PsbtRefused`` when the scripts given do not lead to the output that is spent.
        """
        view, spent = self.inputs[index], self.spent(index)
        if view.witness_script is not None:
            program = p2wsh_script(view.witness_script)
            expected = program if view.redeem_script is None else p2sh_script(program)
            if expected != spent.script_pubkey or view.redeem_script not in (None, program):
                raise PsbtRefused(f"input {index}: witness script does not match the output it spends", field="psbt")
            return view.witness_script, True
        if view.redeem_script is None:
            raise PsbtRefused(f"input {index} has no multisig script", field="psbt")
        if p2sh_script(view.redeem_script) != spent.script_pubkey:
            raise PsbtRefused(f"input {index}: redeem script does not match the output it spends", field="psbt")
        if view.previous_transaction is None:
            raise PsbtRefused(f"input {index} is not segwit and lacks its previous transaction", field="psbt")
        return view.redeem_script, False

    @cached_property
    def _digests(self) -> dict[int, bytes]:
        return {}

    def _compute(self, index: int, script_code: bytes, is_segwit: bool) -> bytes:
        if not is_segwit:
            return legacy_sighash(self.unsigned_transaction, index=index, script_code=script_code)
        amount_sat = self.spent(index).amount_sat
        return segwit_sighash(self.unsigned_transaction, index=index, script_code=script_code, amount_sat=amount_sat)


def check_input_amounts(psbt: Psbt) -> None:
    """Raise ``PsbtRefused`` unless every input proves what it spends.

    Each must carry its whole previous transaction, whose txid is the outpoint's and whose output is exactly
    the one the input states (CVE-2020-14199: a BIP-143 signature commits to one input's amount only).
    """
    for index, (view, fields) in enumerate(zip(psbt.inputs, psbt.maps.inputs, strict=True)):
        if view.previous_transaction is None:
            raise PsbtRefused(f"input {index} lacks its previous transaction", field="psbt")
        previous = parse_transaction(view.previous_transaction)
        if previous.txid != view.txid:
            raise PsbtRefused(f"input {index}: its previous transaction is another one", field="psbt")
        if view.vout >= len(previous.outputs):
            raise PsbtRefused(f"input {index}: its previous transaction has no such output", field="psbt")
        stated = fields.get(key_of(maps.IN_WITNESS_UTXO))
        if stated is not None and parse_output(stated) != previous.outputs[view.vout]:
            raise PsbtRefused(f"input {index}: amount or script differ from its previous transaction", field="psbt")


def read_origin(value: bytes) -> Origin:
    """A BIP-32 derivation field's value: fingerprint and path."""
    steps = tuple(int.from_bytes(value[at : at + 4], "little") for at in range(4, len(value), 4))
    return value[:4].hex(), steps


def write_origin(origin: Origin) -> bytes:
    """A derivation field's value from fingerprint and path."""
    fingerprint, steps = origin
    return bytes.fromhex(fingerprint) + b"".join(step.to_bytes(4, "little") for step in steps)


def _input_view(entry: TransactionInput, fields: Fields) -> InputView:
    spent = _spent_output(entry, fields)
    sighash = fields.get(key_of(maps.IN_SIGHASH))
    return InputView(
        txid=entry.txid,
        vout=entry.vout,
        sequence=entry.sequence,
        amount_sat=spent.amount_sat if spent else None,
        script_pubkey=spent.script_pubkey if spent else None,
        redeem_script=fields.get(key_of(maps.IN_REDEEM_SCRIPT)),
        witness_script=fields.get(key_of(maps.IN_WITNESS_SCRIPT)),
        sighash_type=None if sighash is None else int.from_bytes(sighash, "little"),
        partial_signatures=of_kind(fields, maps.IN_PARTIAL_SIGNATURE),
        derivations=_origins(of_kind(fields, maps.IN_DERIVATION)),
        previous_transaction=fields.get(key_of(maps.IN_PREVIOUS)),
    )


def _spent_output(entry: TransactionInput, fields: Fields) -> TransactionOutput | None:
    stated, previous = fields.get(key_of(maps.IN_WITNESS_UTXO)), fields.get(key_of(maps.IN_PREVIOUS))
    if stated is not None:
        return parse_output(stated)
    if previous is None:
        return None
    transaction = parse_transaction(previous)
    if transaction.txid != entry.txid or entry.vout >= len(transaction.outputs):
        return None
    return transaction.outputs[entry.vout]


def _output_view(output: TransactionOutput, fields: Fields) -> OutputView:
    return OutputView(
        amount_sat=output.amount_sat,
        script_pubkey=output.script_pubkey,
        witness_script=fields.get(key_of(maps.OUT_WITNESS_SCRIPT)),
        derivations=_origins(of_kind(fields, maps.OUT_DERIVATION)),
    )


def _origins(fields: Mapping[bytes, bytes]) -> dict[bytes, Origin]:
    return {pubkey: read_origin(value) for pubkey, value in fields.items()}
