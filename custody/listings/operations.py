"""Putting destinations on a client's list and taking them off, by intents.

A destination that can be taken for a known one waits, whoever agreed, until a second operator says that it was read out
in full over another way. Once it is on the list its cooling-off runs; from then on it counts as listed.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from custody.addresses import queries as addresses
from custody.approvals import asking
from custody.approvals import operations as approvals
from custody.approvals import queries as intents
from custody.approvals.asking import Asked
from custody.audit import operations as audit
from custody.chains.addressing import Destination
from custody.chains.registry import addressing
from custody.clients import queries as clients
from custody.events import operations as events
from custody.evidence.authorship import AuthorSignature
from custody.evidence.lookalikes import Confirmation, ConfirmationRefused, check_confirmation, similar_to
from custody.evidence.requests import DestinationListingRequest
from custody.evidence.signatures import Signature
from custody.kernel.errors import Conflict, InvalidInput, NotFound
from custody.listings import queries
from custody.listings.queries import Listing
from custody.listings.tables import STANDING, DestinationCodeRow, ListingCheckRow, ListingRow
from custody.trust.operations import InForce
from policies.facts import Facts


class AlreadyListed(Conflict):
    """The destination is on the client's list."""

    code = "already-listed"


class NotListed(Conflict):
    """The destination is not on the client's list."""

    code = "not-listed"


class NothingToConfirm(NotFound):
    """No listing of that intent waits for a confirmation."""

    code = "nothing-to-confirm"


def request_listing(
    session: Session,
    *,
    request: DestinationListingRequest,
    signature: AuthorSignature,
    trust: InForce,
    now: datetime,
    paid: Iterable[str] = (),
) -> Asked:
    """File the intent to list a destination, or to take one off. ``paid`` are destinations the client ever paid.

    Raises ``RequestRefused``, ``InvalidInput`` naming the field, ``UnknownClient``, ``AlreadyListed``, ``NotListed``,
    ``Denied``, ``IdempotencyMismatch``; then nothing is written.
    """
    before = asking.before(session, request=request, signature=signature, trust=trust, now=now)
    if before is not None:
        return before
    facts = _facts(session, request, now)
    destination = _read(session, request, trust)
    _expect_change(session, request, destination)
    asked = asking.ask(session, request=request, signature=signature, trust=trust, now=now, facts=facts)
    if request.action == "list":
        known = [*(each.destination for each in queries.every(session, client=request.client)), *paid]
        _hold_up(session, asked.digest, request, similar_to(request.destination, known), now)
    if asked.state == "approved":
        complete(session, digest=asked.digest, trust=trust, now=now)
    return asked


def complete(session: Session, *, digest: str, trust: InForce, now: datetime) -> None:
    """Change the list as the approved intent says; one that is held up goes on once it is confirmed. Idempotent."""
    check = queries.check_of(session, digest=digest)
    if check is not None and check.confirmed_by is None:
        return
    request = intents.get(session, digest=digest).intent.request
    if not isinstance(request, DestinationListingRequest):
        return
    # The client's row is the lock under which its list changes.
    clients.get(session, client=request.client, lock=True)
    if asking.agreed(session, digest=digest, trust=trust, now=now, facts=_facts(session, request, now)) is None:
        return
    destination = _read(session, request, trust)
    try:
        listing = _expect_change(session, request, destination)
    except (AlreadyListed, NotListed):
        approvals.close(session, digest=digest, state="withdrawn", actor="listings", now=now)
        return
    if listing is None:
        _list(session, digest, request, destination, trust.root.cooling_seconds, now)
    else:
        _delist(session, digest, request, listing, now)
    approvals.carried_out(session, digest=digest, actor=request.requester, now=now)


def confirm(
    session: Session, *, confirmation: Confirmation, signature: Signature, trust: InForce, now: datetime
) -> str:
    """A second operator read the destination out in full: the listing goes on. Returns its intent's state.

    Raises ``NothingToConfirm`` and ``ConfirmationRefused``; then nothing is written. Doing it again changes nothing.
    """
    row = session.execute(
        select(ListingCheckRow).where(ListingCheckRow.digest == confirmation.digest).with_for_update()
    ).scalar_one_or_none()
    if row is None:
        raise NothingToConfirm("no listing of that intent is held up", field="confirmation.digest")
    request = intents.get(session, digest=confirmation.digest).intent.request
    assert isinstance(request, DestinationListingRequest)
    for field, said, is_so in (
        ("destination", confirmation.destination, request.destination),
        ("similar", confirmation.similar, row.looks_like),
    ):
        if said != is_so:
            raise ConfirmationRefused("is of another listing", field=f"confirmation.{field}")
    check_confirmation(confirmation, signature, requester=request.requester, root=trust.root)
    if row.confirmed_at is None:
        row.confirmation = {"confirmation": confirmation.to_json(), "signature": signature.to_json()}
        row.confirmed_by, row.confirmed_at = confirmation.person, now
        session.flush()
        facts = {"similar": row.looks_like}
        audit.record(
            session, event="listing.confirmed", subject=row.digest, actor=confirmation.person, now=now, facts=facts
        )
        complete(session, digest=row.digest, trust=trust, now=now)
    return intents.get(session, digest=row.digest).state


def note_code(session: Session, *, chain: str, locator: bytes, code: str, now: datetime) -> None:
    """Keep what was seen at an address: ``contract`` or ``plain``."""
    values = {"code": code, "seen_at": now}
    written = insert(DestinationCodeRow).values(chain=chain, locator=locator, **values)
    session.execute(written.on_conflict_do_update(index_elements=["chain", "locator"], set_=values))


def _facts(session: Session, request: DestinationListingRequest, now: datetime) -> Facts:
    client = clients.get(session, client=request.client)
    return Facts(
        kind=request.kind,
        requester=request.requester,
        now=now,
        client=client.id,
        client_status=client.status,
        segregation=client.segregation,
        chain=request.chain,
    )


def _read(session: Session, request: DestinationListingRequest, trust: InForce) -> Destination:
    try:
        where = addressing(request.chain)
    except InvalidInput as error:
        raise InvalidInput(error.message, field="request.chain") from error
    found = where.read_destination(request.destination, field="request.destination")
    if found.address != request.destination:
        raise InvalidInput(f"not in canonical form; accepted is {found.address}", field="request.destination")
    here = [each.id for each in trust.root.assets if each.chain == request.chain]
    if found.locator in {where.home_of(each) for each in here}:
        raise InvalidInput("the contract of an asset, which gives nothing back", field="request.destination")
    if addresses.by_locators(session, [found.locator]):
        raise InvalidInput("an address of ours; accepted is somebody else's", field="request.destination")
    return found


def _expect_change(session: Session, request: DestinationListingRequest, destination: Destination) -> Listing | None:
    """The listing to end, or None where one is to begin."""
    found = queries.standing(session, client=request.client, chain=request.chain, locator=destination.locator)
    if request.action == "list" and found is not None:
        raise AlreadyListed("is on the list", field="request.destination")
    if request.action == "delist" and found is None:
        raise NotListed("is not on the list", field="request.destination")
    return found


def _hold_up(
    session: Session, digest: str, request: DestinationListingRequest, similar: str | None, now: datetime
) -> None:
    if similar is None:
        return
    session.add(ListingCheckRow(digest=digest, looks_like=similar, noticed_at=now))
    session.flush()
    why = f"{request.destination} can be taken for {similar}: it is listed once a second operator read it out in full"
    audit.raise_alarm(session, kind="listing-held", subject=request.client, step=digest, why=why, now=now)
    audit.record(session, event="listing.held", subject=digest, actor="listings", now=now, facts={"similar": similar})


def _list(
    session: Session,
    digest: str,
    request: DestinationListingRequest,
    destination: Destination,
    cooling_seconds: int,
    now: datetime,
) -> None:
    session.add(
        ListingRow(
            digest=digest,
            client_id=request.client,
            chain=request.chain,
            destination=destination.address,
            locator=destination.locator,
            label=request.label,
            listed_at=now,
            counts_from=now + timedelta(seconds=cooling_seconds),
        )
    )
    session.flush()
    _record(session, "listed", request, digest, now)
    _tell(session, digest, "listed", request.requester, now)


def _delist(session: Session, digest: str, request: DestinationListingRequest, listing: Listing, now: datetime) -> None:
    session.execute(
        update(ListingRow)
        .where(ListingRow.digest == listing.digest, STANDING)
        .values(delisted_at=now, delisted_by=digest)
    )
    # What was agreed to is taken back: a cosigner that is told so counts the old agreement no more.
    approvals.close(session, digest=listing.digest, state="withdrawn", actor=request.requester, now=now)
    _record(session, "delisted", request, digest, now)
    _tell(session, listing.digest, "delisted", request.requester, now)


def _record(session: Session, event: str, request: DestinationListingRequest, digest: str, now: datetime) -> None:
    facts = {"chain": request.chain, "destination": request.destination, "intent": digest}
    said = f"destination.{event}"
    audit.record(session, event=said, subject=request.client, actor=request.requester, now=now, facts=facts)


def _tell(session: Session, digest: str, event: str, actor: str, now: datetime) -> None:
    listing = queries.by_digest(session, digest=digest)
    assert listing is not None
    events.publish(
        session,
        kind="destination",
        subject=digest,
        event=event,
        data=listing.to_json(now),
        client=listing.client,
        actor=actor,
        correlation_id="",
        now=now,
    )
