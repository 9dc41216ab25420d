"""Signatures in a PSBT: which count, which of a cosigner's answer we take, and putting them together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from custody.chains.bitcoin.offline.ecdsa import is_strict_der, verify_message
from custody.chains.bitcoin.offline.psbt import maps
from custody.chains.bitcoin.offline.psbt.maps import Fields, PsbtMaps, key_of
from custody.chains.bitcoin.offline.psbt.view import Psbt, PsbtRefused
from custody.chains.bitcoin.offline.script import read_multisig
from custody.chains.bitcoin.offline.sighash import ALL
from custody.kernel.errors import Refused


class SignatureRefused(Refused):
    """A cosigner's answer is not a signature over what we asked for.

    ``facts["reason"]`` is one of ``changed-transaction``, ``missing-signature``, ``wrong-sighash``,
    ``bad-encoding``, ``does-not-verify``, ``foreign-key``; ``facts["input"]`` the input it is about, if one.
    """

    code = "signature-refused"


def verified_signatures(*, ours: Psbt, returned: Psbt, pubkeys: Sequence[bytes]) -> dict[int, bytes]:
    """What one cosigner's answer adds: input index to DER signature with its sighash byte, for every input.

    ``pubkeys`` are the keys we derived for that cosigner, one per input. The unsigned transaction must be ours
    byte for byte; each signature strict DER with low s, of sighash type ALL, and valid over *our* digest.
    Signatures of other cosigners in the answer are not looked at; one by a stranger refuses it. Raises
    ``SignatureRefused``.
    """
    if returned.unsigned_transaction != ours.unsigned_transaction:
        raise SignatureRefused("the transaction was changed", reason="changed-transaction")
    if len(pubkeys) != len(ours.inputs):
        raise ValueError("one public key for each input")
    return {index: _verified(ours, returned, index, pubkey) for index, pubkey in enumerate(pubkeys)}


def count_valid_signatures(psbt: Psbt) -> list[int]:
    """For each input, how many keys of its multisig script have a valid signature of type ALL.

    Works for ``wsh``, ``sh(wsh)`` and ``sh``; inputs of other kinds, foreign and invalid signatures count 0.
    """
    return [len(valid_signatures(psbt, index)) for index in range(len(psbt.inputs))]


def valid_signatures(psbt: Psbt, index: int) -> dict[bytes, bytes]:
    """Public key to signature for the valid signatures of one multisig input, in script order."""
    try:
        multisig = read_multisig(psbt.script_code(index)[0])
    except PsbtRefused:
        return {}
    if multisig is None:
        return {}
    given = psbt.inputs[index].partial_signatures
    present = [pubkey for pubkey in dict.fromkeys(multisig.pubkeys) if pubkey in given]
    return {pubkey: given[pubkey] for pubkey in present if _is_valid(psbt, index, pubkey, given[pubkey])}


def add_signatures(
    psbt: Psbt, *, pubkeys: Sequence[bytes] | Mapping[int, bytes], signatures: Mapping[int, bytes]
) -> Psbt:
    """``psbt`` with ``signatures[i]`` under ``pubkeys[i]`` on each input ``i``; adding one twice changes nothing.

    Raises ``SignatureRefused`` for a signature that is not valid there, or by a key its script does not hold.
    """
    fields = list(psbt.maps.inputs)
    for index, signature in signatures.items():
        _expect_valid(psbt, index, pubkeys[index], signature)
        merged = {**fields[index], key_of(maps.IN_PARTIAL_SIGNATURE, pubkeys[index]): signature}
        fields[index] = dict(sorted(merged.items()))
    return Psbt(replace(psbt.maps, inputs=tuple(fields)))


def combine(first: Psbt, second: Psbt) -> Psbt:
    """Both PSBTs' fields in one (BIP-174 combiner), the first's before the second's.

    Raises ``PsbtRefused`` when they are of different transactions, or say different things of one field.
    """
    if first.unsigned_transaction != second.unsigned_transaction:
        raise PsbtRefused("of another transaction", field="psbt")
    return Psbt(
        PsbtMaps(
            first.maps.unsigned,
            _union(first.maps.shared, second.maps.shared),
            tuple(map(_union, first.maps.inputs, second.maps.inputs)),
            tuple(map(_union, first.maps.outputs, second.maps.outputs)),
        )
    )


def _verified(ours: Psbt, returned: Psbt, index: int, pubkey: bytes) -> bytes:
    given = returned.inputs[index]
    if given.sighash_type not in (None, ALL):
        raise SignatureRefused("asks for another sighash type than ALL", reason="wrong-sighash", input=index)
    members = _members(ours, index)
    if any(signer not in members for signer in given.partial_signatures):
        raise SignatureRefused("signed by a key that is no cosigner's", reason="foreign-key", input=index)
    signature = given.partial_signatures.get(pubkey)
    if signature is None:
        raise SignatureRefused("the cosigner's signature is missing", reason="missing-signature", input=index)
    _expect_valid(ours, index, pubkey, signature)
    return signature


def _expect_valid(psbt: Psbt, index: int, pubkey: bytes, signature: bytes) -> None:
    if pubkey not in _members(psbt, index):
        raise SignatureRefused("signed by a key that is no cosigner's", reason="foreign-key", input=index)
    if not is_strict_der(signature[:-1]):
        raise SignatureRefused("not strict DER with low s", reason="bad-encoding", input=index)
    if signature[-1] != ALL:
        raise SignatureRefused("signed with another sighash type than ALL", reason="wrong-sighash", input=index)
    if not verify_message(pubkey, psbt.sighash(index), signature[:-1]):
        raise SignatureRefused("does not verify over this transaction", reason="does-not-verify", input=index)


def _is_valid(psbt: Psbt, index: int, pubkey: bytes, signature: bytes) -> bool:
    return signature[-1] == ALL and verify_message(pubkey, psbt.sighash(index), signature[:-1])


def _members(psbt: Psbt, index: int) -> tuple[bytes, ...]:
    multisig = read_multisig(psbt.script_code(index)[0])
    return multisig.pubkeys if multisig else ()


def _union(first: Fields, second: Fields) -> Fields:
    if any(first.get(key, value) != value for key, value in second.items()):
        raise PsbtRefused("the two contradict each other", field="psbt")
    return {**first, **second}
