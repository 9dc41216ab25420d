"""Intents that wait for people, a page at a time: whom each still needs, with as many statements for many as for one.

Every intent that waits is in one place: with somebody (``mine`` where this operator's word could still count,
``others`` where it could not) or ``late`` (past its deadline, or asking for more people than there are). One condition
each, said to the database, so that a count is the number of rows that the pages show.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Integer,
    and_,
    bindparam,
    case,
    cast,
    exists,
    false,
    func,
    literal,
    or_,
    select,
    text,
    true,
    tuple_,
)
from sqlalchemy.dialects.postgresql import ARRAY, TEXT
from sqlalchemy.orm import Session

from custody.approvals.queries import FiledIntent, tally, view
from custody.approvals.tables import DELAYED, PENDING, ApprovalRow, IntentRow
from custody.evidence.approvals import Approval
from custody.evidence.trust_root import TrustRoot
from custody.operators import queries as operators
from custody.trust.history import joined_at, roots_at
from policies.tally import Tally

MINE: Final = "mine"
OTHERS: Final = "others"
LATE: Final = "late"
PLACES: Final = (MINE, OTHERS, LATE)
COUNTED_TO: Final = 1_000
"""A count stops here: whoever reads it needs to know that it is many, and not how many exactly."""

_ASKED: Final = IntentRow.obligations["approvals"]
_ROLES: Final = IntentRow.obligations["roles"]


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is asked for: the rules now, and from when on something counts as late."""

    root: TrustRoot
    roles: Mapping[str, Collection[str]]
    """Role to who holds it, by the policy in force."""
    operator: str
    """Whose queue it is; empty for nobody's, and then nothing is ``mine``."""
    patience: Mapping[str, int]
    """CAIP-2 id to the seconds an intent on that chain may wait for people; the shortest counts for any other."""
    now: datetime
    client: str = ""
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """How far one intent has got."""

    given: tuple[Approval, ...]
    tally: Tally
    missing: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Of each group or role that misses somebody: whose approval would count, by name."""


def page(
    session: Session, waiting: Waiting, *, place: str, after: tuple[datetime, str] | None, limit: int
) -> list[FiledIntent]:
    """The next ``limit`` intents in ``place``, the earliest deadline first; ``after`` names the last one shown."""
    query = select(IntentRow).where(_there(session, waiting, place))
    if after is not None:
        query = query.where(tuple_(IntentRow.not_after, IntentRow.digest) > (after[0], after[1]))
    rows = session.execute(query.order_by(IntentRow.not_after, IntentRow.digest).limit(limit)).scalars()
    return [view(row) for row in rows]


def count(session: Session, waiting: Waiting, *, place: str) -> int:
    """How many are in ``place``, counted up to ``COUNTED_TO``."""
    found = select(IntentRow.digest).where(_there(session, waiting, place))
    if place == MINE:
        # Whose deadline is far was asked for last, and is not late: counting soon has all it counts to.
        found = found.order_by(IntentRow.not_after.desc(), IntentRow.digest.desc())
    some = found.limit(COUNTED_TO).subquery()
    return session.execute(select(func.count()).select_from(some)).scalar_one()


def standings(
    session: Session,
    filed: Sequence[FiledIntent],
    *,
    root: TrustRoot,
    roles: Mapping[str, Collection[str]],
    now: datetime,
) -> dict[str, Standing]:
    """How far each of ``filed`` has got, by digest; as ``queries.standing`` says of one, in a fixed number of reads."""
    if not filed:
        return {}
    said = given_among(session, [each.digest for each in filed])
    before = roots_at(session, times=[each.created_at for each in filed], newest=root)
    locked = operators.locked(session)
    found = {}
    for each in filed:
        then = before[each.created_at].groups
        members = {group: frozenset(people) & frozenset(then.get(group, ())) for group, people in root.groups.items()}
        asked = roles if each.decision.obligations.roles else {}
        given, requester = said.get(each.digest, ()), each.intent.request.requester
        reached = tally(
            each.decision, given, root=root, requester=requester, at=now, groups=members, roles=asked, locked=locked
        )
        missing = _missing(reached, members, asked, {requester, *reached.approved}) if each.state == "pending" else {}
        found[each.digest] = Standing(given, reached, missing)
    return found


def given_among(session: Session, digests: Collection[str]) -> dict[str, tuple[Approval, ...]]:
    """Every verdict on these intents, by digest, oldest first."""
    rows = session.execute(
        select(ApprovalRow.digest, ApprovalRow.document)
        .where(ApprovalRow.digest.in_(sorted(set(digests))))
        .order_by(ApprovalRow.id)
    )
    found: dict[str, list[Approval]] = {}
    for row in rows:
        found.setdefault(row.digest, []).append(Approval.parse(row.document))
    return {digest: tuple(given) for digest, given in found.items()}


def _missing(
    reached: Tally,
    members: Mapping[str, Collection[str]],
    roles: Mapping[str, Collection[str]],
    out: Collection[str],
) -> dict[str, tuple[str, ...]]:
    wanted: dict[str, Collection[str]] = {group: members.get(group, ()) for group in reached.missing}
    wanted |= {role: roles.get(role, ()) for role in reached.missing_roles}
    return {name: tuple(sorted(set(people) - set(out))) for name, people in wanted.items()}


def _there(session: Session, waiting: Waiting, place: str) -> ColumnElement[bool]:
    some = [IntentRow.client_id == waiting.client] if waiting.client else []
    some += [IntentRow.kind == waiting.kind] if waiting.kind else []
    late = _late(waiting)
    if place == LATE:
        return and_(PENDING, _asked_in_order(late), *some)
    mine = _mine(session, waiting)
    if place == MINE:
        return and_(PENDING, _asked_in_order(~late, mine), *some)
    # What people agreed to can still be vetoed until its delay is over: nobody has to do anything.
    vetoable = and_(DELAYED, IntentRow.not_before > waiting.now)
    return and_(or_(and_(PENDING, _asked_in_order(~late, ~mine)), vetoable), *some)


def _asked_in_order(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    """All of ``conditions``, the first one first, and taken to be true of every second row.

    Postgres knows nothing of what stands in a document: it takes such rows for rare, reads all that wait and sorts
    them, where the first ones in the order of an index are a page.
    """
    return case((and_(*conditions), true()), else_=false())


def _late(waiting: Waiting) -> ColumnElement[bool]:
    """Past its deadline, or beyond reach: some group or role that is asked for has too few people left who count."""
    since = func.greatest(IntentRow.created_at, func.coalesce(IntentRow.not_before, IntentRow.created_at))
    shortest = min(waiting.patience.values(), default=0)
    longer = {chain: seconds for chain, seconds in waiting.patience.items() if seconds != shortest}
    chain = IntentRow.document["chain"].as_string()
    # The shortest first: only of what may be late its document is read.
    overdue: ColumnElement[bool] = since < waiting.now - timedelta(seconds=shortest)
    for name, seconds in longer.items():
        overdue = and_(overdue, or_(chain != name, since < waiting.now - timedelta(seconds=seconds)))
    return or_(overdue, *_beyond_reach(waiting))


def _beyond_reach(waiting: Waiting) -> list[ColumnElement[bool]]:
    groups, roles = waiting.root.groups, waiting.roles
    found: list[ColumnElement[bool]] = []
    for group, members in sorted(groups.items()):
        asked, own = cast(_ASKED[group].as_string(), Integer), IntentRow.requester.in_(sorted(members))
        found.append(func.coalesce(asked, 0) > len(set(members)) - cast(own, Integer))
    unknown = _ASKED.op("-")(cast(sorted(groups), ARRAY(TEXT)))
    found.append(func.coalesce(unknown, text("'{}'::jsonb")) != text("'{}'::jsonb"))
    for role, people in sorted(roles.items()):
        alone = literal(not people) | ((IntentRow.requester.in_(sorted(people))) & literal(len(set(people)) == 1))
        found.append(and_(func.coalesce(_ROLES.op("?")(role), False), alone))
    return found


def _mine(session: Session, waiting: Waiting) -> ColumnElement[bool]:
    """The operator is asked, by group or role, has not spoken, and did not ask for it himself."""
    if not waiting.operator:
        return literal(False)
    groups = [group for group, people in waiting.root.groups.items() if waiting.operator in people]
    joined = joined_at(session, person=waiting.operator, groups=groups) if groups else {}
    asked: list[ColumnElement[bool]] = [
        and_(_ASKED.op("?")(group), IntentRow.created_at >= joined[group], ~_is_full(waiting, group))
        for group in sorted(joined)
    ]
    asked += [_ROLES.op("?")(role) for role, people in sorted(waiting.roles.items()) if waiting.operator in people]
    if not asked:
        return literal(False)
    spoken = exists().where(
        ApprovalRow.digest == IntentRow.digest,
        ApprovalRow.approver == bindparam("operator", waiting.operator),
        ApprovalRow.not_after >= waiting.now,
    )
    return and_(
        IntentRow.requester != waiting.operator,
        IntentRow.not_after >= waiting.now,
        func.coalesce(or_(*asked), False),
        ~spoken,
    )


def _is_full(waiting: Waiting, group: str) -> ColumnElement[bool]:
    """Enough of ``group`` have agreed. Who is in another group too may be counted there, and so fills no place here."""
    elsewhere = {person for name, people in waiting.root.groups.items() if name != group for person in people}
    alone = sorted(set(waiting.root.groups[group]) - elsewhere)
    agreed = (
        select(func.count(ApprovalRow.approver.distinct()))
        .where(
            ApprovalRow.digest == IntentRow.digest,
            ApprovalRow.verdict == "approve",
            ApprovalRow.approver.in_(alone),
            ApprovalRow.not_after >= waiting.now,
        )
        .scalar_subquery()
    )
    found: ColumnElement[bool] = agreed >= cast(_ASKED[group].as_string(), Integer)
    return found


def describe(counts: Mapping[str, int]) -> dict[str, Any]:
    """Counts as they are shown: ``1000`` with ``at_least`` where counting stopped."""
    return {name: {"count": number, "at_least": number >= COUNTED_TO} for name, number in counts.items()}
