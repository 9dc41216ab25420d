"""Asking for a change of the rules, and putting it in force once people agreed and its delay is over."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from custody.approvals import asking
from custody.approvals import operations as approvals
from custody.approvals import queries as intents
from custody.approvals.asking import Asked
from custody.audit import operations as audit
from custody.changes.tables import ProposalRow
from custody.evidence.authorship import FEWEST_WHO_READ, AuthorSignature
from custody.evidence.check import PasskeyCannotAsk
from custody.evidence.passkeys import Assertion
from custody.evidence.proposals import Proposal, check_proposed
from custody.evidence.requests import Request, RuleChange
from custody.evidence.succession import RootLink, SuccessionRefused
from custody.kernel.errors import InvalidInput, NotFound
from custody.trust import operations as trust_operations
from custody.trust.operations import InForce
from custody.vaults import operations as vaults

OPEN = ("pending", "approved")


class UnknownProposal(NotFound):
    """No change of the rules of that digest."""

    code = "unknown-proposal"


def request(
    session: Session,
    *,
    request: Request,
    signature: AuthorSignature,
    attachments: Mapping[str, Any],
    trust: InForce,
    now: datetime,
) -> Asked:
    """File a change of the rules with the version it names beside it; what cosigners will check is checked now.

    Raises ``RequestRefused`` (also of one by passkey that too few have to agree to), ``InvalidInput``,
    ``SuccessionRefused``, ``ProofRefused``, ``Denied``, ``IdempotencyMismatch``; then nothing is written.
    """
    if not isinstance(request, RuleChange):
        raise InvalidInput("not a change of the rules", field="request.kind")
    known = asking.before(session, request=request, signature=signature, trust=trust, now=now)
    if known is not None:
        return known
    proposal = Proposal.parse(attachments)
    check_proposed(trust.root, request, proposal, policy_before=trust.policy_text)
    asked = asking.ask(session, request=request, signature=signature, trust=trust, now=now)
    if isinstance(signature, Assertion):
        _expect_readers(session, asked.digest)
    row = ProposalRow(digest=asked.digest, version=request.version, document=proposal.to_json(), created_at=now)
    session.add(row)
    session.flush()
    return asked


def complete(session: Session, *, digest: str, correlation_id: str, now: datetime) -> str:
    """Put the version in force; whatever else was proposed as that version is closed: the first one wins.

    An intent that is not approved, or whose delay is not over, changes nothing. Safe to run at any time. Returns the
    intent's state. Raises ``UnknownProposal``.
    """
    trust_operations.hold(session)
    filed = intents.get(session, digest=digest, lock=True)
    change = filed.intent.request
    if not isinstance(change, RuleChange):
        raise UnknownProposal("no change of the rules", field="digest")
    current = trust_operations.in_force(session)
    is_due = filed.not_before is None or now >= filed.not_before
    if filed.state != "approved" or not is_due or change.root == current.root.hash:
        return filed.state
    proposal = proposed(session, digest=digest)
    link = RootLink(proposal.root, current.policy_text, intents.proven(session, digest=digest), proposal.signatures)
    try:
        trust_operations.succeed(
            session,
            link=link,
            policy_text=proposal.policy,
            actor=change.requester,
            correlation_id=correlation_id,
            now=now,
        )
    except SuccessionRefused as refused:
        _close(session, digest, refused.message, now)
        return "withdrawn"
    for keyset in proposal.root.keysets[len(current.root.keysets) :]:
        vaults.register_keyset(session, keyset=keyset, consents=proposal.consents, actor=change.requester, now=now)
    _close_rivals(session, digest, change.version, now)
    return filed.state


def _expect_readers(session: Session, digest: str) -> None:
    """Enough people read a change that was asked for by passkey on their own machines: cosigners count them too."""
    wanted = sum(intents.get(session, digest=digest).decision.obligations.approvals.values())
    if wanted < FEWEST_WHO_READ:
        raise PasskeyCannotAsk(
            f"the policy asks {wanted} to agree; accepted by passkey is a change that {FEWEST_WHO_READ} agree to",
            field="signature.credential",
            reason="too-few-readers",
        )


def proposed(session: Session, *, digest: str) -> Proposal:
    """The version that an intent names. Raises ``UnknownProposal``."""
    row = session.get(ProposalRow, digest)
    if row is None:
        raise UnknownProposal("no change of the rules of that digest", field="digest")
    return Proposal.parse(row.document, field="proposal")


def _close_rivals(session: Session, winner: str, version: int, now: datetime) -> None:
    rows = session.execute(
        select(ProposalRow.digest)
        .where(ProposalRow.version <= version, ProposalRow.digest != winner)
        .order_by(ProposalRow.digest)
    ).scalars()
    for digest in rows.all():
        if intents.get(session, digest=digest, lock=True).state in OPEN and not _was_put_in_force(session, digest):
            _close(session, digest, f"another version {version} is in force", now)


def _was_put_in_force(session: Session, digest: str) -> bool:
    return any(link.proven.intent.digest == digest for link in trust_operations.in_force(session).links)


def _close(session: Session, digest: str, why: str, now: datetime) -> None:
    approvals.close(session, digest=digest, state="withdrawn", actor="succession", now=now)
    audit.record(session, event="change.closed", subject=digest, actor="succession", now=now, facts={"why": why})
