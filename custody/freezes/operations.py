"""Asking to stop something or to let it go, and doing it once the policy's people agreed.

Stopping takes effect in the unit it is agreed in. Letting go lifts what had begun when it was asked for, and nothing
that began later: nobody agreed to that.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from custody.approvals import asking
from custody.approvals import operations as approvals
from custody.approvals.asking import Asked
from custody.audit import operations as audit
from custody.clients import operations as clients
from custody.clients import queries as client_queries
from custody.deposits import operations as deposits
from custody.deposits import queries as deposit_queries
from custody.evidence.authorship import AuthorSignature
from custody.evidence.requests import FreezeRequest, UnfreezeRequest
from custody.kernel.errors import Conflict, InvalidInput, Refused
from custody.ledger import queries as ledger
from custody.stops import operations as stops
from custody.stops import queries
from custody.stops.model import EVERYTHING, Cause
from custody.trust.operations import InForce
from custody.vaults import operations as vaults
from custody.vaults import queries as vault_queries

LIFTED: Final = {
    "client": (Cause.PEOPLE, Cause.REORG),
    "vault": (Cause.PEOPLE, Cause.RULES),
    "asset": (Cause.PEOPLE,),
    EVERYTHING: (Cause.PEOPLE,),
}
"""What an unfreeze lifts. A break is lifted by the intent that resolves it, and by nothing else."""


class NotFrozen(Conflict):
    """There is nothing to lift."""

    code = "not-frozen"


class CannotLift(Refused):
    """What stopped it stands still, and has to go first."""

    code = "cannot-lift"


def request_freeze(
    session: Session, *, request: FreezeRequest, signature: AuthorSignature, trust: InForce, now: datetime
) -> Asked:
    """File the intent to stop something; it is stopped at once where the policy asks for nobody.

    What is frozen already may be frozen again. Raises ``RequestRefused``, ``InvalidInput``, ``UnknownClient``,
    ``UnknownVault``, ``Denied``, ``IdempotencyMismatch``; then nothing is written.
    """
    before = asking.before(session, request=request, signature=signature, trust=trust, now=now)
    if before is not None:
        return before
    _expect_there(session, request, trust)
    asked = asking.ask(session, request=request, signature=signature, trust=trust, now=now)
    if asked.state == "approved":
        freeze(session, digest=asked.digest, trust=trust, now=now)
    return asked


def request_unfreeze(
    session: Session, *, request: UnfreezeRequest, signature: AuthorSignature, trust: InForce, now: datetime
) -> Asked:
    """File the intent to let something go again.

    Raises as ``request_freeze`` does, ``NotFrozen``, and ``CannotLift`` where what stopped it has to go first.
    """
    before = asking.before(session, request=request, signature=signature, trust=trust, now=now)
    if before is not None:
        return before
    _expect_there(session, request, trust)
    _expect_liftable(session, request)
    asked = asking.ask(session, request=request, signature=signature, trust=trust, now=now)
    if asked.state == "approved":
        unfreeze(session, digest=asked.digest, trust=trust, now=now)
    return asked


def freeze(session: Session, *, digest: str, trust: InForce, now: datetime) -> None:
    """Stop what the approved intent names. Doing it again changes nothing, also after it was let go."""
    filed = asking.agreed(session, digest=digest, trust=trust, now=now)
    request = None if filed is None else filed.intent.request
    if not isinstance(request, FreezeRequest):
        return
    reason, actor = f"{request.purpose} ({request.requester})", request.requester
    # The row that units lock comes first, the stop after it: in the order in which those units look.
    if request.scope == "client":
        clients.note_stopped(session, client=request.subject, reason=reason, actor=actor, now=now)
    if request.scope == "vault":
        vaults.note_stopped(session, vault=request.subject, cause=Cause.PEOPLE, reason=reason, actor=actor, now=now)
    scope, subject = request.scope, request.subject
    stops.put(session, scope=scope, subject=subject, cause=Cause.PEOPLE, reason=reason, digest=digest, now=now)
    facts = {"intent": digest, "reason": reason}
    audit.record(session, event=f"{scope}.stopped", subject=subject, actor=actor, now=now, facts=facts)
    audit.raise_alarm(session, kind="frozen", subject=f"{scope}:{subject}", step=digest, why=reason, now=now)
    approvals.carried_out(session, digest=digest, actor=actor, now=now)


def unfreeze(session: Session, *, digest: str, trust: InForce, now: datetime) -> None:
    """Let go what the approved intent names, as far as it had been stopped when that was asked for. Idempotent.

    Where what stopped it came back meanwhile, nothing is lifted and the intent is over.
    """
    filed = asking.agreed(session, digest=digest, trust=trust, now=now)
    request = None if filed is None else filed.intent.request
    if filed is None or not isinstance(request, UnfreezeRequest):
        return
    try:
        _expect_liftable(session, request)
    except (NotFrozen, CannotLift) as error:
        facts = {"intent": digest, "why": str(error)}
        audit.record(session, event="stop.stays", subject=request.subject, actor="freezes", now=now, facts=facts)
        approvals.close(session, digest=digest, state="withdrawn", actor="freezes", now=now)
        return
    _lift(session, request, digest, filed.created_at, now)


def _lift(session: Session, request: UnfreezeRequest, digest: str, begun_by: datetime, now: datetime) -> None:
    scope, subject, actor = request.scope, request.subject, request.requester
    if scope == "client":
        client_queries.get(session, client=subject, lock=True)
    if scope == "vault":
        vault_queries.get(session, vault=subject, lock=True)
    lifted = stops.lift(
        session, scope=scope, subject=subject, causes=LIFTED[scope], begun_by=begun_by, digest=digest, now=now
    )
    if scope == "client":
        clients.note_lifted(session, client=subject, actor=actor, now=now)
    if scope == "vault":
        vaults.note_lifted(session, vault=subject, actor=actor, now=now)
    if scope == "asset" and deposits.lift_suspension(
        session, asset=subject, begun_by=begun_by, actor=actor, digest=digest, now=now
    ):
        lifted += 1
    facts = {"intent": digest, "lifted": lifted}
    audit.record(session, event=f"{scope}.let_go", subject=subject, actor=actor, now=now, facts=facts)
    approvals.carried_out(session, digest=digest, actor=actor, now=now)


def _expect_there(session: Session, request: FreezeRequest | UnfreezeRequest, trust: InForce) -> None:
    subject = request.subject
    if request.scope == "client":
        client_queries.get(session, client=subject)
    elif request.scope == "vault":
        vault_queries.get(session, vault=subject)
    elif request.scope == "asset":
        if trust.root.asset(subject) is None:
            raise InvalidInput("not a registered asset; accepted is a CAIP-19 id", field="request.subject")
    elif subject != EVERYTHING:
        raise InvalidInput(f"accepted is {EVERYTHING}, where the scope is", field="request.subject")


def _expect_liftable(session: Session, request: UnfreezeRequest) -> None:
    """Something stands that this may lift, and nothing that has to go in another way first."""
    scope, subject = request.scope, request.subject
    standing = queries.standing(session, scope=scope, subject=subject)
    if any(stop.cause is Cause.BREAK for stop in standing):
        raise CannotLift("a break stands; accepted is a break_resolution first", field="request.subject")
    if any(stop.cause is Cause.REORG for stop in standing):
        _expect_no_deficit(session, subject)
    is_suspended = scope == "asset" and subject in deposit_queries.suspended(session)
    if not standing and not is_suspended:
        raise NotFrozen("is not frozen", field="request.subject")


def _expect_no_deficit(session: Session, client: str) -> None:
    """What a reorg left the client owing is repaid, or written off by an entry that people agreed to (I2)."""
    owed = ledger.deficits(session, client=client)
    if owed:
        said = ", ".join(f"{units} base units of {asset}" for asset, units in sorted(owed.items()))
        raise CannotLift(f"a reorg left the client owing {said}", field="request.subject")
