"""Breaks: those that stand by age, those that were settled, and one of them told three times."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from custody.evidence import fields
from custody.kernel.money import Asset
from custody.reconciliation import queries
from custody.stops import queries as stops
from custody.trust.assets import KnownAssets, assets_seen
from custody.views import cursors
from custody.views.objects import asset_view, money, when

STATES: Final = ("open", "settled")
_COLUMNS: Final = """
    SELECT b.id, b.vault_id, b.asset, b.check_name, b.expected, b.found, b.detail, b.opened_at, r.resolution,
      r.resolved_at, r.digest
    FROM breaks b LEFT JOIN break_resolutions r ON r.break_id = b.id
"""
# The longest open stands first, the last settled stands first: each where a person begins to read.
_OPEN: Final = f"{_COLUMNS} WHERE r.break_id IS NULL"
_OPEN_FIRST: Final = text(f"{_OPEN} ORDER BY b.opened_at, b.id LIMIT :limit")
_SETTLED: Final = f"{_COLUMNS} WHERE r.break_id IS NOT NULL"
_PAGES: Final = {
    ("open", False): _OPEN_FIRST,
    ("open", True): text(f"{_OPEN} AND (b.opened_at, b.id) > (:at, :id) ORDER BY b.opened_at, b.id LIMIT :limit"),
    ("settled", False): text(f"{_SETTLED} ORDER BY r.resolved_at DESC, b.id DESC LIMIT :limit"),
    ("settled", True): text(
        f"{_SETTLED} AND (r.resolved_at, b.id) < (:at, :id) ORDER BY r.resolved_at DESC, b.id DESC LIMIT :limit"
    ),
}
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


def break_list(
    session: Session, *, state: str = "open", after: str | None = None, limit: int | None = None
) -> dict[str, Any]:
    """A page of breaks that are ``open``, the oldest first, or ``settled``, the last one first. Raises
    ``InvalidInput``.
    """
    fields.one_of(state, STATES, field="state")
    listing = f"breaks:{state}"
    most, begin = cursors.limit(limit), cursors.read(after, listing, 2)
    key = {} if begin is None else {"at": cursors.moment(begin[0]), "id": begin[1]}
    rows = session.execute(_PAGES[state, begin is not None], {**key, "limit": most + 1}).all()
    assets, last = assets_seen(session), rows[:most][-1:]
    return {
        "breaks": [break_view(row, assets) for row in rows[:most]],
        "next": cursors.written(listing, cursors.of_moment(_moment(last[0], state)), last[0].id)
        if len(rows) > most
        else None,
    }


def open_ones(session: Session, assets: KnownAssets, *, limit: int) -> list[dict[str, Any]]:
    """The oldest open breaks."""
    return [break_view(row, assets) for row in session.execute(_OPEN_FIRST, {"limit": limit})]


def whole_break(session: Session, *, break_id: str) -> dict[str, Any]:
    """One break as the run that found it saw it: chain, index and books of its vault, and what is stopped for it.

    Raises ``UnknownBreak``.
    """
    found, assets = queries.get_break(session, break_id=break_id), assets_seen(session)
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
    """A break as a list shows it. Raises ``AssetUnknown``."""
    asset = assets.of(row.asset)
    return {
        "id": row.id,
        "vault": row.vault_id,
        "asset": asset_view(asset),
        "check": row.check_name,
        "difference": money(int(row.found) - int(row.expected), asset),
        "detail": row.detail,
        "opened_at": when(row.opened_at),
        "resolution": row.resolution,
        "resolved_at": when(row.resolved_at),
        "resolved_by": row.digest,
    }


def _moment(row: Row[Any], state: str) -> Any:
    return row.opened_at if state == "open" else row.resolved_at


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
