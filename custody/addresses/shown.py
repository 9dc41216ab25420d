"""A deposit address as programs are shown it."""

from __future__ import annotations

from typing import Any

from custody.addresses.model import DepositAddress
from custody.kernel.shown import when


def address_view(address: DepositAddress) -> dict[str, Any]:
    """A deposit address and its place in the vault."""
    return {
        "address": address.address,
        "client": address.client,
        "vault": address.vault,
        "index": address.index,
        "issued_at": when(address.issued_at),
    }
