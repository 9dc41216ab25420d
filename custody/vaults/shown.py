"""A vault as programs are shown it."""

from __future__ import annotations

from typing import Any

from custody.kernel.shown import when
from custody.vaults.model import Vault


def vault_view(vault: Vault) -> dict[str, Any]:
    """A vault and whether it may spend."""
    return {
        "id": vault.id,
        "chain": vault.chain,
        "kind": vault.kind,
        "frozen_reason": vault.frozen_reason,
        "reconciled_height": vault.reconciled_height,
        "reconciled_at": when(vault.reconciled_at),
    }
