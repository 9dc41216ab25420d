"""Filing intents, and recording what people say of them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import select, text, update
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session

from custody.approvals import passkeys, queries
from custody.approvals.tables import PENDING, ApprovalRow, IntentRow
from custody.approvals.telling import tell
from custody.audit import operations as audit
from custody.evidence.approvals import Approval, ApprovalRefused, check_approval
from custody.evidence.authorship import AuthorSignature
from custody.evidence.intents import Intent
from custody.evidence.passkeys import Assertion
from custody.evidence.requests import Request, RuleChange, SweepRequest, WithdrawalRequest
from custody.evidence.trust_root import TrustRoot
from custody.kernel.canonical import digest as digest_of
from custody.kernel.errors import Conflict, Refused
from custody.outbox import operations as outbox
from custody.windows import operations as windows
from policies.decision import Decision, Outcome
from policies.facts import Facts
from policies.tally import whose_word_counts

APPROVED: Final = "intents.approved"
REJECTED: Final = "intents.rejected"
PATIENCE_MILLISECONDS: Final = 2_000
"""How long a call waits for another one with its key."""
_LOCK_NOT_AVAILABLE: Final = "55P03"
_PAID_OUT: Final = (WithdrawalRequest.kind, SweepRequest.kind)


class IdempotencyMismatch(Refused):
    """The key was used with another body; names the first field that differs. HTTP 422."""

    code = "idempotency-mismatch"


class KeyInFlight(Conflict):
    """Another call with this idempotency key is still being answered. Ask again; HTTP 409 with ``Retry-After``."""

    code = "idempotency-in-flight"
    retryable = True


class NotWaiting(Conflict):
    """The intent is not waiting for people any more."""

    code = "not-waiting"


class AlreadySpoken(Conflict):
    """One person has already given a verdict on the intent that stands, or used the nonce."""

    code = "already-spoken"


def earlier(session: Session, *, request: Request) -> queries.FiledIntent | None:
    """What the same requester asked under the same key before: the same body, or ``IdempotencyMismatch`` (I10).

    Holds the key to the end of the unit, so two calls with one key run one after the other. Raises ``KeyInFlight``
    where the other takes longer than ``PATIENCE_MILLISECONDS``.
    """
    _hold_key(session, f"intent:{request.requester}:{request.idempotency_key}")
    found = queries.by_key(session, requester=request.requester, idempotency_key=request.idempotency_key)
    if found is None or found.request_hash == request_hash(request):
        return found
    differing = _first_difference(found.intent.request.to_json(), request.to_json())
    raise IdempotencyMismatch(
        "this idempotency key was used with another body", field=f"request.{differing}", digest=found.digest
    )


def file_intent(
    session: Session, *, intent: Intent, signature: AuthorSignature, decision: Decision, client: str, now: datetime
) -> str:
    """Store an intent with the policy's decision; returns its state: ``denied``, ``pending`` or ``approved``.

    What asks for nobody, but for a delay or for facts, waits as well: when its time has come the outbox says so.
    """
    state = {Outcome.DENY: "denied", Outcome.REQUIRE: "pending", Outcome.ALLOW: "approved"}[decision.outcome]
    request = intent.request
    row = IntentRow(
        digest=intent.digest,
        kind=intent.kind,
        document=intent.to_json(),
        request_hash=request_hash(request),
        request_signature=signature.to_json(),
        requester=request.requester,
        idempotency_key=request.idempotency_key,
        client_id=client,
        decision=decision.to_json(),
        state=state,
        not_after=request.not_after,
        not_before=now + timedelta(seconds=decision.obligations.delay_seconds),
        created_at=now,
        decided_at=None if state == "pending" else now,
    )
    session.add(row)
    session.flush()
    audit.record(
        session,
        event=f"intent.{state}",
        subject=row.digest,
        actor=request.requester,
        now=now,
        facts={"kind": intent.kind, "client": client, "policy": decision.document_hash},
    )
    tell(session, digest=row.digest, event=state, actor=request.requester, now=now)
    if state != "denied":
        windows.admit(session, digest=row.digest, facts=Facts.from_json(decision.facts))
        _count(session, row.digest, intent.kind, state, now)
    if state == "pending" and not decision.obligations.asks_people:
        filed = queries.get(session, digest=row.digest)
        _decide(session, filed, "approved", APPROVED, f"asked:{row.digest}", now)
    return state


def give(
    session: Session,
    *,
    digest: str,
    approval: Approval,
    root: TrustRoot,
    correlation_id: str,
    now: datetime,
) -> queries.FiledIntent:
    """Record one verdict. When the quorum is met, or a member of a required group rejects, says so by outbox.

    A rejection is heard until the delay is over, also after the quorum was met. Raises ``ApprovalRefused``,
    ``PasskeyRefused`` (``CounterWentBack``: the caller locks the passkey), ``NotWaiting`` or ``AlreadySpoken``.
    """
    filed = queries.get(session, digest=digest, lock=True)
    request = filed.intent.request
    person = check_approval(
        approval,
        digest=digest,
        requester=request.requester,
        request_not_after=request.not_after,
        root=root,
        now=now,
        passkeys=not isinstance(request, RuleChange),
    )
    verdict = approval.statement.verdict
    expect_waiting(filed, verdict=verdict, now=now)
    _refuse_outsider(session, filed, person, root)
    passkeys.hear(session, approval, root=root, now=now)
    _store(session, digest, approval, now)
    facts = {"by": approval.signature.key, "statement": approval.statement.message.hex()}
    _record(session, f"intent.{verdict}", digest, person, now, correlation_id, facts)
    tell(session, digest=digest, event="verdict_given", actor=person, now=now, correlation_id=correlation_id)
    if verdict == "reject":
        _decide(session, filed, "rejected", REJECTED, correlation_id, now)
    elif queries.standing(session, filed, root=root, now=now).met:
        _decide(session, filed, "approved", APPROVED, correlation_id, now)
    return queries.get(session, digest=digest)


def expect_waiting(filed: queries.FiledIntent, *, verdict: str, now: datetime) -> None:
    """Raises ``NotWaiting`` where ``verdict`` would come too late: a no is heard until the delay is over."""
    if filed.state != "pending" and not (verdict == "reject" and _is_delayed(filed, now)):
        raise NotWaiting(f"the intent is {filed.state}", field="digest")


def redecide(session: Session, *, digest: str, decision: Decision, root: TrustRoot, now: datetime) -> str:
    """Store a stricter decision taken later and say where that leaves the intent (I9).

    Returns ``denied``, ``pending`` (more people are needed now), ``delayed`` (a longer delay still runs; its end is
    told by outbox) or ``approved``. What was rejected, has expired or was withdrawn stays so, and that is returned.
    """
    filed = queries.get(session, digest=digest, lock=True)
    if filed.state not in ("pending", "approved"):
        return filed.state
    met = queries.standing(session, filed, root=root, now=now, decision=decision).met
    state = "denied" if decision.outcome is Outcome.DENY else ("approved" if met else "pending")
    wait = filed.created_at + timedelta(seconds=decision.obligations.delay_seconds)
    not_before = max(wait, filed.not_before or wait)
    session.execute(
        update(IntentRow)
        .where(IntentRow.digest == digest)
        .values(
            decision=decision.to_json(),
            state=state,
            not_before=not_before,
            decided_at=None if state == "pending" else now,
        )
    )
    _count(session, digest, filed.intent.kind, state, now)
    if state != filed.state:
        audit.record(session, event=f"intent.{state}", subject=digest, actor="policy", now=now)
        tell(session, digest=digest, event=state, actor="policy", now=now)
    if state == "approved" and now < not_before:
        _tell(session, digest, filed.intent.kind, APPROVED, "", now, not_before - now)
        return "delayed"
    return state


def announce(session: Session, *, digest: str, correlation_id: str, now: datetime) -> None:
    """Say that an approved intent is to be carried out, once its delay is over."""
    _say(session, queries.get(session, digest=digest), "approved", APPROVED, correlation_id, now)


def close(session: Session, *, digest: str, state: str, actor: str, now: datetime) -> None:
    """The intent is over: ``expired`` or ``withdrawn``."""
    session.execute(update(IntentRow).where(IntentRow.digest == digest).values(state=state, decided_at=now))
    windows.release(session, digest=digest, now=now)
    audit.record(session, event=f"intent.{state}", subject=digest, actor=actor, now=now)
    tell(session, digest=digest, event=state, actor=actor, now=now)


def expire_overdue(session: Session, *, now: datetime) -> list[str]:
    """End every intent whose people did not agree in time, but what its room ends with its hold."""
    rows = session.execute(
        select(IntentRow)
        .where(PENDING, IntentRow.not_after < now, IntentRow.kind.not_in(_PAID_OUT))
        .order_by(IntentRow.digest)
        .with_for_update(skip_locked=True)
    ).scalars()
    digests = [row.digest for row in rows]
    for digest in digests:
        close(session, digest=digest, state="expired", actor="clock", now=now)
    return digests


def carried_out(session: Session, *, digest: str, actor: str, now: datetime) -> None:
    """The intent took effect, in this unit: it is not carried out again."""
    session.execute(update(IntentRow).where(IntentRow.digest == digest).values(carried_out_at=now))
    audit.record(session, event="intent.carried_out", subject=digest, actor=actor, now=now)
    tell(session, digest=digest, event="carried_out", actor=actor, now=now)


def remind(session: Session, filed: queries.FiledIntent, *, due: datetime, now: datetime) -> None:
    """Say again, at ``due``, that the intent is approved: its delay is longer than it was when people agreed."""
    payload = {"digest": filed.digest, "kind": filed.intent.kind}
    outbox.emit(
        session, topic=APPROVED, payload=payload, correlation_id=f"due:{filed.digest}", now=now, delay=due - now
    )


def request_hash(request: Request) -> str:
    """What an idempotency key is bound to: the digest of the request part."""
    return digest_of("request-body", request.to_json())


def _hold_key(session: Session, key: str) -> None:
    """A lock that is free costs one statement; one that is not is waited for, so that most retries see the answer."""
    if session.execute(text("SELECT pg_try_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": key}).scalar_one():
        return
    session.execute(text(f"SET LOCAL lock_timeout = {PATIENCE_MILLISECONDS}"))
    try:
        session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": key})
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
            raise
        raise KeyInFlight("a call with this idempotency key is still being answered", field="request") from error
    session.execute(text("SET LOCAL lock_timeout = 0"))


def _is_delayed(filed: queries.FiledIntent, now: datetime) -> bool:
    return filed.state == "approved" and filed.not_before is not None and now < filed.not_before


def _decide(
    session: Session, filed: queries.FiledIntent, state: str, topic: str, correlation_id: str, now: datetime
) -> None:
    session.execute(update(IntentRow).where(IntentRow.digest == filed.digest).values(state=state, decided_at=now))
    tell(session, digest=filed.digest, event=state, actor="policy", now=now, correlation_id=correlation_id)
    _count(session, filed.digest, filed.intent.kind, state, now)
    _say(session, filed, state, topic, correlation_id, now)


def _say(
    session: Session, filed: queries.FiledIntent, state: str, topic: str, correlation_id: str, now: datetime
) -> None:
    wait = max(filed.not_before - now, timedelta(0)) if filed.not_before and state == "approved" else timedelta(0)
    _tell(session, filed.digest, filed.intent.kind, topic, correlation_id, now, wait)


def _tell(
    session: Session, digest: str, kind: str, topic: str, correlation_id: str, now: datetime, wait: timedelta
) -> None:
    payload = {"digest": digest, "kind": kind}
    outbox.emit(session, topic=topic, payload=payload, correlation_id=correlation_id, now=now, delay=wait)


def _record(
    session: Session, event: str, digest: str, person: str, now: datetime, correlation_id: str, facts: dict[str, str]
) -> None:
    audit.record(
        session, event=event, subject=digest, actor=person, now=now, correlation_id=correlation_id, facts=facts
    )


def _refuse_outsider(session: Session, filed: queries.FiledIntent, person: str, root: TrustRoot) -> None:
    members, obligations = queries.members(session, filed, root=root), filed.decision.obligations
    heard = whose_word_counts(obligations, members, queries.roles_of(session, filed.decision))
    if not obligations.approvals and not obligations.roles:
        # Where the policy asks for nobody but for time, whoever is in some group may use that time to say no.
        heard = frozenset().union(*members.values())
    if person not in heard:
        raise ApprovalRefused("is by nobody the policy asks", field="approval.statement.approver", reason="outsider")


def _count(session: Session, digest: str, kind: str, state: str, now: datetime) -> None:
    """Tell the windows: what was refused counts no more, and what no room carries further is done once approved."""
    if state in ("denied", "rejected"):
        windows.release(session, digest=digest, now=now)
    elif state == "approved" and kind not in windows.CARRIED:
        windows.finish(session, digest=digest, now=now)


def _store(session: Session, digest: str, approval: Approval, now: datetime) -> None:
    statement, by_passkey = approval.statement, isinstance(approval.signature, Assertion)
    row = ApprovalRow(
        digest=digest,
        approver=statement.approver,
        verdict=statement.verdict,
        nonce=statement.nonce,
        document=approval.to_json(),
        given_at=now,
        not_after=statement.not_after,
        credential=approval.signature.key if by_passkey else None,
        challenge=statement.message.hex() if by_passkey else None,
    )
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError as error:
        raise AlreadySpoken("this person has spoken on this intent, or used this nonce before") from error


def _first_difference(stored: dict[str, Any], sent: dict[str, Any]) -> str:
    return next((key for key in sent if stored.get(key) != sent[key]), "kind")
