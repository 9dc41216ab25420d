"""Making a PSBT: a vault's coins in, payments and the vault's own change out. The same values give the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from custody.chains.bitcoin.offline.derivation import DerivedScript
from custody.chains.bitcoin.offline.descriptor import BranchDescriptor
from custody.chains.bitcoin.offline.network import Network
from custody.chains.bitcoin.offline.psbt import maps
from custody.chains.bitcoin.offline.psbt.maps import MAX_INPUTS, MAX_OUTPUTS, PsbtMaps, key_of
from custody.chains.bitcoin.offline.psbt.reading import MAX_PSBT_BYTES
from custody.chains.bitcoin.offline.psbt.view import Psbt, write_origin
from custody.chains.bitcoin.offline.sighash import ALL
from custody.chains.bitcoin.offline.transaction import (
    MAX_MONEY_SAT,
    MalformedTransaction,
    Transaction,
    TransactionInput,
    TransactionOutput,
    parse_transaction,
    write_output,
)
from custody.kernel.errors import InvalidInput

TRANSACTION_VERSION: Final = 2
REPLACEABLE_SEQUENCE: Final = 0xFFFFFFFD
"""Signals replacement (BIP-125) and lets the lock time count."""


@dataclass(frozen=True, slots=True)
class SpendInput:
    """One coin of a vault: the outpoint, its whole previous transaction, and where in the vault it lies."""

    txid: str
    vout: int
    amount_sat: int
    previous_transaction: bytes
    descriptor: BranchDescriptor
    change: bool
    index: int


@dataclass(frozen=True, slots=True)
class PayOutput:
    """One output. ``own`` (descriptor and index on its change chain) marks the vault's own change."""

    script_pubkey: bytes
    amount_sat: int
    own: tuple[BranchDescriptor, int] | None = None


def compose(*, inputs: Sequence[SpendInput], outputs: Sequence[PayOutput], network: Network, locktime: int = 0) -> Psbt:
    """A PSBT of version 0 that spends ``inputs`` into ``outputs``, both in the order given.

    Transaction version 2, every input replaceable, sighash ALL recorded; both kinds of UTXO field, witness
    scripts and key origins on inputs and on change. Raises ``InvalidInput`` when an input is not what its
    previous transaction and descriptor say, an output called ours is not, or the outputs exceed the inputs.
    """
    _expect_counts(inputs, outputs)
    if any(coin.descriptor.network != network for coin in inputs):
        raise InvalidInput(f"a coin of another network than {network.name}", field="inputs")
    if sum(output.amount_sat for output in outputs) > sum(coin.amount_sat for coin in inputs):
        raise InvalidInput("outputs are more than inputs", field="outputs")
    unsigned = Transaction(
        TRANSACTION_VERSION,
        tuple(TransactionInput(coin.txid, coin.vout, b"", REPLACEABLE_SEQUENCE) for coin in inputs),
        tuple(TransactionOutput(output.amount_sat, output.script_pubkey) for output in outputs),
        locktime,
    )
    return _psbt(unsigned, inputs, outputs)


def _psbt(unsigned: Transaction, inputs: Sequence[SpendInput], outputs: Sequence[PayOutput]) -> Psbt:
    shared = {key_of(maps.GLOBAL_UNSIGNED): unsigned.stripped}
    psbt = Psbt(PsbtMaps(unsigned, shared, tuple(map(_input, inputs)), tuple(map(_output, outputs))))
    if len(psbt.raw) > MAX_PSBT_BYTES:
        raise InvalidInput(f"a PSBT of {len(psbt.raw)} bytes; accepted is {MAX_PSBT_BYTES}", field="inputs")
    return psbt


def _expect_counts(inputs: Sequence[SpendInput], outputs: Sequence[PayOutput]) -> None:
    if not 1 <= len(inputs) <= MAX_INPUTS:
        raise InvalidInput(f"{len(inputs)} inputs; accepted is 1 to {MAX_INPUTS}", field="inputs")
    if not 1 <= len(outputs) <= MAX_OUTPUTS:
        raise InvalidInput(f"{len(outputs)} outputs; accepted is 1 to {MAX_OUTPUTS}", field="outputs")
    if len({(coin.txid, coin.vout) for coin in inputs}) != len(inputs):
        raise InvalidInput("the same coin twice", field="inputs")
    if any(type(output.amount_sat) is not int or not 0 < output.amount_sat <= MAX_MONEY_SAT for output in outputs):
        raise InvalidInput("an output of no amount, or of more than 21 million bitcoin", field="outputs")


def _input(coin: SpendInput) -> dict[bytes, bytes]:
    derived = coin.descriptor.derive(change=coin.change, index=coin.index)
    spent = TransactionOutput(coin.amount_sat, derived.script_pubkey)
    _expect_spent(coin, spent)
    fields = {
        key_of(maps.IN_PREVIOUS): coin.previous_transaction,
        key_of(maps.IN_WITNESS_UTXO): write_output(spent),
        key_of(maps.IN_SIGHASH): ALL.to_bytes(4, "little"),
        key_of(maps.IN_WITNESS_SCRIPT): derived.witness_script,
        **_derivations(maps.IN_DERIVATION, coin.descriptor, derived),
    }
    return dict(sorted(fields.items()))


def _expect_spent(coin: SpendInput, spent: TransactionOutput) -> None:
    try:
        previous = parse_transaction(coin.previous_transaction)
    except MalformedTransaction as error:
        raise InvalidInput(f"a previous transaction that is none: {error}", field="inputs") from error
    if previous.txid != coin.txid or coin.vout >= len(previous.outputs):
        raise InvalidInput("a previous transaction that does not hold the coin", field="inputs")
    if previous.outputs[coin.vout] != spent:
        raise InvalidInput("a coin whose amount or script is not what its previous transaction says", field="inputs")


def _output(output: PayOutput) -> dict[bytes, bytes]:
    if output.own is None:
        return {}
    descriptor, index = output.own
    derived = descriptor.derive(change=True, index=index)
    if derived.script_pubkey != output.script_pubkey:
        raise InvalidInput("an output called ours that is not this vault's change", field="outputs")
    fields = {
        key_of(maps.OUT_WITNESS_SCRIPT): derived.witness_script,
        **_derivations(maps.OUT_DERIVATION, descriptor, derived),
    }
    return dict(sorted(fields.items()))


def _derivations(kind: int, descriptor: BranchDescriptor, derived: DerivedScript) -> dict[bytes, bytes]:
    origins = descriptor.origins(change=derived.change, index=derived.index)
    return {key_of(kind, pubkey): write_origin(origin) for pubkey, origin in origins.items()}
