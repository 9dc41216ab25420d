"""Reconciliation: where each chain stands, the runs, the oldest breaks, and coverage over a month.

Coverage is what the node holds against what the books say it must hold, in millionths: 1 000 000 is every unit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from custody.kernel.money import Asset
from custody.trust.assets import KnownAssets, assets_seen
from custody.views import breaks, cursors
from custody.views.objects import asset_view, money, when

WHOLE: Final = 1_000_000
SPAN: Final = timedelta(days=30)
MOST_BREAKS: Final = 8
_LISTING: Final = "runs"

_NEWEST: Final = text(
    """
    SELECT DISTINCT ON (chain) id, chain, kind, height, hash, result, sums, started_at, finished_at
    FROM unnest(CAST(:chains AS text[])) AS asked (name)
    CROSS JOIN LATERAL (
      SELECT * FROM reconciliation_runs r WHERE r.chain = asked.name ORDER BY r.finished_at DESC, r.id DESC LIMIT 1
    ) AS newest ORDER BY chain
    """
)
_RUNS: Final = text(
    """
    SELECT id, chain, kind, height, hash, result, sums, started_at, finished_at FROM reconciliation_runs
    WHERE chain = ANY(:chains) AND (CAST(:at AS timestamptz) IS NULL OR (finished_at, id) < (:at, :id))
    ORDER BY finished_at DESC, id DESC LIMIT :limit
    """
)
# The last run of each day tells the day, and the last of its breaks where it had one.
_DAYS: Final = text(
    """
    SELECT DISTINCT ON (day, chain) date_trunc('day', finished_at AT TIME ZONE 'UTC') AS day, chain, height, result,
      sums, finished_at
    FROM reconciliation_runs WHERE chain = ANY(:chains) AND finished_at > :since
    ORDER BY day, chain, result = 'balanced', finished_at DESC
    """
)
_LAST_BREAK: Final = text("SELECT max(resolved_at) AS at FROM break_resolutions")


def reconciliation(
    session: Session, *, chains: Sequence[str], now: datetime, after: str | None = None, limit: int | None = None
) -> dict[str, Any]:
    """Everything the page of it shows; ``after`` turns the runs over, and nothing else. Raises ``InvalidInput``."""
    most, begin = cursors.limit(limit), cursors.read(after, _LISTING, 2)
    key = {"at": None, "id": ""} if begin is None else {"at": cursors.moment(begin[0]), "id": begin[1]}
    assets, named = assets_seen(session), {"chains": list(chains)}
    newest = {row.chain: row for row in session.execute(_NEWEST, named)}
    rows = session.execute(_RUNS, named | key | {"limit": most + 1}).all()
    found = breaks.open_ones(session, assets, limit=MOST_BREAKS + 1)
    last = rows[:most][-1:]
    return {
        "chains": [
            {"chain": chain, "run": _run(newest[chain], assets) if chain in newest else None} for chain in chains
        ],
        "breaks": found[:MOST_BREAKS],
        "more_breaks": len(found) > MOST_BREAKS,
        "last_resolved_at": when(session.execute(_LAST_BREAK).scalar_one()),
        "runs": [_run(row, assets) for row in rows[:most]],
        "next": cursors.written(_LISTING, cursors.of_moment(last[0].finished_at), last[0].id)
        if len(rows) > most
        else None,
        "coverage": coverage(session, chains=chains, now=now, assets=assets),
    }


def coverage(session: Session, *, chains: Sequence[str], now: datetime, assets: KnownAssets) -> list[dict[str, Any]]:
    """Of each asset a series over the last 30 days, a point a day: a day with a break shows its last break."""
    series: dict[str, list[dict[str, Any]]] = {}
    for row in session.execute(_DAYS, {"chains": list(chains), "since": now - SPAN}):
        for line in row.sums:
            series.setdefault(line["asset"], []).append(_point(row, line, assets.of(line["asset"])))
    return [{"asset": asset_view(assets.of(asset)), "points": points} for asset, points in sorted(series.items())]


def _run(row: Row[Any], assets: KnownAssets) -> dict[str, Any]:
    return {
        "id": row.id,
        "chain": row.chain,
        "kind": row.kind,
        "height": row.height,
        "hash": row.hash,
        "result": row.result,
        "started_at": when(row.started_at),
        "finished_at": when(row.finished_at),
        "sums": [_sum(line, assets.of(line["asset"])) for line in row.sums],
    }


def _sum(line: Mapping[str, str], asset: Asset) -> dict[str, Any]:
    parts = ("node", "books", "in_flight", "difference")
    told = {part: money(int(line[part]), asset) for part in parts}
    return {"asset": asset_view(asset), "vaults": int(line["vaults"]), "coverage": _millionths(line)} | told


def _point(row: Row[Any], line: Mapping[str, str], asset: Asset) -> dict[str, Any]:
    return {
        "day": f"{row.day:%Y-%m-%d}",
        "height": row.height,
        "result": row.result,
        "coverage": _millionths(line),
        "difference": money(int(line["difference"]), asset),
    }


def _millionths(line: Mapping[str, str]) -> int:
    """Rounded down, so that nothing short of whole looks whole; nothing owed is whole."""
    owed = int(line["books"]) + int(line["in_flight"])
    return WHOLE if owed <= 0 else int(line["node"]) * WHOLE // owed
