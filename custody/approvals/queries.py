"""Reading intents: what they say, what the policy said, who has spoken and who is missing."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import and_, or_, select, tuple_
from sqlalchemy.orm import Session

from custody.approvals.tables import DELAYED, PENDING, TAKEN_BACK, ApprovalRow, IntentRow, ReasonRow
from custody.evidence.approvals import Approval
from custody.evidence.authorship import AuthorSignature, parse_author_signature
from custody.evidence.intents import Intent
from custody.evidence.proven import ProvenIntent
from custody.evidence.trust_root import TrustRoot
from custody.kernel.errors import Broken, NotFound
from custody.operators import queries as operators
from custody.trust.history import root_at
from custody.trust.operations import in_force
from policies.decision import Decision, Outcome
from policies.tally import Tally, satisfied

PAYMENTS: Final = ("withdrawal", "respend", "stray_return", "sweep")
A_WHILE: Final = timedelta(days=1)
"""Clocks differ, and programs outside are not always on."""


class UnknownIntent(NotFound):
    """No intent of that digest."""

    code = "unknown-intent"


class IntentTampered(Broken):
    """A stored intent no longer has the digest it is filed under (P-043)."""

    code = "intent-tampered"


@dataclass(frozen=True, slots=True)
class FiledIntent:
    """An intent as it is stored; ``intent`` was re-read from the document and its digest checked."""

    digest: str
    intent: Intent
    request_signature: AuthorSignature
    request_hash: str
    decision: Decision
    state: str
    client: str
    not_after: datetime
    not_before: datetime | None
    created_at: datetime
    carried_out_at: datetime | None = None
    """When it took effect, of the kinds that say so."""


def get(session: Session, *, digest: str, lock: bool = False) -> FiledIntent:
    """The intent of that digest. Raises ``UnknownIntent``; ``IntentTampered`` if the row was altered."""
    query = select(IntentRow).where(IntentRow.digest == digest)
    row = session.execute(query.with_for_update() if lock else query).scalar_one_or_none()
    if row is None:
        raise UnknownIntent("no such intent", field="digest")
    return view(row)


def among(session: Session, *, digests: Collection[str]) -> dict[str, FiledIntent]:
    """The intents of these digests, by digest. Raises ``IntentTampered`` as ``get`` does."""
    rows = session.execute(select(IntentRow).where(IntentRow.digest.in_(sorted(set(digests))))).scalars()
    return {row.digest: view(row) for row in rows}


def pending_among(session: Session, *, digests: Collection[str]) -> frozenset[str]:
    """Those of these digests whose intents still wait for people."""
    if not digests:
        return frozenset()
    waiting = select(IntentRow.digest).where(PENDING, IntentRow.digest.in_(sorted(set(digests))))
    return frozenset(session.execute(waiting).scalars())


def by_key(session: Session, *, requester: str, idempotency_key: str) -> FiledIntent | None:
    """What this requester asked for under this key, if anything."""
    row = session.execute(
        select(IntentRow).where(IntentRow.requester == requester, IntentRow.idempotency_key == idempotency_key)
    ).scalar_one_or_none()
    return view(row) if row else None


def waiting(session: Session, *, limit: int = 200) -> list[FiledIntent]:
    """Intents that wait for people, oldest first."""
    rows = session.execute(select(IntentRow).where(PENDING).order_by(IntentRow.created_at).limit(limit)).scalars()
    return [view(row) for row in rows]


def vetoable(session: Session, *, now: datetime, limit: int = 200) -> list[FiledIntent]:
    """Intents people agreed to whose delay still runs, so that they can be vetoed: the soonest first."""
    found = select(IntentRow).where(DELAYED, IntentRow.not_before > now).order_by(IntentRow.not_before).limit(limit)
    return [view(row) for row in session.execute(found).scalars()]


def under_way(session: Session, *, now: datetime) -> list[FiledIntent]:
    """Intents that wait for people, or for the end of their delay, oldest first."""
    waits = and_(IntentRow.state == "approved", IntentRow.not_before > now)
    rows = session.execute(select(IntentRow).where(or_(PENDING, waits)).order_by(IntentRow.created_at)).scalars()
    return [view(row) for row in rows]


def under_way_page(
    session: Session, *, after: tuple[datetime, str] | None, limit: int, now: datetime
) -> list[FiledIntent]:
    """The next ``limit`` that wait for people, or for the end of their delay, the earliest end of their time first."""
    query = select(IntentRow).where(or_(PENDING, and_(DELAYED, IntentRow.not_before > now)))
    if after is not None:
        query = query.where(tuple_(IntentRow.not_after, IntentRow.digest) > (after[0], after[1]))
    rows = session.execute(query.order_by(IntentRow.not_after, IntentRow.digest).limit(limit)).scalars()
    return [view(row) for row in rows]


def delayed(session: Session, *, now: datetime, limit: int = 1_000) -> list[FiledIntent]:
    """Intents whose decision has a delay, from when they were asked for until it is over, oldest first."""
    waits = and_(IntentRow.state.in_(("pending", "approved")), IntentRow.not_before > IntentRow.created_at)
    there = and_(waits, IntentRow.not_before > now - A_WHILE)
    rows = session.execute(select(IntentRow).where(there).order_by(IntentRow.created_at).limit(limit)).scalars()
    return [view(row) for row in rows]


def agreed(session: Session, *, kinds: Sequence[str], limit: int = 1_000) -> list[str]:
    """Digests of intents of these kinds that were agreed to, the newest ``limit`` of them, oldest first."""
    query = select(IntentRow.digest).where(IntentRow.kind.in_(kinds), IntentRow.state == "approved")
    rows = session.execute(query.order_by(IntentRow.decided_at.desc()).limit(limit)).scalars().all()
    return list(reversed(rows))


def withdrawn(session: Session, *, now: datetime) -> list[str]:
    """Digests of intents that were rejected or cancelled and could still be presented to a cosigner.

    A payment cannot, once its time is over; an opening and a change of the rules outlive their request.
    """
    still = or_(IntentRow.not_after > now - A_WHILE, IntentRow.kind.not_in(PAYMENTS))
    query = select(IntentRow.digest).where(TAKEN_BACK, still).order_by(IntentRow.digest)
    return list(session.execute(query).scalars())


def rejections(session: Session, *, now: datetime, limit: int = 1_000) -> list[tuple[Intent, Approval]]:
    """The signed no to each of the newest ``limit`` rejected intents that could still be presented to a cosigner.

    Whoever keeps it needs no daemon's word for it.
    """
    still = or_(IntentRow.not_after > now - A_WHILE, IntentRow.kind.not_in(PAYMENTS))
    query = select(IntentRow, ApprovalRow.document).join(ApprovalRow, ApprovalRow.digest == IntentRow.digest)
    rows = session.execute(
        query.where(TAKEN_BACK, IntentRow.state == "rejected", ApprovalRow.verdict == "reject", still)
        .order_by(IntentRow.decided_at.desc())
        .limit(limit)
    )
    return [(view(row).intent, Approval.parse(document)) for row, document in rows]


def given(session: Session, *, digest: str) -> list[Approval]:
    """Every verdict given on ``digest``, oldest first."""
    rows = session.execute(
        select(ApprovalRow.document).where(ApprovalRow.digest == digest).order_by(ApprovalRow.id)
    ).scalars()
    return [Approval.parse(document) for document in rows]


def reasons(session: Session, *, digest: str) -> dict[str, str]:
    """Why people said no on ``digest``, by name, as they wrote it beside their verdict: it is signed by nobody."""
    verdicts = and_(ApprovalRow.challenge == ReasonRow.challenge, ApprovalRow.verdict == "reject")
    query = select(ReasonRow.approver, ReasonRow.reason).join(ApprovalRow, verdicts).where(ReasonRow.digest == digest)
    return {row.approver: row.reason for row in session.execute(query)}


def proven(session: Session, *, digest: str, root: TrustRoot | None = None) -> ProvenIntent:
    """The intent with everything that proves it: what goes into a bundle.

    With ``root``, without what was said with keys that it does not know (any more): that counts for nothing.
    """
    filed = get(session, digest=digest)
    said = given(session, digest=digest)
    if root is not None:
        said = [approval for approval in said if _is_held(approval, root)]
    return ProvenIntent(filed.intent, filed.request_signature, tuple(said))


def tally(
    decision: Decision,
    approvals: Sequence[Approval],
    *,
    root: TrustRoot,
    requester: str,
    at: datetime | None = None,
    groups: Mapping[str, Collection[str]] | None = None,
    roles: Mapping[str, Collection[str]] | None = None,
    locked: Collection[str] = (),
) -> Tally:
    """Who counts, who is missing, whether it is met: each human once, never the requester (I8).

    ``at`` leaves out what has expired by then and keys that ``root`` holds no more, as a cosigner will; None shows
    whoever has spoken. ``groups`` are the members that count (``members``), ``root``'s without it; by ``locked``
    passkeys nothing counts. Who holds which of ``roles`` is the policy's to say.
    """
    who = [
        item.statement.approver
        for item in approvals
        if item.statement.verdict == "approve"
        and item.signature.key not in locked
        and (at is None or (at <= item.statement.not_after and _is_held(item, root)))
    ]
    if decision.outcome is Outcome.DENY:
        return Tally(approved=(), missing={}, met=False)
    counts = root.groups if groups is None else groups
    return satisfied(decision.obligations, counts, who, initiator=requester, roles=roles)


def members(session: Session, filed: FiledIntent, *, root: TrustRoot) -> dict[str, frozenset[str]]:
    """Of each group: who is in it under ``root`` and was already when the intent was asked for."""
    before = root_at(session, at=filed.created_at, newest=root).groups
    return {group: frozenset(now) & frozenset(before.get(group, ())) for group, now in root.groups.items()}


def standing(
    session: Session, filed: FiledIntent, *, root: TrustRoot, now: datetime, decision: Decision | None = None
) -> Tally:
    """How far ``filed`` has got under ``decision`` (its own without one), counting what a sign gate counts now."""
    chosen = decision or filed.decision
    return tally(
        chosen,
        given(session, digest=filed.digest),
        root=root,
        requester=filed.intent.request.requester,
        at=now,
        groups=members(session, filed, root=root),
        roles=roles_of(session, chosen),
        locked=operators.locked(session),
    )


def missing_people(
    session: Session, filed: FiledIntent, tally: Tally, *, root: TrustRoot
) -> dict[str, tuple[str, ...]]:
    """Of each group or role that misses somebody: whose approval would count, by name."""
    counts, roles = members(session, filed, root=root), roles_of(session, filed.decision)
    out = {filed.intent.request.requester, *tally.approved}
    missing = {group: counts.get(group, frozenset()) for group in tally.missing}
    missing |= {role: frozenset(roles.get(role, ())) for role in tally.missing_roles}
    return {name: tuple(sorted(people - out)) for name, people in missing.items()}


def roles_of(session: Session, decision: Decision) -> Mapping[str, Collection[str]]:
    """Who holds which role, by the policy in force; empty where ``decision`` asks for none."""
    return in_force(session).policy.roles if decision.obligations.roles else {}


def _is_held(approval: Approval, root: TrustRoot) -> bool:
    person, key = approval.statement.approver, approval.signature.key
    return root.operator_key(person, key) is not None or root.operator_credential(person, key) is not None


def view(row: IntentRow) -> FiledIntent:
    """The stored row, read again and its digest checked. Raises ``IntentTampered``."""
    return FiledIntent(
        digest=row.digest,
        intent=checked(row.digest, row.document),
        request_signature=parse_author_signature(row.request_signature, field="request_signature"),
        request_hash=row.request_hash,
        decision=Decision.from_json(row.decision),
        state=row.state,
        client=row.client_id,
        not_after=row.not_after,
        not_before=row.not_before,
        created_at=row.created_at,
        carried_out_at=row.carried_out_at,
    )


def checked(digest: str, document: object) -> Intent:
    """The intent in ``document``, filed under ``digest``. Raises ``IntentTampered``."""
    intent = Intent.parse(document)
    if intent.digest != digest:
        raise IntentTampered("a stored intent does not match its digest", field="digest", digest=digest)
    return intent
