"""What beat rings, and how often. A ring that finds no worker in time is dropped: the next one comes."""

from __future__ import annotations

from typing import Any

from config.settings import Settings


def schedule(settings: Settings) -> dict[str, dict[str, Any]]:
    """Entry to task and interval, as Celery's beat reads it; what follows a chain is rung for each by itself."""
    house = {"housekeeping": 30, "notices.tell": 15, "restore.replay": 10}
    each_chain = {
        "chain.scan": settings.scan_seconds,
        "withdrawals.rebroadcast": 30,
        "reconciliation.run": settings.reconcile_seconds,
        "reconciliation.ranged": 86_400,
        "assets.check": 3_600,
    }
    found = {name: _entry(name, seconds) for name, seconds in house.items()}
    for network in settings.networks:
        for name, seconds in each_chain.items():
            found[f"{name} {network}"] = {**_entry(name, seconds), "kwargs": {"chain": network}}
    return found


def _entry(name: str, seconds: int) -> dict[str, Any]:
    return {"task": name, "schedule": float(seconds), "options": {"expires": max(seconds, 2)}}
