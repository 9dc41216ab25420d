"""Clients as lists and one by one: what each has, what is held, when its books last moved, and what the chain lacks.

``session`` sees one moment in all its statements (``reconciliation.books.still``); every list is one page behind a key
and costs as many statements for many clients as for one.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from custody.addresses import queries as addresses
from custody.clients import queries as clients
from custody.evidence import fields
from custody.ledger import queries as ledger
from custody.ledger.queries import ClientBalance
from custody.stops import queries as stops
from custody.trust.assets import KnownAssets, assets_seen
from custody.vaults import queries as vaults
from custody.views import cursors, movements
from custody.views.addresses import address_line
from custody.views.objects import asset_view, balance_view, client_view, money, vault_view, when

_LISTING: Final = "clients"
MOST_DIFFERING: Final = 4
SHOWN: Final = 10
"""Of one client: as many addresses, deposits, withdrawals and entries as one page shows of each."""

_PAGE: Final = text(
    """
    SELECT id, name, segregation, status, status_reason, opened_at FROM clients
    WHERE (lower(name) COLLATE "C", id) > (:name, :id) AND lower(name) COLLATE "C" LIKE :like
    ORDER BY lower(name) COLLATE "C", id LIMIT :limit
    """
)
# Whoever pastes an id or a whole address means that client alone.
_EXACT: Final = text(
    """
    SELECT id, name, segregation, status, status_reason, opened_at FROM clients
    WHERE id IN (SELECT :exact UNION SELECT a.client_id FROM addresses a WHERE a.address = :exact)
    ORDER BY lower(name) COLLATE "C", id LIMIT :limit
    """
)
_DIFFERING: Final = text(
    """
    SELECT id, name, segregation, status, status_reason, opened_at FROM clients WHERE id IN (
      SELECT m.client_id FROM breaks b JOIN vault_members m ON m.vault_id = b.vault_id
      WHERE NOT EXISTS (SELECT FROM break_resolutions r WHERE r.break_id = b.id)
    )
    ORDER BY lower(name) COLLATE "C", id LIMIT :limit
    """
)
# The newest entry of an account is the one that made its version what it is.
_MOVED: Final = text(
    """
    SELECT a.owner, max(e.posted_at) AS at FROM ledger_accounts a
    JOIN postings p ON p.account_id = a.id AND p.version = a.version JOIN journal_entries e ON e.id = p.entry_id
    WHERE a.owner = ANY(:clients) GROUP BY a.owner
    """
)
_COMPARED: Final = text(
    """
    SELECT m.client_id, min(v.reconciled_height) AS height, min(v.reconciled_at) AS at,
      bool_or(v.reconciled_at IS NULL) AS never, bool_or(v.frozen_at IS NOT NULL) AS frozen
    FROM vault_members m JOIN vaults v ON v.id = m.vault_id WHERE m.client_id = ANY(:clients) GROUP BY m.client_id
    """
)
_BROKEN: Final = text(
    """
    SELECT m.client_id, b.asset, b.id, b.found - b.expected AS units
    FROM breaks b JOIN vault_members m ON m.vault_id = b.vault_id
    WHERE m.client_id = ANY(:clients) AND NOT EXISTS (SELECT FROM break_resolutions r WHERE r.break_id = b.id)
    ORDER BY b.opened_at, b.id
    """
)


def client_list(
    session: Session, *, search: str = "", after: str | None = None, limit: int | None = None
) -> dict[str, Any]:
    """One page of clients by name, with ``next`` where there are more; ``differing`` come first of all, once.

    ``search`` is how a name begins, or a whole id or address. Raises ``InvalidInput``.
    """
    most, begin = cursors.limit(limit), cursors.read(after, _LISTING, 2)
    rows = _found(session, search, begin, most)
    first = begin is None and not search
    apart = session.execute(_DIFFERING, {"limit": MOST_DIFFERING + 1}).all() if first else []
    told = _told(session, {row.id for row in (*rows[:most], *apart)}, assets_seen(session))
    return {
        "differing": [_line(row, told) for row in apart[:MOST_DIFFERING]],
        "more_differing": len(apart) > MOST_DIFFERING,
        "clients": [_line(row, told) for row in rows[:most]],
        "next": cursors.written(_LISTING, rows[most - 1].name.lower(), rows[most - 1].id) if len(rows) > most else None,
    }


def whole_client(session: Session, *, client: str, seal_key: bytes) -> dict[str, Any]:
    """One client: balances, holds by what they are for, vaults, what stops it, and the newest of everything else.

    Raises ``UnknownClient``, and ``AddressTampered`` rather than show a wrong address.
    """
    found, assets = clients.get(session, client=client), assets_seen(session)
    places = vaults.of_client(session, client=client)
    told = _told(session, {client}, assets)
    owned = addresses.newest_of_client(session, client=client, seal_key=seal_key, limit=SHOWN + 1)
    return client_view(found) | {
        "balances": [balance_view(each, assets) for each in ledger.balances(session, client=client)],
        "holds": [
            {"kind": row.kind, "status": row.state, "number": int(row.number)}
            | {"asset": asset_view(assets.of(row.asset)), "amount": money(int(row.units), assets.of(row.asset))}
            for row in session.execute(_HOLDS, {"client": client})
        ],
        "vaults": [vault_view(each) for each in places],
        "stops": _stops(session, client, [each.id for each in places]),
        "addresses": [address_line(each) for each in owned[:SHOWN]],
        "address_chains": sorted({each.chain for each in places if each.keyset}),
        "more_addresses": len(owned) > SHOWN,
        "deposits": movements.newest(session, "deposits", client=client, limit=SHOWN),
        "withdrawals": movements.newest(session, "withdrawals", client=client, limit=SHOWN),
        "last_movement": told[client]["last_movement"],
        "compared": told[client]["compared"],
        "differences": told[client]["differences"],
    }


_HOLDS: Final = text(
    """
    SELECT h.asset, w.kind, w.state, count(*) AS number, sum(h.units) AS units
    FROM holds h LEFT JOIN withdrawals w ON w.id = h.subject
    WHERE h.client = :client AND h.state = 'pending' GROUP BY h.asset, w.kind, w.state ORDER BY 1, 2, 3
    """
)


def _found(session: Session, search: str, begin: Sequence[str] | None, most: int) -> Sequence[Row[Any]]:
    name, key = begin or ("", "")
    if search:
        search = fields.text(search, field="search", limit=200)
        exact = session.execute(_EXACT, {"exact": search, "limit": most + 1}).all()
        if exact:
            return exact
    like = search.lower().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    return session.execute(_PAGE, {"name": name, "id": key, "like": like, "limit": most + 1}).all()


def _told(session: Session, names: Collection[str], assets: KnownAssets) -> dict[str, dict[str, Any]]:
    """Of each of these clients: balances, when its books moved, what was compared and what differed."""
    chosen = {"clients": sorted(names)}
    told: dict[str, dict[str, Any]] = {
        name: {"balances": [], "last_movement": None, "compared": None, "differences": []} for name in names
    }
    for balance in ledger.balances_of(session, clients=chosen["clients"]):
        told[balance.client]["balances"].append(_short(balance, assets))
    for row in session.execute(_MOVED, chosen):
        told[row.owner]["last_movement"] = when(row.at)
    for row in session.execute(_COMPARED, chosen):
        told[row.client_id]["compared"] = {
            "height": None if row.never else row.height,
            "at": None if row.never else when(row.at),
            "frozen": row.frozen,
        }
    for row in session.execute(_BROKEN, chosen):
        asset = assets.of(row.asset)
        told[row.client_id]["differences"].append(
            {"break": row.id, "asset": asset_view(asset), "amount": money(int(row.units), asset)}
        )
    return told


def _short(balance: ClientBalance, assets: KnownAssets) -> dict[str, Any]:
    asset = assets.of(balance.asset)
    parts = ("available", "held", "pledged", "receivable")
    return {"asset": asset_view(asset)} | {part: money(getattr(balance, part), asset) for part in parts}


def _line(row: Row[Any], told: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "segregation": row.segregation,
        "status": row.status,
        "status_reason": row.status_reason,
        "opened_at": when(row.opened_at),
        **told[row.id],
    }


def _stops(session: Session, client: str, places: Sequence[str]) -> list[dict[str, Any]]:
    concerned = {("client", client), ("everything", "everything"), *(("vault", place) for place in places)}
    return [each.to_json() for each in stops.standing(session) if (each.scope, each.subject) in concerned]
