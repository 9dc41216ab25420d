"""Resolving a break: people say by an intent that it is explained, or that it was corrected, and its vault goes on.

What is explained stays known while the difference stays as it is. What is said to be corrected and is not, the next
comparison finds again, as a break of its own.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from custody.approvals import asking
from custody.approvals import operations as approvals
from custody.approvals.asking import Asked
from custody.audit import operations as audit
from custody.evidence.authorship import AuthorSignature
from custody.evidence.requests import BreakResolutionRequest
from custody.kernel.errors import Conflict, Refused
from custody.reconciliation import queries
from custody.reconciliation.operations import tell
from custody.reconciliation.queries import StoredBreak
from custody.reconciliation.tables import ResolutionRow
from custody.stops import operations as stops
from custody.stops.model import Cause
from custody.trust.operations import InForce
from custody.vaults import operations as vaults
from custody.vaults import queries as vault_queries

INEXPLICABLE: Final = ("rules-are-the-keysets", "movements-are-the-coins", "trial-balances")
"""Checks whose difference no words make good: who rules a vault (I15), and our own tables."""


class BreakResolved(Conflict):
    """The break was resolved already."""

    code = "break-resolved"


class NotExplicable(Refused):
    """A break of this check is corrected, or its vault stays as it is."""

    code = "not-explicable"


def request_resolution(
    session: Session, *, request: BreakResolutionRequest, signature: AuthorSignature, trust: InForce, now: datetime
) -> Asked:
    """File the intent to resolve a break. Raises ``RequestRefused``, ``UnknownBreak``, ``BreakResolved``,
    ``NotExplicable``, ``Denied``, ``IdempotencyMismatch``; then nothing is written.
    """
    before = asking.before(session, request=request, signature=signature, trust=trust, now=now)
    if before is not None:
        return before
    _resolvable(session, request)
    asked = asking.ask(session, request=request, signature=signature, trust=trust, now=now)
    if asked.state == "approved":
        resolve(session, digest=asked.digest, trust=trust, now=now)
    return asked


def resolve(session: Session, *, digest: str, trust: InForce, now: datetime) -> None:
    """Resolve the break the approved intent names; its vault goes on once no other break of it is open. Idempotent."""
    filed = asking.agreed(session, digest=digest, trust=trust, now=now)
    request = None if filed is None else filed.intent.request
    if not isinstance(request, BreakResolutionRequest):
        return
    vault = queries.get_break(session, break_id=request.subject).said.vault
    vault_queries.get(session, vault=vault, lock=True)
    if not queries.get_break(session, break_id=request.subject).is_open:
        approvals.close(session, digest=digest, state="withdrawn", actor="reconciliation", now=now)
        return
    session.add(
        ResolutionRow(
            break_id=request.subject,
            digest=digest,
            resolution=request.resolution,
            reason=request.purpose,
            resolved_at=now,
        )
    )
    session.flush()
    facts = {"intent": digest, "resolution": request.resolution, "vault": vault}
    audit.record(
        session, event="break.resolved", subject=request.subject, actor=request.requester, now=now, facts=facts
    )
    data = queries.get_break(session, break_id=request.subject).to_json()
    tell(session, kind="break", subject=request.subject, event="resolved", data=data, actor=request.requester, now=now)
    if not queries.open_breaks(session, vault=vault):
        stops.lift(session, scope="vault", subject=vault, causes=[Cause.BREAK], begun_by=now, digest=digest, now=now)
        vaults.note_lifted(session, vault=vault, actor=request.requester, now=now)
    approvals.carried_out(session, digest=digest, actor=request.requester, now=now)


def _resolvable(session: Session, request: BreakResolutionRequest) -> StoredBreak:
    found = queries.get_break(session, break_id=request.subject)
    if not found.is_open:
        raise BreakResolved(f"the break was {found.resolution}", field="request.subject")
    if request.resolution == "explained" and found.said.check in INEXPLICABLE:
        raise NotExplicable(
            f"a break of {found.said.check} is not explained away; accepted is corrected", field="request.resolution"
        )
    return found
