"""The digest that an input's signature signs: BIP-143 for segwit, the original one for P2SH.

Two libraries compute it, embit and python-bitcoinlib; unless they agree there is no digest.
"""

from __future__ import annotations

from typing import Final

from bitcoin.core import CTransaction
from bitcoin.core.script import SIGVERSION_WITNESS_V0, CScript, SignatureHash
from embit.script import Script
from embit.transaction import Transaction as EmbitTransaction

from custody.chains.bitcoin.offline.foreign import ForeignRefusal, foreign
from custody.kernel.errors import Broken

ALL: Final = 1
"""The only sighash type we sign or accept: every input and every output."""


class DigestMismatch(Broken):
    """Two libraries compute different digests for one input, or one of them cannot: nothing is signed."""

    code = "digest-mismatch"


def segwit_sighash(
    unsigned: bytes, *, index: int, script_code: bytes, amount_sat: int, sighash_type: int = ALL
) -> bytes:
    """BIP-143 digest of input ``index`` of an unsigned transaction. Raises ``DigestMismatch``."""
    try:
        first = foreign(lambda: _embit_segwit(unsigned, index, script_code, amount_sat, sighash_type))
        second = foreign(lambda: _bitcoinlib_segwit(unsigned, index, script_code, amount_sat, sighash_type))
    except ForeignRefusal as error:
        raise DigestMismatch("a library cannot compute the digest", input=index) from error
    return _agreed(first, second, index)


def legacy_sighash(unsigned: bytes, *, index: int, script_code: bytes, sighash_type: int = ALL) -> bytes:
    """The digest of a P2SH input ``index`` of an unsigned transaction. Raises ``DigestMismatch``."""
    try:
        first = foreign(lambda: _embit_legacy(unsigned, index, script_code, sighash_type))
        second = foreign(lambda: _bitcoinlib_legacy(unsigned, index, script_code, sighash_type))
    except ForeignRefusal as error:
        raise DigestMismatch("a library cannot compute the digest", input=index) from error
    return _agreed(first, second, index)


def _agreed(first: bytes, second: bytes, index: int) -> bytes:
    if first != second or len(first) != 32:
        raise DigestMismatch("two libraries compute different digests", input=index)
    return first


def _embit_segwit(unsigned: bytes, index: int, script_code: bytes, amount_sat: int, sighash_type: int) -> bytes:
    return bytes(EmbitTransaction.parse(unsigned).sighash_segwit(index, Script(script_code), amount_sat, sighash_type))


def _bitcoinlib_segwit(unsigned: bytes, index: int, script_code: bytes, amount_sat: int, sighash_type: int) -> bytes:
    transaction = CTransaction.deserialize(unsigned)
    script = CScript(script_code)
    return bytes(
        SignatureHash(script, transaction, index, sighash_type, amount=amount_sat, sigversion=SIGVERSION_WITNESS_V0)
    )


def _embit_legacy(unsigned: bytes, index: int, script_code: bytes, sighash_type: int) -> bytes:
    return bytes(EmbitTransaction.parse(unsigned).sighash_legacy(index, Script(script_code), sighash_type))


def _bitcoinlib_legacy(unsigned: bytes, index: int, script_code: bytes, sighash_type: int) -> bytes:
    return bytes(SignatureHash(CScript(script_code), CTransaction.deserialize(unsigned), index, sighash_type))
