"""What the bytes of a Bitcoin spend say. Amounts are satoshi."""

from __future__ import annotations

from typing import Final

from custody.chains.bitcoin.offline.address import address_of
from custody.chains.bitcoin.offline.descriptor import BranchDescriptor
from custody.chains.bitcoin.offline.members import parse_member
from custody.chains.bitcoin.offline.network import network
from custody.chains.bitcoin.offline.psbt import Psbt, check_input_amounts, parse_psbt
from custody.chains.bitcoin.offline.screens import coins_screen
from custody.chains.decoding import Decoded, Paid
from custody.evidence.keysets import Keyset
from custody.kernel.errors import InvalidInput

_SIGHASH_ALL: Final = (None, 1)


def decoded_coins(unsigned: str, *, keyset: Keyset, chain: str, branch: int, change_index: int | None) -> Decoded:
    """Outputs in order, and which of them the keyset's branch derives again. Raises ``CustodyError``."""
    where = network(chain)
    psbt = parse_psbt(unsigned, network=where)
    own = b""
    if change_index is not None:
        keys = tuple(parse_member(each.account_key, network=where) for each in keyset.cosigners)
        descriptor = BranchDescriptor(keyset.threshold, keys, branch, where, keyset.layout)
        own = descriptor.derive(change=True, index=change_index).script_pubkey
    outputs = tuple(
        Paid(address_of(each.script_pubkey, where), where.asset.id, each.amount_sat, each.script_pubkey == own)
        for each in psbt.outputs
    )
    fee, change = _fee(psbt), sum(each.units for each in outputs if each.own)
    paid = [(each.address, each.units) for each in outputs if not each.own]
    return Decoded(
        spend=psbt.txid,
        operation=_sighash(psbt),
        outputs=outputs,
        fee_units=fee,
        hashes=(("transaction (txid)", psbt.txid),),
        screens=(coins_screen(paid, fee_sat=fee, change_sat=change, asset=where.asset),),
    )


def _fee(psbt: Psbt) -> int:
    """What no output takes, of inputs that each prove their amount. Raises ``PsbtRefused``."""
    check_input_amounts(psbt)
    return sum(each.amount_sat or 0 for each in psbt.inputs) - sum(each.amount_sat for each in psbt.outputs)


def _sighash(psbt: Psbt) -> str:
    if any(each.sighash_type not in _SIGHASH_ALL for each in psbt.inputs):
        raise InvalidInput("an input asks for another sighash type than ALL", field="psbt")
    return "SIGHASH_ALL on every input: each signature covers every input and every output"
