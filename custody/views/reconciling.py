"""Reconciliation: where each chain stands, the runs, the breaks by age, and coverage over a month.

Coverage is what the node holds against what the books say it must hold, in millionths: 1 000 000 is every unit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from custody.kernel.money import Asset
from custody.reconciliation import queries
from custody.stops import queries as stops
from custody.trust.assets import KnownAssets, known_assets
from custody.views import cursors
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
_OPEN: Final = text(
    """
    SELECT b.id, b.vault_id, b.asset, b.check_name, b.expected, b.found, b.detail, b.opened_at FROM breaks b
    WHERE NOT EXISTS (SELECT FROM break_resolutions r WHERE r.break_id = b.id)
    ORDER BY b.opened_at, b.id LIMIT :limit
    """
)
_LAST_BREAK: Final = text("SELECT max(resolved_at) AS at FROM break_resolutions")
_RUN_LINE: Final = text(
    """
    SELECT r.id, r.chain, r.kind, r.height, r.hash, r.finished_at, line
    FROM reconciliation_runs r
    LEFT JOIN LATERAL (
      SELECT line FROM jsonb_array_elements(r.totals -> 'assets') AS each
      CROSS JOIN LATERAL jsonb_array_elements(each -> 'vaults') AS line
      WHERE each ->> 'asset' = :asset AND line ->> 'vault' = :vault LIMIT 1
    ) AS told ON true
    WHERE r.id = :run
    """
)


def reconciliation(
    session: Session, *, chains: Sequence[str], now: datetime, after: str | None = None, limit: int | None = None
) -> dict[str, Any]:
    """Everything the page of it shows; ``after`` turns the runs over, and nothing else. Raises ``InvalidInput``."""
    most, begin = cursors.limit(limit), cursors.read(after, _LISTING, 2)
    key = {"at": None, "id": ""} if begin is None else {"at": cursors.moment(begin[0]), "id": begin[1]}
    assets, named = known_assets(session), {"chains": list(chains)}
    newest = {row.chain: row for row in session.execute(_NEWEST, named)}
    rows = session.execute(_RUNS, named | key | {"limit": most + 1}).all()
    found = session.execute(_OPEN, {"limit": MOST_BREAKS + 1}).all()
    last = rows[:most][-1:]
    return {
        "chains": [
            {"chain": chain, "run": _run(newest[chain], assets) if chain in newest else None} for chain in chains
        ],
        "breaks": [break_view(row, assets) for row in found[:MOST_BREAKS]],
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


def whole_break(session: Session, *, break_id: str) -> dict[str, Any]:
    """One break as the run that found it saw it: chain, index and books of its vault, and what is stopped for it.

    Raises ``UnknownBreak``.
    """
    found, assets = queries.get_break(session, break_id=break_id), known_assets(session)
    said, asset = found.said, assets.of(found.said.asset)
    named = {"run": found.run, "asset": said.asset, "vault": said.vault}
    run = session.execute(_RUN_LINE, named).one()
    return {
        "id": found.id,
        "vault": said.vault,
        "asset": asset_view(asset),
        "check": said.check,
        "expected": money(said.expected, asset),
        "found": money(said.found, asset),
        "difference": money(said.difference, asset),
        "detail": said.detail,
        "opened_at": when(found.opened_at),
        "resolution": found.resolution,
        "resolved_by": found.resolved_by,
        "run": {"id": run.id, "kind": run.kind, "height": run.height, "hash": run.hash, "at": when(run.finished_at)},
        "columns": _columns(run.line, asset),
        "stops": [each.to_json() for each in stops.standing(session, scope="vault", subject=said.vault)],
    }


def break_view(row: Row[Any], assets: KnownAssets) -> dict[str, Any]:
    """An open break as a list shows it. Raises ``AssetUnknown``."""
    asset = assets.of(row.asset)
    return {
        "id": row.id,
        "vault": row.vault_id,
        "asset": asset_view(asset),
        "check": row.check_name,
        "difference": money(int(row.found) - int(row.expected), asset),
        "detail": row.detail,
        "opened_at": when(row.opened_at),
    }


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


def _columns(line: Mapping[str, Any] | None, asset: Asset) -> dict[str, Any] | None:
    """Chain, index and books; None where the run did not tell this vault."""
    if line is None:
        return None
    flying = line.get("in_flight", [])
    return {
        "chain": {"node": money(int(line["node"]), asset)},
        "index": {"coins": money(int(line["coins"]), asset), "movements": money(int(line["movements"]), asset)},
        "books": {
            "ledger": money(int(line["ledger"]), asset),
            "suspense": money(int(line["suspense"]), asset),
            "in_flight": [
                {"kind": each["kind"], "subject": each["subject"], "amount": money(int(each["units"]), asset)}
                for each in flying
            ],
        },
        "difference": money(int(line["difference"]), asset),
    }
