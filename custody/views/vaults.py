"""Keysets and vaults: who holds the keys and when each was last seen, what lies where, and what is stopped and why."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from custody.evidence.trust_root import TrustRoot
from custody.reconciliation import queries as breaks
from custody.stops import queries as stops
from custody.trust.assets import KnownAssets, assets_seen
from custody.vaults import queries as vaults
from custody.views import cursors
from custody.views.objects import asset_view, money, vault_view, when

_LISTING: Final = "vaults"
COUNTED_TO: Final = 1_000
"""Vaults of a keyset beyond this are not counted."""
NAMED: Final = 3
"""Clients of a pool that a list names."""
MOST_FROZEN: Final = 4
SHOWN: Final = 50
"""Clients of one vault that its page names."""

_KEYSETS: Final = text(
    """
    SELECT k.id, k.chain, k.threshold, k.descriptor_hash, k.registered_at, k.document -> 'cosigners' AS cosigners,
      (SELECT count(*) FROM (SELECT 1 FROM vaults v WHERE v.keyset_id = k.id LIMIT :limit) AS counted) AS vaults
    FROM keysets k ORDER BY k.registered_at, k.id
    """
)
# One look a cosigner into the newest end of an index, however many bundles there were.
_SEEN: Final = text(
    """
    SELECT who.name, (SELECT max(d.given_at) FROM bundle_deliveries d WHERE d.cosigner = who.name) AS given_at,
      q.reason AS quarantined
    FROM unnest(CAST(:cosigners AS text[])) AS who (name) LEFT JOIN quarantined_cosigners q ON q.cosigner = who.name
    """
)
_COLUMNS: Final = """
    SELECT v.id, v.keyset_id, v.chain, v.kind, v.frozen_reason, v.frozen_cause, v.frozen_at, v.reconciled_height,
      v.reconciled_at, v.opened_at,
      ARRAY(SELECT c.name FROM vault_members m JOIN clients c ON c.id = m.client_id WHERE m.vault_id = v.id
            ORDER BY m.since, m.client_id LIMIT :named) AS names
    FROM vaults v
"""
_PAGE: Final = text(_COLUMNS + "WHERE (v.opened_at, v.id) > (:opened_at, :id) ORDER BY v.opened_at, v.id LIMIT :limit")
_FIRST: Final = text(_COLUMNS + "ORDER BY v.opened_at, v.id LIMIT :limit")
_FROZEN: Final = text(_COLUMNS + "WHERE v.frozen_at IS NOT NULL ORDER BY v.frozen_at, v.id LIMIT :limit")
_MEMBERS: Final = text(
    """
    SELECT c.id, c.name, m.since FROM vault_members m JOIN clients c ON c.id = m.client_id
    WHERE m.vault_id = :vault ORDER BY m.since, m.client_id LIMIT :limit
    """
)
_FUNDS: Final = text(
    """
    SELECT owner, asset, -sum(balance) FILTER (WHERE kind = 'onchain') AS held,
      sum(balance) FILTER (WHERE kind = 'suspense') AS suspense
    FROM ledger_accounts WHERE owner = ANY(:vaults) AND kind IN ('onchain', 'suspense')
    GROUP BY owner, asset ORDER BY owner, asset
    """
)


def vault_list(
    session: Session, *, root: TrustRoot, after: str | None = None, limit: int | None = None
) -> dict[str, Any]:
    """One page of vaults, oldest first, with ``next`` where there are more; the first page has every keyset, and what
    is frozen before all others. Raises ``InvalidInput``.
    """
    most, begin = cursors.limit(limit), cursors.read(after, _LISTING, 2)
    chosen: dict[str, Any] = {"limit": most + 1, "named": NAMED + 1}
    if begin is None:
        rows = session.execute(_FIRST, chosen).all()
        frozen = session.execute(_FROZEN, chosen | {"limit": MOST_FROZEN + 1}).all()
    else:
        key = {"opened_at": cursors.moment(begin[0]), "id": begin[1]}
        rows, frozen = session.execute(_PAGE, chosen | key).all(), []
    shown, last = rows[:most], rows[:most][-1:]
    funds = _funds(session, {row.id for row in (*shown, *frozen)}, assets_seen(session))
    more = len(rows) > most
    return {
        "root_version": root.version,
        "keysets": keysets(session) if begin is None else [],
        "frozen": [_line(row, funds) for row in frozen[:MOST_FROZEN]],
        "more_frozen": len(frozen) > MOST_FROZEN,
        "vaults": [_line(row, funds) for row in shown],
        "next": cursors.written(_LISTING, cursors.of_moment(last[0].opened_at), last[0].id) if more else None,
    }


def keysets(session: Session) -> list[dict[str, Any]]:
    """Every keyset: how many of whom sign, when each cosigner last fetched a bundle, and how many vaults it has."""
    rows = session.execute(_KEYSETS, {"limit": COUNTED_TO + 1}).all()
    names = sorted({each["id"] for row in rows for each in row.cosigners})
    seen = {row.name: row for row in session.execute(_SEEN, {"cosigners": names})}
    return [
        {
            "id": row.id,
            "chain": row.chain,
            "threshold": row.threshold,
            "members": len(row.cosigners),
            "vaults": min(int(row.vaults), COUNTED_TO),
            "more_vaults": row.vaults > COUNTED_TO,
            "descriptor_hash": row.descriptor_hash,
            "registered_at": when(row.registered_at),
            "cosigners": [
                {"name": each["id"], "last_seen_at": when(seen[each["id"]].given_at)}
                | {"quarantined": seen[each["id"]].quarantined}
                for each in row.cosigners
            ],
        }
        for row in rows
    ]


def whole_vault(session: Session, *, vault: str) -> dict[str, Any]:
    """One vault: who signs, what lies in it, whose it is, what stops it, its open breaks. Raises ``UnknownVault``."""
    found, assets = vaults.get(session, vault=vault), assets_seen(session)
    members = session.execute(_MEMBERS, {"vault": vault, "limit": SHOWN + 1}).all()
    return vault_view(found) | {
        "keyset": next((each for each in keysets(session) if each["id"] == found.keyset), None),
        "branch": found.branch,
        "frozen_cause": found.frozen_cause,
        "frozen_at": when(found.frozen_at),
        "opened_at": when(found.opened_at),
        "funds": _funds(session, {vault}, assets).get(vault, []),
        "clients": [{"id": each.id, "name": each.name, "since": when(each.since)} for each in members[:SHOWN]],
        "more_clients": len(members) > SHOWN,
        "stops": [each.to_json() for each in stops.standing(session, scope="vault", subject=vault)],
        "breaks": [each.to_json() for each in breaks.open_breaks(session, vault=vault)],
    }


def _funds(session: Session, names: Collection[str], assets: KnownAssets) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for row in session.execute(_FUNDS, {"vaults": sorted(names)}):
        asset = assets.of(row.asset)
        held, suspense = money(int(row.held or 0), asset), money(int(row.suspense or 0), asset)
        found.setdefault(row.owner, []).append({"asset": asset_view(asset), "held": held, "suspense": suspense})
    return found


def _line(row: Any, funds: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    names: Sequence[str] = row.names
    return {
        "id": row.id,
        "keyset": row.keyset_id,
        "chain": row.chain,
        "kind": row.kind,
        "clients": list(names[:NAMED]),
        "more_clients": len(names) > NAMED,
        "funds": funds.get(row.id, []),
        "frozen_reason": row.frozen_reason,
        "frozen_cause": row.frozen_cause,
        "frozen_at": when(row.frozen_at),
        "reconciled_height": row.reconciled_height,
        "reconciled_at": when(row.reconciled_at),
    }
