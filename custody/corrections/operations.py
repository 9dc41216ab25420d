"""Asking for an entry by hand, and posting it once the policy's people agreed, as far as something stands behind it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from custody.approvals import asking
from custody.approvals import operations as approvals
from custody.approvals import queries as intents
from custody.approvals.asking import Asked
from custody.audit import operations as audit
from custody.clients import queries as clients
from custody.corrections.model import Correction, read
from custody.evidence.authorship import AuthorSignature
from custody.evidence.requests import ManualEntryRequest
from custody.kernel.errors import CustodyError, InvalidInput, Refused
from custody.ledger import operations as ledger
from custody.ledger import queries as books
from custody.ledger.model import Entry, Reason
from custody.reconciliation import queries as breaks
from custody.trust.operations import InForce
from custody.vaults import queries as vaults
from policies.facts import Facts

CHECK = "ledger-is-the-chain"
"""The break that says how much more, or less, the chain holds than was booked."""


class NotBacked(Refused):
    """Nothing stands behind the entry: less is there than it would move."""

    code = "not-backed"


def request_entry(
    session: Session, *, request: ManualEntryRequest, signature: AuthorSignature, trust: InForce, now: datetime
) -> Asked:
    """File the intent to post an entry by hand. Raises ``RequestRefused``, ``InvalidInput`` naming the field,
    ``UnknownClient``, ``UnknownVault``, ``NotBacked``, ``Denied``, ``IdempotencyMismatch``; then nothing is written.
    """
    before = asking.before(session, request=request, signature=signature, trust=trust, now=now)
    if before is not None:
        return before
    correction = read(request)
    facts = _facts(session, request, correction, trust, now)
    _expect_backed(session, correction)
    asked = asking.ask(session, request=request, signature=signature, trust=trust, now=now, facts=facts)
    if asked.state == "approved":
        post(session, digest=asked.digest, trust=trust, now=now)
    return asked


def post(session: Session, *, digest: str, trust: InForce, now: datetime) -> None:
    """Post what the approved intent says. Idempotent. Where nothing stands behind it any more, the intent is over."""
    request = intents.get(session, digest=digest).intent.request
    if not isinstance(request, ManualEntryRequest):
        return
    correction = read(request)
    facts = _facts(session, request, correction, trust, now)
    if asking.agreed(session, digest=digest, trust=trust, now=now, facts=facts) is None:
        return
    # One entry at a time, so that what stands behind it stands behind no other.
    if correction.client is not None:
        clients.get(session, client=correction.client, lock=True)
    if correction.vault is not None:
        vaults.get(session, vault=correction.vault, lock=True)
    try:
        _expect_backed(session, correction)
    except CustodyError as error:
        said = {"why": str(error)}
        audit.record(session, event="entry.not_posted", subject=digest, actor="corrections", now=now, facts=said)
        approvals.close(session, digest=digest, state="withdrawn", actor="corrections", now=now)
        return
    entry = Entry(
        key=f"manual:{digest}",
        reason=correction.reason,
        subject=digest,
        actor=request.requester,
        postings=correction.postings,
        authorised_by={correction.debit.owner: digest},
    )
    number = ledger.post(session, entry=entry, now=now)
    moved = {"entry": number, "reason": correction.reason.value, "units": str(correction.units)}
    audit.record(session, event="entry.posted", subject=digest, actor=request.requester, now=now, facts=moved)
    approvals.carried_out(session, digest=digest, actor=request.requester, now=now)


def _facts(
    session: Session, request: ManualEntryRequest, correction: Correction, trust: InForce, now: datetime
) -> Facts:
    asset = trust.root.asset(request.asset)
    if asset is None:
        raise InvalidInput("not a registered asset; accepted is a CAIP-19 id", field="request.asset")
    client = None if correction.client is None else clients.get(session, client=correction.client)
    if correction.vault is not None:
        _expect_place(session, correction.vault, asset.chain, correction.client)
    return Facts(
        kind=request.kind,
        requester=request.requester,
        now=now,
        client=request.client,
        client_status=None if client is None else client.status,
        segregation=None if client is None else client.segregation,
        asset=asset.code,
        decimals=asset.decimals,
        amount_units=request.amount,
    )


def _expect_place(session: Session, vault: str, chain: str, client: str | None) -> None:
    """The vault is of the asset's chain; and the client's, where one is concerned."""
    if vaults.get(session, vault=vault).chain != chain:
        raise InvalidInput("a vault of another chain than the asset's", field="request.asset")
    if client is not None and not vaults.is_member(session, vault=vault, client=client):
        raise InvalidInput("not in the vault whose account is moved", field="request.client")


def _expect_backed(session: Session, correction: Correction) -> None:
    """As much is there as it would move. Raises ``NotBacked``."""
    there = _there(session, correction)
    if correction.units > there:
        raise NotBacked(f"more than the {there} base units that stand behind it", field="request.amount")


def _there(session: Session, correction: Correction) -> int:
    booked = books.account_balance(session, account=correction.debit)
    if correction.reason is Reason.FOUND_ON_CHAIN:
        return _difference(session, correction)
    if correction.reason is Reason.LOST_ON_CHAIN:
        return min(booked, -_difference(session, correction))
    if correction.reason is Reason.RECEIVABLE_REPAID:
        owed = books.deficits(session, client=correction.credit.owner)
        return min(booked, owed.get(correction.credit.asset, 0))
    return booked


def _difference(session: Session, correction: Correction) -> int:
    """What the chain was last seen to hold more than was booked, by a break that is open, without what was posted for
    it since; 0 where none is.
    """
    vault, asset = str(correction.vault), correction.debit.asset
    like = [
        each
        for each in breaks.open_breaks(session, vault=vault)
        if (each.said.asset, each.said.check) == (asset, CHECK)
    ]
    if not like:
        return 0
    newest = like[-1]
    return newest.said.difference - books.corrected_since(session, vault=vault, asset=asset, since=newest.opened_at)
