"""What a signer's device shows of a spend that was proved, line by line, and what it leaves out.

Most devices show less than what is signed. Whoever signs with one compares these lines with its screen; what stands
under "not shown" can be compared nowhere but here. The hashes of a blind screen are computed here from the bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from custody.chains.ethereum.offline.address import ZERO
from custody.chains.ethereum.offline.known_calls import call_name
from custody.chains.ethereum.offline.safe_tx import CALL, SafeTx, domain_separator
from custody.chains.ethereum.offline.unsigned import UnsignedSafeTx
from custody.cosigner.craft import Effect
from custody.cosigner.crafts.bitcoin import BitcoinEffect
from custody.cosigner.crafts.ethereum import SafeEffect
from custody.cosigner.payments import JudgedPayment
from custody.evidence.codes import amount_in_words

_LOUD_FEE_PERCENT = 5
"""From this share of what is paid on, devices warn of the fee."""


@dataclass(frozen=True, slots=True)
class Screen:
    """One kind of device: its lines in its order, and what it does not show."""

    device: str
    lines: tuple[tuple[str, str], ...]
    hidden: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "device": self.device,
            "lines": [{"label": label, "value": value} for label, value in self.lines],
            "not_shown": list(self.hidden),
        }


def screens(effect: Effect, payments: Sequence[JudgedPayment]) -> list[Screen]:
    """Every kind of device that may sign this spend."""
    if isinstance(effect, SafeEffect):
        return [_clear(effect.unsigned), _blind(effect.unsigned)]
    if isinstance(effect, BitcoinEffect):
        return [_coins(effect, payments)]
    return []


def _coins(effect: BitcoinEffect, payments: Sequence[JudgedPayment]) -> Screen:
    lines = []
    for payment in payments:
        lines.append(("Amount", amount_in_words(payment.request.amount, payment.asset)))
        lines.append(("To", grouped(payment.payee.address)))
    lines.append(("Network fee", amount_in_words(effect.fee_sat, effect.fee_asset)))
    if effect.fee_sat * 100 >= effect.paid_sat * _LOUD_FEE_PERCENT:
        lines.append(("Warning", f"the fee is {_LOUD_FEE_PERCENT} % of what is paid or more"))
    hidden = ["whose money it is, and why"]
    if effect.change_sat:
        change = amount_in_words(effect.change_sat, effect.fee_asset)
        hidden.insert(0, f"change of {change}: the device compares it with the wallet that is registered in it")
    return Screen("device that signs PSBTs (vault registered in it)", tuple(lines), tuple(hidden))


def _clear(unsigned: UnsignedSafeTx) -> Screen:
    tx = unsigned.tx
    lines = (
        ("To", grouped(tx.to)),
        ("Value", f"{tx.value} wei"),
        ("Operation", "0 (call)" if tx.operation == CALL else "1 (delegate call)"),
        ("Data", _inner(tx)),
        ("Gas amount", str(tx.base_gas)),
        ("Gas price", str(tx.gas_price)),
        ("Gas receiver", "none" if tx.refund_receiver == ZERO else grouped(tx.refund_receiver)),
    )
    hidden = [f"nonce {tx.nonce}", f"safeTxGas {tx.safe_tx_gas}"]
    if tx.operation != CALL:
        hidden.append("who is paid: the payments of a batch are packed bytes to it")
    return Screen("Ledger with the public Safe descriptor (ERC-7730)", lines, tuple(hidden))


def _blind(unsigned: UnsignedSafeTx) -> Screen:
    domain = domain_separator(network=unsigned.network, safe=unsigned.safe)
    lines = (
        ("Domain hash", grouped("0x" + domain.hex())),
        ("Message hash", grouped("0x" + unsigned.tx.struct_hash.hex())),
    )
    return Screen("device that shows hashes only", lines, ("everything else: compare both hashes whole",))


def _inner(tx: SafeTx) -> str:
    if not tx.data:
        return "none"
    return f"{call_name(tx.data)}, {len(tx.data)} bytes"


def grouped(text: str) -> str:
    """An address or hash in groups of four; what says only what it is (``0x``, ``bc1q``) stands apart."""
    lowered = text.lower()
    parts = lowered.partition("1") if not lowered.startswith("0x") and lowered[:2] in ("bc", "tb") else None
    start = len(parts[0]) + 2 if parts else (2 if lowered.startswith("0x") else 0)
    groups = [text[place : place + 4] for place in range(start, len(text), 4)]
    return " ".join([text[:start], *groups] if start else groups)
