"""A client as programs are shown it."""

from __future__ import annotations

from typing import Any

from custody.clients.queries import Client
from custody.kernel.clock import rfc3339


def client_view(client: Client) -> dict[str, Any]:
    """Who it is and whether it may act."""
    return {
        "id": client.id,
        "name": client.name,
        "segregation": client.segregation,
        "status": client.status,
        "status_reason": client.status_reason,
        "reason": client.status_reason,
        "next_actor": "nobody" if client.status in ("active", "closed") else "operators",
        "expires_at": None,
        "opening": client.opening,
        "opened_at": rfc3339(client.opened_at),
    }
