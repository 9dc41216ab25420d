"""Reading lists of destinations."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select, text, tuple_
from sqlalchemy.orm import Session

from custody.chains.registry import has_coins
from custody.kernel.clock import rfc3339
from custody.listings.tables import STANDING, DestinationCodeRow, ListingCheckRow, ListingRow


@dataclass(frozen=True, slots=True)
class Listing:
    """One destination on one client's list."""

    digest: str
    client: str
    chain: str
    destination: str
    label: str
    listed_at: datetime
    counts_from: datetime
    """When its cooling-off is over."""
    delisted_at: datetime | None
    delisted_by: str | None

    def standing(self, now: datetime) -> str:
        """As the policy sees it: ``listed``, or ``cooling`` before it counts."""
        return "listed" if now >= self.counts_from else "cooling"

    def to_json(self, now: datetime) -> dict[str, Any]:
        """As commands print it."""
        return {
            "digest": self.digest,
            "client": self.client,
            "chain": self.chain,
            "destination": self.destination,
            "label": self.label,
            "standing": "delisted" if self.delisted_at is not None else self.standing(now),
            "listed_at": rfc3339(self.listed_at),
            "counts_from": rfc3339(self.counts_from),
            "delisted_at": None if self.delisted_at is None else rfc3339(self.delisted_at),
        }


@dataclass(frozen=True, slots=True)
class Check:
    """Why a listing waits for a second person: it looks like ``similar``. ``confirmed_by`` is who read it out."""

    digest: str
    similar: str
    confirmed_by: str | None

    def to_json(self) -> dict[str, Any]:
        """As commands print it."""
        return {"digest": self.digest, "similar": self.similar, "confirmed_by": self.confirmed_by}


def standing(session: Session, *, client: str, chain: str, locator: bytes) -> Listing | None:
    """The listing of this place on this client's list that stands now, whether it counts yet or not."""
    found = _listings(
        session,
        STANDING,
        ListingRow.client_id == client,
        ListingRow.chain == chain,
        ListingRow.locator == locator,
    )
    return found[0] if found else None


def every(session: Session, *, client: str | None = None) -> list[Listing]:
    """Every listing there ever was, oldest first; of one client, where named."""
    return _listings(session, *([] if client is None else [ListingRow.client_id == client]))


def newest(
    session: Session, *, client: str, before: tuple[datetime, str] | None = None, limit: int | None = None
) -> list[Listing]:
    """The newest ``limit`` listings of this client (None: all), newest first, behind the one of that moment and
    digest where one is named.
    """
    key = tuple_(ListingRow.listed_at, ListingRow.digest)
    query = select(ListingRow).where(ListingRow.client_id == client, *([] if before is None else [key < before]))
    rows = session.execute(query.order_by(ListingRow.listed_at.desc(), ListingRow.digest.desc()).limit(limit))
    return [_listing(row) for row in rows.scalars()]


def by_digest(session: Session, *, digest: str) -> Listing | None:
    """The listing that this intent made, whether it stands or not."""
    found = _listings(session, ListingRow.digest == digest)
    return found[0] if found else None


_LABELS: Final = text(
    """
    SELECT l.client_id, l.chain, l.destination, l.label
      FROM unnest(CAST(:clients AS text[]), CAST(:chains AS text[]), CAST(:destinations AS text[]))
           AS asked (client, chain, destination)
      JOIN listings l ON (l.client_id, l.chain, l.destination) = (asked.client, asked.chain, asked.destination)
     WHERE l.delisted_at IS NULL
    """
)


def labels(session: Session, *, places: Collection[tuple[str, str, str]]) -> dict[tuple[str, str, str], str]:
    """What the clients call these destinations, of each (client, chain, destination) that stands on a list."""
    if not places:
        return {}
    asked = zip(("clients", "chains", "destinations"), zip(*sorted(set(places)), strict=True), strict=True)
    rows = session.execute(_LABELS, {name: list(column) for name, column in asked})
    return {(row.client_id, row.chain, row.destination): row.label for row in rows}


def named(session: Session, *, client: str, chain: str, destination: str) -> Listing | None:
    """The listing of this destination, as it is written, on this client's list that stands now."""
    found = _listings(
        session,
        STANDING,
        ListingRow.client_id == client,
        ListingRow.chain == chain,
        ListingRow.destination == destination,
    )
    return found[0] if found else None


def taken_off(session: Session, *, limit: int = 1_000) -> list[tuple[str, str]]:
    """Digests of the newest ``limit`` listings that were taken off, and of the intents that did it."""
    rows = session.execute(
        select(ListingRow.digest, ListingRow.delisted_by)
        .where(ListingRow.delisted_by.is_not(None))
        .order_by(ListingRow.delisted_at.desc(), ListingRow.digest)
        .limit(limit)
    )
    return [(row.digest, str(row.delisted_by)) for row in rows]


def check_of(session: Session, *, digest: str) -> Check | None:
    """What holds this listing up, or held it up."""
    row = session.get(ListingCheckRow, digest, populate_existing=True)
    return None if row is None else _check(row)


def held(session: Session) -> list[Check]:
    """Listings that wait for a second person's word, oldest first."""
    rows = session.execute(
        select(ListingCheckRow).where(ListingCheckRow.confirmed_at.is_(None)).order_by(ListingCheckRow.noticed_at)
    ).scalars()
    return [_check(row) for row in rows]


def code_of(session: Session, *, chain: str, locator: bytes) -> str | None:
    """``plain`` or ``contract``, as it was seen last; None where nobody looked. Where no contracts live, ``plain``."""
    if has_coins(chain):
        return "plain"
    return session.execute(
        select(DestinationCodeRow.code).where(DestinationCodeRow.chain == chain, DestinationCodeRow.locator == locator)
    ).scalar_one_or_none()


def _check(row: ListingCheckRow) -> Check:
    return Check(row.digest, row.looks_like, row.confirmed_by)


def _listings(session: Session, *conditions: Any) -> list[Listing]:
    rows = session.execute(
        select(ListingRow)
        .where(*conditions)
        .order_by(ListingRow.listed_at, ListingRow.digest)
        .execution_options(populate_existing=True)
    ).scalars()
    return [_listing(row) for row in rows]


def _listing(row: ListingRow) -> Listing:
    return Listing(
        digest=row.digest,
        client=row.client_id,
        chain=row.chain,
        destination=row.destination,
        label=row.label,
        listed_at=row.listed_at,
        counts_from=row.counts_from,
        delisted_at=row.delisted_at,
        delisted_by=row.delisted_by,
    )
