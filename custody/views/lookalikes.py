"""What a destination could be taken for, of all that the house knows: lists, payments, and addresses of its own.

Nothing is read through. In each order of addresses (``evidence.lookalikes.keys``) whatever looks most like a
destination is its neighbour, so each order of each set costs two steps down an index, however much there is.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

from custody.evidence.lookalikes import SHOWN, Shared, keys, shared

LISTED: Final = "listed"
PAID: Final = "paid"
ELSEWHERE: Final = "elsewhere"
OURS: Final = "ours"
SETS: Final = (LISTED, PAID, ELSEWHERE, OURS)
"""On the client's own list, paid by the client before, on anybody's list, of our vaults: the nearest first."""

BOTH_ENDS: Final = ("ends",)
EITHER_END: Final = ("ends", "head", "tail")

ONE_END: Final[Mapping[str, int]] = {LISTED: SHOWN, PAID: 6, ELSEWHERE: 6, OURS: 6}
"""How many characters of one end alone are worth a warning. Where there are very many addresses four of them agree by
chance: of 100,000 on Ethereum three agree so with any destination, but with one in forty at six.
"""

_ROWS: Final[Mapping[str, str]] = {
    LISTED: "destination AS address, client_id, label, '' AS vault, listed_at AS since FROM listings"
    " WHERE delisted_at IS NULL AND client_id = asked.client",
    PAID: "destination AS address, client_id, '' AS label, '' AS vault, requested_at AS since FROM withdrawals"
    " WHERE state IN ('signed', 'broadcast', 'confirmed', 'completed') AND client_id = asked.client",
    ELSEWHERE: "destination AS address, client_id, label, '' AS vault, listed_at AS since FROM listings"
    " WHERE delisted_at IS NULL",
    OURS: "address, coalesce(client_id, '') AS client_id, '' AS label, vault_id AS vault, derived_at AS since"
    " FROM addresses WHERE address <> ''",
}
_ASKED: Final = """
SELECT asked.place, near.* FROM unnest(
  CAST(:places AS integer[]), CAST(:clients AS text[]), CAST(:heads AS text[]), CAST(:tails AS text[]),
  CAST(:ends AS text[])
) AS asked (place, client, head, tail, ends) CROSS JOIN LATERAL (
"""
_COLUMNS: Final[Mapping[str, str]] = dict.fromkeys(_ROWS, "destination") | {OURS: "address"}


@dataclass(frozen=True, slots=True)
class Twin:
    """One known address that a destination could be taken for. ``among`` is one of ``SETS``."""

    among: str
    address: str
    client: str
    """Whose list, payment or address it is; empty for what is no client's."""
    label: str
    vault: str
    since: datetime
    shared: Shared

    @property
    def is_both(self) -> bool:
        """Whether both ends are the same; otherwise one end is."""
        return self.shared.is_both


def twins(
    session: Session, *, places: Collection[tuple[str, str]], orders: tuple[str, ...] = EITHER_END
) -> dict[tuple[str, str], list[Twin]]:
    """Of each (client, destination) what it could be taken for, the gravest first and of each set one at most.

    With ``BOTH_ENDS`` only what shares both. One statement, however many places and however many addresses there are.
    """
    if not places:
        return {}
    asked = sorted(set(places))
    found: dict[tuple[str, str], list[Twin]] = {}
    for row in session.execute(_STATEMENTS[orders], _parameters(asked)):
        place = asked[row.place]
        common = shared(place[1], row.address)
        if common.is_both or ("head" in orders and max(common.head, common.tail) >= ONE_END[row.among]):
            twin = Twin(row.among, row.address, row.client_id, row.label, row.vault, row.since, common)
            found.setdefault(place, []).append(twin)
    return {place: _gravest(each) for place, each in found.items()}


def _gravest(found: Collection[Twin]) -> list[Twin]:
    """One of each set and each address once: who is on the client's own list is on a list of somebody's besides."""
    kept: dict[str, Twin] = {}
    for each in sorted(found, key=_gravity):
        if each.among not in kept and all(each.address != other.address for other in kept.values()):
            kept[each.among] = each
    return list(kept.values())


def _gravity(twin: Twin) -> tuple[Any, ...]:
    common = twin.shared
    return not common.is_both, SETS.index(twin.among), -common.head - common.tail, twin.address


def _parameters(asked: Collection[tuple[str, str]]) -> dict[str, list[Any]]:
    stand = [keys(destination) for _, destination in asked]
    return {
        "places": list(range(len(asked))),
        "clients": [client for client, _ in asked],
        "heads": [each.head for each in stand],
        "tails": [each.tail for each in stand],
        "ends": [each.ends for each in stand],
    }


def _written(orders: Collection[str]) -> str:
    near = [_neighbour(among, order, way) for among in SETS for order in orders for way in ("below", "above")]
    return _ASKED + " UNION ALL ".join(near) + ") AS near"


def _neighbour(among: str, order: str, way: str) -> str:
    """The next of a set in one order, as long as it begins as the destination does."""
    key = f"address_key({_COLUMNS[among]}, '{order}') COLLATE \"C\""
    begins = f"left(asked.{order}, {1 + SHOWN * (2 if order == 'ends' else 1)})"
    if way == "below":
        bounds, direction = f"{key} < asked.{order} AND {key} >= {begins}", "DESC"
    else:
        bounds, direction = f"{key} > asked.{order} AND {key} < {begins} || '~'", "ASC"
    return f"(SELECT '{among}' AS among, {_ROWS[among]} AND {bounds} ORDER BY {key} {direction} LIMIT 1)"


_STATEMENTS: Final[Mapping[tuple[str, ...], TextClause]] = {
    orders: text(_written(orders)) for orders in (BOTH_ENDS, EITHER_END)
}
