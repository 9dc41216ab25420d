"""A client's address book: where its people agreed to pay, since when that counts, and who agreed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from custody.approvals import uses as people
from custody.approvals.uses import People
from custody.clients import queries as clients
from custody.evidence.codes import digest_code
from custody.listings import queries as listings
from custody.listings.queries import Check, Listing
from custody.views import cursors


def destinations_view(
    session: Session, *, client: str, now: datetime, after: str | None = None, limit: int | None = None
) -> dict[str, Any]:
    """What stands on the client's list or ever did, the newest first: ``limit`` of it (None: all), with ``next`` where
    there is more. Raises ``UnknownClient`` and ``InvalidInput``.
    """
    whose, listing = clients.get(session, client=client), f"destinations:{client}"
    begin = cursors.read(after, listing, 2)
    before = None if begin is None else (cursors.moment(begin[0]), begin[1])
    rows = listings.newest(session, client=client, before=before, limit=None if limit is None else limit + 1)
    found = rows[:limit]
    more = len(rows) > len(found)
    said = people.people_of(session, digests=[each.digest for each in found])
    return {
        "client": {"id": whose.id, "name": whose.name, "status": whose.status},
        "listings": [_listing(each, said.get(each.digest), now) for each in found],
        "next": cursors.written(listing, cursors.of_moment(found[-1].listed_at), found[-1].digest) if more else None,
    }


def held_view(session: Session) -> list[dict[str, Any]]:
    """Listings that wait because they look like a known destination, of every client, oldest first."""
    checks = listings.held(session)
    filed = {each.digest: each for each in people.filed(session, digests=[check.digest for check in checks])}
    return [_held(check, filed[check.digest].intent.request) for check in checks if check.digest in filed]


def _listing(listing: Listing, said: People | None, now: datetime) -> dict[str, Any]:
    standing = "delisted" if listing.delisted_at is not None else listing.standing(now)
    return {
        "digest": listing.digest,
        "label": listing.label,
        "chain": listing.chain,
        "destination": listing.destination,
        "standing": standing,
        "counts_from": listing.counts_from,
        "listed_at": listing.listed_at,
        "delisted_at": listing.delisted_at,
        "requester": "" if said is None else said.requester,
        "agreed": () if said is None else said.approved,
    }


def _held(check: Check, request: Any) -> dict[str, Any]:
    return {
        "digest": check.digest,
        "code": digest_code(check.digest),
        "client": request.client,
        "destination": request.destination,
        "similar": check.similar,
        "requester": request.requester,
    }
