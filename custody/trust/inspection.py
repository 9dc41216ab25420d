"""Asking the chains whether registered assets are what they are registered as: ask first, then write."""

from __future__ import annotations

from typing import Final

from custody.audit import operations as audit
from custody.chains.inspecting import Inspect, Inspected
from custody.db import Database
from custody.trust.assets import assets_of

ALARM: Final = "asset-in-doubt"


def inspect_assets(database: Database, inspect: Inspect, *, chain: str) -> tuple[Inspected, ...]:
    """Ask about every asset registered on the chain; one that is not what it is registered as raises one alarm.

    Raises ``NodeUnavailable``; then nothing is written.
    """
    with database.unit() as unit:
        registered = assets_of(unit.session, chain=chain)
    found = tuple(inspect(asset) for asset in registered)
    doubtful = [item for item in found if not item.is_sound]
    if doubtful:
        with database.unit() as unit:
            for item in doubtful:
                audit.raise_alarm(
                    unit.session,
                    kind=ALARM,
                    subject=item.asset.id,
                    step="inspected",
                    why=f"{item.asset.code} {'; '.join(item.problems)}",
                    now=unit.now,
                )
    return found
