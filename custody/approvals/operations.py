"""Filing intents, and recording what people say of them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from custody.approvals import queries
from custody.approvals.tables import PENDING, ApprovalRow, IntentRow
from custody.audit import operations as audit
from custody.evidence.approvals import Approval, ApprovalRefused, check_approval
from custody.evidence.intents import Intent
from custody.evidence.requests import Request, RuleChange
from custody.evidence.signatures import Signature
from custody.evidence.trust_root import TrustRoot
from custody.kernel.canonical import digest as digest_of
from custody.kernel.errors import Conflict, Refused
from custody.outbox import operations as outbox
from custody.windows import operations as windows
from policies.decision import Decision, Outcome
from policies.facts import Facts

APPROVED: Final = "intents.approved"
REJECTED: Final = "intents.rejected"


class IdempotencyMismatch(Refused):
    """The key was used with another body; names the first field that differs. HTTP 422."""

    code = "idempotency-mismatch"


class NotWaiting(Conflict):
    """The intent is not waiting for people any more."""

    code = "not-waiting"


class AlreadySpoken(Conflict):
    """One person has already given a verdict on the intent, or used the nonce."""

    code = "already-spoken"


def earlier(session: Session, *, request: Request) -> queries.FiledIntent | None:
    """What the same requester asked under the same key before: the same body, or ``IdempotencyMismatch`` (I10).

    Holds the key to the end of the unit, so two calls with one key run one after the other.
    """
    session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"),
        {"key": f"intent:{request.requester}:{request.idempotency_key}"},
    )
    found = queries.by_key(session, requester=request.requester, idempotency_key=request.idempotency_key)
    if found is None or found.request_hash == request_hash(request):
        return found
    differing = _first_difference(found.intent.request.to_json(), request.to_json())
    raise IdempotencyMismatch(
        "this idempotency key was used with another body", field=f"request.{differing}", digest=found.digest
    )


def file_intent(
    session: Session, *, intent: Intent, signature: Signature, decision: Decision, client: str, now: datetime
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

    Raises ``ApprovalRefused``, ``NotWaiting`` or ``AlreadySpoken``.
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
        # A passkey shows no text: the rules change by what was read, and by digests computed, where the key is.
        passkeys=not isinstance(request, RuleChange),
    )
    if filed.state != "pending":
        raise NotWaiting(f"the intent is {filed.state}", field="digest")
    _refuse_outsider(filed.decision, person, root)
    _store(session, digest, approval, now)
    audit.record(
        session,
        event=f"intent.{approval.statement.verdict}",
        subject=digest,
        actor=person,
        now=now,
        correlation_id=correlation_id,
    )
    if approval.statement.verdict == "reject":
        _decide(session, filed, "rejected", REJECTED, correlation_id, now)
    elif queries.tally(
        filed.decision, queries.given(session, digest=digest), root=root, requester=request.requester, at=now
    ).met:
        _decide(session, filed, "approved", APPROVED, correlation_id, now)
    return queries.get(session, digest=digest)


def redecide(session: Session, *, digest: str, decision: Decision, root: TrustRoot, now: datetime) -> str:
    """Store a stricter decision taken later and say where that leaves the intent (I9).

    Returns ``denied``, ``pending`` (more people are needed now) or ``approved``.
    """
    filed = queries.get(session, digest=digest, lock=True)
    request = filed.intent.request
    met = queries.tally(
        decision, queries.given(session, digest=digest), root=root, requester=request.requester, at=now
    ).met
    state = "denied" if decision.outcome is Outcome.DENY else ("approved" if met else "pending")
    session.execute(
        update(IntentRow)
        .where(IntentRow.digest == digest)
        .values(decision=decision.to_json(), state=state, decided_at=None if state == "pending" else now)
    )
    _count(session, digest, filed.intent.kind, state, now)
    if state != filed.state:
        audit.record(session, event=f"intent.{state}", subject=digest, actor="policy", now=now)
    return state


def announce(session: Session, *, digest: str, correlation_id: str, now: datetime) -> None:
    """Say that an approved intent is to be carried out, once its delay is over."""
    _say(session, queries.get(session, digest=digest), "approved", APPROVED, correlation_id, now)


def close(session: Session, *, digest: str, state: str, actor: str, now: datetime) -> None:
    """The intent is over: ``expired`` or ``withdrawn``."""
    session.execute(update(IntentRow).where(IntentRow.digest == digest).values(state=state, decided_at=now))
    windows.release(session, digest=digest, now=now)
    audit.record(session, event=f"intent.{state}", subject=digest, actor=actor, now=now)


def overdue(session: Session, *, now: datetime) -> list[str]:
    """Digests of intents that wait for people although their time is over."""
    rows = session.execute(select(IntentRow.digest).where(PENDING, IntentRow.not_after < now))
    return list(rows.scalars())


def request_hash(request: Request) -> str:
    """What an idempotency key is bound to: the digest of the request part."""
    return digest_of("request-body", request.to_json())


def _decide(
    session: Session, filed: queries.FiledIntent, state: str, topic: str, correlation_id: str, now: datetime
) -> None:
    session.execute(update(IntentRow).where(IntentRow.digest == filed.digest).values(state=state, decided_at=now))
    _count(session, filed.digest, filed.intent.kind, state, now)
    _say(session, filed, state, topic, correlation_id, now)


def _say(
    session: Session, filed: queries.FiledIntent, state: str, topic: str, correlation_id: str, now: datetime
) -> None:
    wait = max(filed.not_before - now, timedelta(0)) if filed.not_before and state == "approved" else timedelta(0)
    payload = {"digest": filed.digest, "kind": filed.intent.kind}
    outbox.emit(session, topic=topic, payload=payload, correlation_id=correlation_id, now=now, delay=wait)


def _count(session: Session, digest: str, kind: str, state: str, now: datetime) -> None:
    """Tell the windows: what was refused counts no more, and what no room carries further is done once approved."""
    if state in ("denied", "rejected"):
        windows.release(session, digest=digest, now=now)
    elif state == "approved" and kind not in windows.CARRIED:
        windows.finish(session, digest=digest, now=now)


def _refuse_outsider(decision: Decision, person: str, root: TrustRoot) -> None:
    asked = decision.obligations.approvals
    if not any(person in root.groups.get(group, ()) for group in asked):
        raise ApprovalRefused("is by nobody the policy asks", field="approval.statement.approver")


def _store(session: Session, digest: str, approval: Approval, now: datetime) -> None:
    statement = approval.statement
    row = ApprovalRow(
        digest=digest,
        approver=statement.approver,
        verdict=statement.verdict,
        nonce=statement.nonce,
        document=approval.to_json(),
        given_at=now,
    )
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError as error:
        raise AlreadySpoken("this person has spoken on this intent, or used this nonce before") from error


def _first_difference(stored: dict[str, Any], sent: dict[str, Any]) -> str:
    return next((key for key in sent if stored.get(key) != sent[key]), "kind")
