"""Intents that wait for people, a page at a time: whom each still needs, with as many statements for many as for one.

Every intent that waits is in one place: with somebody (``mine`` where this operator's word could still count,
``others`` where it could not) or ``late`` (past its deadline, or asking for more people than there are). One condition
each, said to the database, so that a count is the number of rows that the pages show.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    DateTime,
    Integer,
    Select,
    all_,
    and_,
    bindparam,
    case,
    false,
    func,
    literal,
    or_,
    select,
    true,
    tuple_,
    union_all,
)
from sqlalchemy.orm import Session

from custody.approvals.askings import Asking
from custody.approvals.queries import FiledIntent, tally
from custody.approvals.stored import read, stored
from custody.approvals.tables import DELAYED, PENDING, ApprovalRow, IntentRow
from custody.db.conditions import among, plain
from custody.evidence.approvals import Approval
from custody.evidence.trust_root import TrustRoot
from custody.operators import queries as operators
from custody.trust.operations import InForce
from policies.tally import Tally

MINE: Final = "mine"
OTHERS: Final = "others"
LATE: Final = "late"
PLACES: Final = (MINE, OTHERS, LATE)
COUNTED_TO: Final = 100
"""A count stops here: whoever reads it needs to know that it is many, and not how many exactly."""

_NOW: Final = bindparam("now", type_=DateTime(timezone=True))


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is asked for: the rules now, and from when on something counts as late."""

    root: TrustRoot
    roles: Mapping[str, Collection[str]]
    """Role to who holds it, by the policy in force."""
    operator: str
    """Whose queue it is; empty for nobody's, and then nothing is ``mine``."""
    joined: Mapping[str, datetime]
    """Each group the operator is in, and since when."""
    patience: Mapping[str, int]
    """CAIP-2 id to the seconds an intent on that chain may wait for people; the shortest counts for any other."""
    askings: tuple[Asking, ...]
    """Of all that waits, read in the same unit."""
    now: datetime
    client: str = ""
    kind: str = ""

    @property
    def asked(self) -> dict[str, object]:
        """The values of what is put together once and asked for again and again."""
        return {"now": self.now, "client": self.client, "kind": self.kind}


@dataclass(frozen=True, slots=True)
class _Rules:
    """What the conditions below are put together from; equal ones are put together once."""

    askings: tuple[Asking, ...]

    groups: tuple[tuple[str, tuple[str, ...]], ...]
    """Each with whoever is in it, in order."""
    roles: tuple[tuple[str, tuple[str, ...]], ...]
    patience: tuple[tuple[str, int], ...]
    operator: str
    joined: tuple[tuple[str, datetime], ...]
    """The operator's own groups, and since when."""
    has_client: bool
    has_kind: bool


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
    query, values = paging(waiting, place=place, after=after, limit=limit)
    return [read(row) for row in session.execute(query, values)]


def paging(
    waiting: Waiting, *, place: str, after: tuple[datetime, str] | None, limit: int
) -> tuple[Select[*tuple[Any, ...]], dict[str, object]]:
    """What ``page`` asks, and with which values."""
    begin = {} if after is None else {"ended": after[0], "behind": after[1]}
    return _page(_rules(waiting), place, is_first=after is None), {**waiting.asked, **begin, "most": limit}


def asked_of(
    session: Session,
    waiting: Waiting,
    *,
    besides: Select[str],
    until: datetime | None = None,
    limit: int,
) -> list[FiledIntent]:
    """What this operator's word could still count for, the earliest deadline first; with ``until``, what ends by then.

    Without what ``besides`` selects the digests of. What is late is there too: it still needs somebody.
    """
    wanted = and_(PENDING, _mine(_rules(waiting)), IntentRow.digest.not_in(besides))
    query = stored().where(wanted if until is None else and_(wanted, IntentRow.not_after <= until))
    ordered = query.order_by(IntentRow.not_after, IntentRow.digest).limit(limit)
    return [read(row) for row in session.execute(ordered, waiting.asked)]


def count(session: Session, waiting: Waiting, *, place: str) -> int:
    """How many are in ``place``, counted up to ``COUNTED_TO``."""
    query, values = counting(waiting, place=place)
    return session.execute(query, values).scalar_one()


def counting(waiting: Waiting, *, place: str) -> tuple[Select[int], dict[str, object]]:
    """What ``count`` asks, and with which values: to be asked beside others."""
    return _counting(_rules(waiting), place), waiting.asked


def standings(
    session: Session,
    filed: Sequence[FiledIntent],
    *,
    trust: InForce,
    now: datetime,
) -> dict[str, Standing]:
    """How far each of ``filed`` has got, by digest; as ``queries.standing`` says of one, in two reads."""
    if not filed:
        return {}
    root, roles = trust.root, trust.policy.roles
    said = given_among(session, [each.digest for each in filed])
    locked = operators.locked(session)
    found = {}
    for each in filed:
        then = trust.root_at(each.created_at).groups
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
        .where(among(ApprovalRow.digest, digests))
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


def _rules(waiting: Waiting) -> _Rules:
    return _Rules(
        waiting.askings,
        _in_order(waiting.root.groups),
        _in_order(waiting.roles),
        tuple(sorted(waiting.patience.items())),
        waiting.operator,
        tuple(sorted(waiting.joined.items())),
        bool(waiting.client),
        bool(waiting.kind),
    )


def _in_order(named: Mapping[str, Collection[str]]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return tuple(sorted((name, tuple(sorted(set(people)))) for name, people in named.items()))


@lru_cache(maxsize=256)
def _counting(rules: _Rules, place: str) -> Select[int]:
    # Read along an index each. Of what is not late: whose deadline is far was asked for last, so that counting soon
    # has all it counts to.
    order = (IntentRow.created_at,) if place == LATE else (IntentRow.not_after.desc(), IntentRow.digest.desc())
    most = plain(COUNTED_TO)
    found = [select(IntentRow.digest).where(each).order_by(*order).limit(most) for each in _ways(rules, place)]
    return select(func.count()).select_from(_one_list(found).limit(most).subquery())


@lru_cache(maxsize=256)
def _page(rules: _Rules, place: str, *, is_first: bool) -> Select[*tuple[Any, ...]]:
    """Which they are is found first: only of what is shown the documents are read."""
    order, most = (IntentRow.not_after, IntentRow.digest), bindparam("most", type_=Integer)
    behind = true() if is_first else tuple_(*order) > tuple_(bindparam("ended"), bindparam("behind"))
    found = [select(*order).where(each, behind).order_by(*order).limit(most) for each in _ways(rules, place)]
    first = _one_list(found).subquery()
    shown = select(first.c.digest).order_by(first.c.not_after, first.c.digest).limit(most)
    return stored().where(IntentRow.digest.in_(shown)).order_by(*order)


def _one_list(found: Sequence[Select[*tuple[Any, ...]]]) -> Select[*tuple[Any, ...]]:
    both = (
        found[0].subquery() if len(found) == 1 else union_all(*(select(each.subquery()) for each in found)).subquery()
    )
    return select(both)


@lru_cache(maxsize=256)
def _ways(rules: _Rules, place: str) -> tuple[ColumnElement[bool], ...]:
    """How something comes to be in ``place``, each by an index of its own; ``Waiting.asked`` gives the values.

    Every page of the console asks it, so it is put together once.
    """
    some = [IntentRow.client_id == bindparam("client")] if rules.has_client else []
    some += [IntentRow.kind == bindparam("kind")] if rules.has_kind else []
    overdue, beyond = _overdue(rules), _beyond_reach(rules)
    if place == LATE:
        late = and_(PENDING, overdue, *some)
        return (late, and_(PENDING, or_(*beyond), ~overdue, *some)) if beyond else (late,)
    here = ~or_(overdue, *beyond)
    if place == MINE:
        return (and_(PENDING, _asked_in_order(here, _mine(rules)), *some),)
    # What people agreed to can still be vetoed until its delay is over: nobody has to do anything.
    vetoable = and_(DELAYED, IntentRow.not_before > _NOW)
    return and_(PENDING, _asked_in_order(here, ~_mine(rules)), *some), and_(vetoable, *some)


def _asked_in_order(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    """All of ``conditions``, the first one first, and taken to be true of every second row.

    Postgres cannot know how many there are: where it takes them for rare it reads all that wait and sorts them, where
    the first ones in the order of an index are a page.
    """
    return _first(and_(*conditions), true())


def _overdue(rules: _Rules) -> ColumnElement[bool]:
    since = func.greatest(IntentRow.created_at, func.coalesce(IntentRow.not_before, IntentRow.created_at))
    shortest = min((seconds for _, seconds in rules.patience), default=0)
    # The shortest first: only of what may be late its document is read.
    soonest = _NOW - timedelta(seconds=shortest)
    found: ColumnElement[bool] = and_(IntentRow.created_at < soonest, since < soonest)
    for name, seconds in rules.patience:
        if seconds != shortest:
            elsewhere = IntentRow.document["chain"].as_string().is_distinct_from(name)
            found = and_(found, or_(elsewhere, since < _NOW - timedelta(seconds=seconds)))
    return found


def _beyond_reach(rules: _Rules) -> list[ColumnElement[bool]]:
    """Some group or role that is asked for has too few people left who count: one of these; of most houses, none."""
    groups, roles = dict(rules.groups), dict(rules.roles)
    lost = [each.id for each in rules.askings if each.is_beyond(groups, roles)]
    of_some = [
        and_(_asks([each.id]), among(IntentRow.requester, people))
        for each in rules.askings
        if each.id not in lost and (people := each.beyond_if_asked_by(groups, roles))
    ]
    return [_asks(lost), *of_some] if lost else of_some


def _asks(askings: Sequence[int]) -> ColumnElement[bool]:
    return IntentRow.asking.in_([plain(each) for each in askings])


def _mine(rules: _Rules) -> ColumnElement[bool]:
    """The operator is asked, by group or role, has not spoken, and did not ask for it himself.

    Verdicts are looked up only of what somebody was heard on who matters: few rows, whatever waits.
    """
    held = {role for role, people in rules.roles if rules.operator in people}
    by_role = [each.id for each in rules.askings if held & set(each.roles)]
    asked: list[ColumnElement[bool]] = [_asks(by_role)] if by_role else []
    for group, since in rules.joined:
        for number in sorted({dict(each.approvals).get(group, 0) for each in rules.askings} - {0}):
            ids = [each.id for each in rules.askings if dict(each.approvals).get(group) == number]
            asked.append(and_(_asks(ids), IntentRow.created_at >= since, ~_is_full(rules, group, number)))
    if not rules.operator or not asked:
        return literal(False)
    # Counted, for whether there is one Postgres would gather of all that anybody ever said.
    still = _verdicts(ApprovalRow.approver == rules.operator, ApprovalRow.not_after >= _NOW) > 0
    spoken = case(
        (literal(rules.operator) != all_(IntentRow.heard), false()),
        (IntentRow.heard_until >= _NOW, true()),
        else_=still,
    )
    return and_(IntentRow.requester != rules.operator, IntentRow.not_after >= _NOW, or_(*asked), ~spoken)


def _is_full(rules: _Rules, group: str, number: int) -> ColumnElement[bool]:
    """Enough of ``group`` have agreed."""
    agreed = _verdicts(_counts_for(_alone(rules, group)))
    return _first(func.cardinality(IntentRow.heard) >= number, agreed >= number)


def _verdicts(*of: ColumnElement[bool]) -> ColumnElement[int]:
    """How many there are on the row."""
    return select(func.count()).where(ApprovalRow.digest == IntentRow.digest, *of).scalar_subquery()


def _first(cheap: ColumnElement[bool], dear: ColumnElement[bool]) -> ColumnElement[bool]:
    """Both, and ``dear`` is asked only where ``cheap`` is true: Postgres orders no two conditions that it may not."""
    return case((cheap, dear), else_=false())


def _counts_for(people: Collection[str]) -> ColumnElement[bool]:
    """One verdict a person at most: a trigger refuses a second one while the first stands."""
    return and_(ApprovalRow.verdict == "approve", among(ApprovalRow.approver, people), ApprovalRow.not_after >= _NOW)


def _alone(rules: _Rules, group: str) -> list[str]:
    """Who is in no other group: whoever is may be counted there, and so fills no place here."""
    elsewhere = {person for name, people in rules.groups if name != group for person in people}
    return sorted(set(dict(rules.groups)[group]) - elsewhere)


def describe(counts: Mapping[str, int]) -> dict[str, Any]:
    """Counts as they are shown: ``100`` with ``at_least`` where counting stopped."""
    return {name: {"count": number, "at_least": number >= COUNTED_TO} for name, number in counts.items()}
