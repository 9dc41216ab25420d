"""What the transaction does: every input and change output derived again, every payment matched one to one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from custody.chains.bitcoin.offline.descriptor import BranchDescriptor, DerivedScript
from custody.chains.bitcoin.offline.fees import FeeOverCap, check_fee
from custody.chains.bitcoin.offline.keys import parse_path
from custody.chains.bitcoin.offline.psbt import InputView, OutputView, Psbt, check_input_amounts, parse_psbt
from custody.chains.bitcoin.offline.transaction import estimate_vsize
from custody.cosigner.fee_shares import fee_shares
from custody.cosigner.judgement import JudgedPayment
from custody.cosigner.limits import Limits
from custody.cosigner.reasons import CosignerRefusal, Reason
from custody.cosigner.standing import Myself, account_keys, expect_ours
from custody.evidence.intents import VaultName
from custody.evidence.trust_root import TrustRoot
from custody.kernel.errors import InvalidInput

MAX_INDEX: Final = 1_000_000
"""Highest address index signed for: beyond it, a restore from the descriptor alone might not find the coins."""
SIGHASH_ALL: Final = 1
_NO_RELATIVE_LOCK: Final = 0xFFFFFFFD

Origins = Mapping[bytes, tuple[str, tuple[int, ...]]]


@dataclass(frozen=True, slots=True)
class SigningInput:
    """An input of our vault, and which of our keys signs it."""

    index: int
    outpoint: tuple[str, int]
    amount_sat: int
    path: tuple[int, int, int]
    """Branch, chain (0 receive, 1 change) and index below our account key."""
    pubkey: bytes


@dataclass(frozen=True, slots=True)
class Effect:
    """What a transaction was proved to do. All amounts in satoshi."""

    psbt: Psbt
    vault: VaultName
    inputs: tuple[SigningInput, ...]
    paid_sat: int
    change_sat: int
    fee_sat: int
    vsize: int


def read_transaction(text: str, me: Myself) -> Psbt:
    """The PSBT, if it is one that may be looked at further. Raises ``CosignerRefusal``."""
    try:
        psbt = parse_psbt(text, network=me.network)
    except InvalidInput as error:
        raise CosignerRefusal(Reason.PSBT_MALFORMED, str(error)) from error
    if psbt.locktime or any(view.sequence < _NO_RELATIVE_LOCK for view in psbt.inputs):
        raise CosignerRefusal(Reason.TIME_LOCKED, "the transaction has a lock time or a relative lock")
    for place, view in enumerate(psbt.inputs):
        if view.sighash_type not in (None, SIGHASH_ALL):
            raise CosignerRefusal(Reason.SIGHASH_NOT_ALL, f"input {place} asks for sighash type {view.sighash_type}")
    try:
        check_input_amounts(psbt)
    except (InvalidInput, ValueError) as error:
        raise CosignerRefusal(Reason.INPUT_AMOUNT_UNPROVEN, str(error)) from error
    return psbt


def check_effect(
    psbt: Psbt, payments: Sequence[JudgedPayment], *, root: TrustRoot, limits: Limits, me: Myself
) -> Effect:
    """Prove that ``psbt`` does what ``payments`` ask and nothing else, in one vault. Raises ``CosignerRefusal``."""
    descriptor = _vault(payments, root, me)
    inputs = tuple(_check_input(place, view, descriptor, me) for place, view in enumerate(psbt.inputs))
    change_sat = _check_outputs(psbt.outputs, payments, descriptor, me)
    paid_sat = sum(payment.request.amount for payment in payments)
    effect = Effect(
        psbt=psbt,
        vault=payments[0].intent.vault,
        inputs=inputs,
        paid_sat=paid_sat,
        change_sat=change_sat,
        fee_sat=sum(entry.amount_sat for entry in inputs) - paid_sat - change_sat,
        vsize=_vsize(psbt, descriptor),
    )
    _check_fee(effect, payments, limits)
    return effect


def _vault(payments: Sequence[JudgedPayment], root: TrustRoot, me: Myself) -> BranchDescriptor:
    vault = payments[0].intent.vault
    if any(payment.intent.vault != vault for payment in payments):
        raise CosignerRefusal(Reason.VAULT_NOT_THE_CLIENTS, "the payments come out of different vaults")
    keyset = root.keyset(vault.keyset)
    if keyset is None:
        raise CosignerRefusal(Reason.KEYSET_NOT_OURS, f"the trust root has no keyset {vault.keyset}")
    try:
        keys = account_keys(keyset, me.network)
        expect_ours(keyset, me)
    except InvalidInput as error:
        raise CosignerRefusal(Reason.KEYSET_NOT_OURS, str(error)) from error
    return BranchDescriptor(keyset.threshold, keys, vault.branch, me.network)


def _check_input(place: int, view: InputView, descriptor: BranchDescriptor, me: Myself) -> SigningInput:
    found = _derive_again(view.derivations, descriptor, me)
    if found is None:
        raise CosignerRefusal(Reason.INPUT_NOT_OURS, f"input {place} names no key of ours on this vault's branch")
    derived, pubkey = found
    scripts = (view.script_pubkey, view.witness_script, view.redeem_script)
    if scripts != (derived.script_pubkey, derived.witness_script, None) or view.amount_sat is None:
        raise CosignerRefusal(Reason.INPUT_NOT_OURS, f"input {place} is not the vault's address at that path")
    path = (descriptor.branch, int(derived.change), derived.index)
    return SigningInput(place, (view.txid, view.vout), view.amount_sat, path, pubkey)


def _derive_again(origins: Origins, descriptor: BranchDescriptor, me: Myself) -> tuple[DerivedScript, bytes] | None:
    place = descriptor.keys.index(me.account_key)
    trunk = (*parse_path(me.account_key.path, field="path"), descriptor.branch)
    for pubkey, (fingerprint, path) in origins.items():
        if fingerprint != me.account_key.fingerprint or path[:-2] != trunk:
            continue
        chain, index = path[-2:]
        if chain not in (0, 1) or index > MAX_INDEX:
            continue
        derived = descriptor.derive(change=chain == 1, index=index)
        if derived.pubkeys[place] == pubkey:
            return derived, pubkey
    return None


def _check_outputs(
    outputs: Sequence[OutputView], payments: Sequence[JudgedPayment], descriptor: BranchDescriptor, me: Myself
) -> int:
    left = list(outputs)
    for payment in payments:
        wanted = (payment.destination.script_pubkey, payment.request.amount)
        paying = next((output for output in left if (output.script_pubkey, output.amount_sat) == wanted), None)
        if paying is None:
            raise CosignerRefusal(
                Reason.PAYMENT_MISSING,
                f"no output of its own pays {payment.request.amount} sat to {payment.destination.address}",
            )
        left.remove(paying)
    for output in left:
        _expect_change(output, descriptor, me)
    if len(left) > 1:
        raise CosignerRefusal(Reason.CHANGE_TWICE, f"{len(left)} outputs are change")
    return sum(output.amount_sat for output in left)


def _expect_change(output: OutputView, descriptor: BranchDescriptor, me: Myself) -> None:
    found = _derive_again(output.derivations, descriptor, me)
    if found is None or not found[0].change or found[0].script_pubkey != output.script_pubkey:
        raise CosignerRefusal(
            Reason.CHANGE_NOT_OURS, f"an output of {output.amount_sat} sat is neither asked for nor this vault's change"
        )


def _vsize(psbt: Psbt, descriptor: BranchDescriptor) -> int:
    return estimate_vsize(
        inputs=len(psbt.inputs),
        threshold=descriptor.threshold,
        members=len(descriptor.keys),
        output_scripts=[output.script_pubkey for output in psbt.outputs],
    )


def _check_fee(effect: Effect, payments: Sequence[JudgedPayment], limits: Limits) -> None:
    caps = limits.fee_caps
    try:
        check_fee(fee_sat=effect.fee_sat, vsize=effect.vsize, paid_sat=effect.paid_sat, caps=caps, ceiling_sat=None)
    except FeeOverCap as error:
        raise CosignerRefusal(Reason.FEE_OVER_CAP, error.message) from error
    scripts = [payment.destination.script_pubkey for payment in payments]
    shares = fee_shares(fee_sat=effect.fee_sat, vsize=effect.vsize, output_scripts=scripts)
    for share_sat, payment in zip(shares, payments, strict=True):
        if share_sat > payment.request.max_fee:
            raise CosignerRefusal(
                Reason.FEE_OVER_CEILING,
                f"a fee of {share_sat} sat for {payment.request.client}, who allows {payment.request.max_fee} sat",
            )
