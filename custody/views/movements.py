"""What came in and what goes out, newest first and a page at a time: of everybody, of one client, in one state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from custody.deposits import queries as deposits
from custody.deposits.shown import deposit_view
from custody.deposits.states import DepositState
from custody.evidence import fields
from custody.kernel.shown import asset_view, money, when
from custody.trust.assets import KnownAssets, assets_seen
from custody.views import cursors
from custody.withdrawals.states import State

STATES: Final[Mapping[str, tuple[str, ...]]] = {
    "deposits": tuple(each.value for each in DepositState),
    "withdrawals": tuple(each.value for each in State),
}
_DEPOSITS: Final = """
    SELECT d.id, d.asset, d.units, d.state, d.reason, d.txid, d.address_id, d.client_id, c.name AS client_name,
      d.first_seen_at AS at
    FROM deposits d LEFT JOIN clients c ON c.id = d.client_id
"""
_WITHDRAWALS: Final = """
    SELECT d.id, d.asset, d.units, d.state, d.waiting_for AS reason, d.kind, d.digest, d.destination, d.reference,
      d.client_id, c.name AS client_name, d.requested_at AS at
    FROM withdrawals d LEFT JOIN clients c ON c.id = d.client_id
"""
_READ: Final = {"deposits": _DEPOSITS, "withdrawals": _WITHDRAWALS}
# Each combination has a plan of its own: a key or a filter that is not asked for is not in the statement at all.
_CONDITIONS: Final = {
    "client": "d.client_id = :client",
    "state": "d.state = :state",
    "reference": "d.reference = :reference",
    "before": "d.id < :before",
}


def listed(
    session: Session,
    what: str,
    *,
    client: str = "",
    state: str = "",
    reference: str = "",
    after: str | None = None,
    limit: int | None = None,
) -> dict[str, Any]:
    """One page of ``deposits`` or of ``withdrawals``, newest first, with ``next`` where there are older ones.

    With ``reference``, which withdrawals alone have, those that some client calls so. Raises ``InvalidInput``, and
    ``AssetUnknown``.
    """
    if state:
        fields.one_of(state, STATES[what], field="state")
    listing = f"{what}:{client}:{state}:{reference}"
    most, begin = cursors.limit(limit), cursors.read(after, listing)
    before = "" if begin is None else begin[0]
    rows = newest(session, what, client=client, state=state, reference=reference, before=before, limit=most + 1)
    return {
        "rows": rows[:most],
        "next": cursors.written(listing, rows[most - 1]["id"]) if len(rows) > most else None,
    }


def newest(
    session: Session,
    what: str,
    *,
    client: str = "",
    state: str = "",
    reference: str = "",
    before: str = "",
    limit: int,
) -> list[dict[str, Any]]:
    """The newest ``limit`` of ``deposits`` or ``withdrawals`` older than the one called ``before``."""
    asked = {"client": client, "state": state, "reference": reference, "before": before}
    chosen = {name: value for name, value in asked.items() if value}
    where = " AND ".join(_CONDITIONS[name] for name in chosen) or "true"
    query = text(f"{_READ[what]} WHERE {where} ORDER BY d.id DESC LIMIT :limit")
    assets = assets_seen(session)
    return [_line(row, assets) for row in session.execute(query, {**chosen, "limit": limit}).mappings()]


def whole_deposit(session: Session, *, deposit: str) -> dict[str, Any]:
    """One deposit, the address it arrived at, and every move it made. Raises ``UnknownDeposit``."""
    found = deposits.by_id(session, deposit=deposit)
    steps = session.execute(_STEPS, {"deposit": deposit}).all()
    told = session.execute(_TOLD, {"deposit": deposit}).one()
    return deposit_view(found, assets_seen(session)) | {
        "outpoint": f"{found.txid}:{found.position}",
        "client_name": told.name,
        "address": told.address_id if told.is_a_clients else None,
        "unbacked": told.unbacked,
        "steps": _steps(steps),
    }


_TOLD: Final = text(
    """
    SELECT c.name, d.address_id, d.unbacked, a.client_id IS NOT NULL AND NOT a.change AS is_a_clients
    FROM deposits d LEFT JOIN clients c ON c.id = d.client_id LEFT JOIN addresses a ON a.id = d.address_id
    WHERE d.id = :deposit
    """
)
_STEPS: Final = text(
    """
    SELECT step, from_state, to_state, event, actor, at FROM deposit_transitions
    WHERE subject = :deposit ORDER BY step
    """
)


def _steps(rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    return [
        {"from": row.from_state, "to": row.to_state, "event": row.event, "actor": row.actor, "at": when(row.at)}
        for row in rows
    ]


def _line(row: Mapping[Any, Any], assets: KnownAssets) -> dict[str, Any]:
    asset = assets.of(row["asset"])
    told = {name: value for name, value in row.items() if name != "units"}
    return told | {"asset": asset_view(asset), "amount": money(int(row["units"]), asset), "at": when(row["at"])}
