"""What beat rings, and how often. A ring that finds no worker in time is dropped: the next one comes."""

from __future__ import annotations

from typing import Any

from config.settings import Settings


def schedule(settings: Settings) -> dict[str, dict[str, Any]]:
    """Task name to interval, as Celery's beat reads it."""
    every = {
        "chain.scan": settings.scan_seconds,
        "withdrawals.rebroadcast": 30,
        "housekeeping": 30,
        "reconciliation.run": settings.reconcile_seconds,
        "reconciliation.ranged": 86_400,
        "restore.replay": 10,
    }
    return {
        name: {"task": name, "schedule": float(seconds), "options": {"expires": max(seconds, 2)}}
        for name, seconds in every.items()
    }
