"""The console's routes, an area each. A page asks for one thing, shows it, and posts one answer."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter

from custody.api.console.routes import (
    addresses,
    books,
    clients,
    destinations,
    freezes,
    intents,
    invitations,
    live,
    machinery,
    movements,
    notices,
    operators,
    passkeys,
    policy,
    queue,
    requests,
    settings,
    sign_in,
    static,
    webhooks,
)

ROUTERS: Final[tuple[APIRouter, ...]] = (
    static.router,
    live.router,
    sign_in.router,
    invitations.router,
    settings.router,
    queue.router,
    intents.router,
    movements.router,
    passkeys.router,
    clients.router,
    addresses.router,
    books.router,
    machinery.router,
    requests.router,
    policy.router,
    operators.router,
    destinations.router,
    freezes.router,
    webhooks.router,
    notices.router,
)
"""Every area of the console. A new area adds a line."""
