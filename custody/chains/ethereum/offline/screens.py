"""What devices show of a SafeTx. The hashes of a blind screen are computed here from the bytes."""

from __future__ import annotations

from custody.chains.ethereum.offline.address import ZERO
from custody.chains.ethereum.offline.known_calls import call_name
from custody.chains.ethereum.offline.safe_tx import CALL, SafeTx, domain_separator
from custody.chains.ethereum.offline.unsigned import UnsignedSafeTx
from custody.evidence.screens import Screen, grouped


def safe_screens(unsigned: UnsignedSafeTx) -> list[Screen]:
    """A device that reads it by the public descriptor, and one that shows hashes only."""
    return [_clear(unsigned), _blind(unsigned)]


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
