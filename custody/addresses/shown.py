"""A deposit address as programs are shown it."""

from __future__ import annotations

from typing import Any

from custody.addresses.model import DepositAddress
from custody.kernel.shown import account_id, when


def address_view(address: DepositAddress, chain: str) -> dict[str, Any]:
    """A deposit address on ``chain``, and its place in the vault."""
    return {
        "address": address.address,
        "account": account_id(chain, address.address),
        "chain": chain,
        "client": address.client,
        "vault": address.vault,
        "index": address.index,
        "issued_at": when(address.issued_at),
    }
