"""Messages: made of what waits for an operator, claimed for sending, and settled by what came of it.

A claim is a lease: who is killed between sending and settling loses it, and the same message is sent again under the
same id. Twice is possible, never is not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import Select, and_, delete, insert, or_, select
from sqlalchemy.orm import Session

from custody.approvals import queries as intents
from custody.approvals import waiting
from custody.approvals.askings import askings_among
from custody.approvals.queries import FiledIntent
from custody.approvals.saying import words_of
from custody.approvals.waiting import Waiting
from custody.audit import operations as audit
from custody.evidence.codes import digest_code
from custody.kernel.ids import new_id
from custody.notices import wording
from custody.notices.choosing import code_of, owner_of
from custody.notices.dropping import drop
from custody.notices.model import (
    CODE,
    FIRST,
    LEASE,
    MAIL,
    MOST_TOLD,
    PACE,
    PRUNED_AT_ONCE,
    REMIND_AFTER,
    REMIND_WITHIN,
    REMINDER,
    WAITS,
    WHAT_WAITS,
    Item,
    Letter,
    Outcome,
)
from custody.notices.tables import WAITING, ChannelRow, MessageRow, NoticeRow
from custody.trust.assets import known_assets
from custody.trust.operations import InForce
from custody.webhooks.signing import Sealer, SecretTampered, signed_headers

NO_PATIENCE: Final[Mapping[str, int]] = {}
"""What is late waits for somebody all the same, so nobody asks what is late."""


def collect(session: Session, *, trust: InForce, now: datetime) -> int:
    """Make one message for each operator and channel that has something new to hear; how many there are now.

    New is an intent that waits for this operator and was not told there before, or was and is near its deadline.
    Statements grow with channels and not with intents.
    """
    told = and_(ChannelRow.is_on, ChannelRow.confirmed_at.is_not(None))
    chosen = select(ChannelRow).where(told).order_by(ChannelRow.operator, ChannelRow.kind)
    channels, made = session.execute(chosen).scalars().all(), 0
    heard = _heard_of_late(session, now) if channels else set()
    for row in channels:
        if (row.operator, row.kind) not in heard:
            made += _collect_for(session, row, trust, now)
    return made


def claim(session: Session, *, trust: InForce, sealer: Sealer, limit: int, now: datetime) -> list[Letter]:
    """Take up to ``limit`` due messages for a lease, written and signed; one that nobody needs any more is dropped."""
    due = (
        select(MessageRow)
        .where(WAITING, MessageRow.due_at <= now, or_(MessageRow.leased_until.is_(None), MessageRow.leased_until < now))
        .order_by(MessageRow.due_at, MessageRow.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    rows = session.execute(due).scalars().all()
    if not rows:
        return []
    channels = {(row.operator, row.kind): row for row in session.execute(select(ChannelRow)).scalars()}
    items = _items(session, rows, trust, now)
    letters = []
    for row in rows:
        channel = channels[row.operator, row.kind]
        may_be_told = channel.is_on and (channel.confirmed_at is None) == (row.says == CODE)
        if not may_be_told or (row.says == WHAT_WAITS and not items[row.id]):
            drop(session, [row], is_to_be_told=not may_be_told)
            continue
        row.leased_until, row.attempts = now + LEASE, row.attempts + 1
        try:
            letters.append(_letter(row, channel, items[row.id], sealer, trust.root.name, now))
        except SecretTampered as error:
            _fail(session, row, error.message, now)
    session.flush()
    return letters


def settle(session: Session, *, outcomes: Sequence[Outcome], now: datetime) -> None:
    """Write down what came of sending: taken, to be tried again at its time, or given up with an alarm."""
    found = {each.message: each for each in outcomes}
    query = select(MessageRow).where(MessageRow.id.in_(sorted(found)), WAITING).order_by(MessageRow.id)
    for row in session.execute(query.with_for_update()).scalars().all():
        row.leased_until, row.problem = None, found[row.id].problem
        if row.problem is None:
            row.state, row.sent_at = "sent", now
        elif row.attempts > len(WAITS):
            _fail(session, row, row.problem, now)
        else:
            row.due_at = now + WAITS[row.attempts - 1]
    session.flush()


def prune(session: Session, *, before: datetime) -> int:
    """Delete messages made before ``before`` that are over, the oldest ``PRUNED_AT_ONCE``; how many went.

    One that is to be sent stays, and so does one about an intent that still waits: what was told of it is remembered
    by it, and nobody is told twice.
    """
    old = select(MessageRow.id).where(MessageRow.state != "waiting", MessageRow.created_at < before)
    oldest = session.execute(old.order_by(MessageRow.created_at, MessageRow.id).limit(PRUNED_AT_ONCE)).scalars().all()
    if not oldest:
        return 0
    about = select(NoticeRow.message_id, NoticeRow.digest).where(NoticeRow.message_id.in_(oldest))
    told = session.execute(about).all()
    waits = intents.pending_among(session, digests={row.digest for row in told})
    gone = sorted(set(oldest) - {row.message_id for row in told if row.digest in waits})
    session.execute(delete(NoticeRow).where(NoticeRow.message_id.in_(gone)))
    session.execute(delete(MessageRow).where(MessageRow.id.in_(gone)))
    return len(gone)


def _heard_of_late(session: Session, now: datetime) -> set[tuple[str, str]]:
    late = and_(MessageRow.created_at > now - PACE, MessageRow.says == WHAT_WAITS)
    query = select(MessageRow.operator, MessageRow.kind).where(late).distinct()
    return {(row.operator, row.kind) for row in session.execute(query)}


def _collect_for(session: Session, channel: ChannelRow, trust: InForce, now: datetime) -> int:
    joined = trust.joined(channel.operator)
    asked = Waiting(trust.root, trust.policy.roles, channel.operator, joined, NO_PATIENCE, askings_among(session), now)
    told = _told(channel)
    new = waiting.asked_of(session, asked, besides=told, limit=MOST_TOLD)
    fresh = {each.digest for each in new}
    settled = told.where(or_(NoticeRow.stage == REMINDER, NoticeRow.created_at > now - REMIND_AFTER))
    near = waiting.asked_of(session, asked, besides=settled, until=now + REMIND_WITHIN, limit=MOST_TOLD)
    again = [each for each in near if each.digest not in fresh]
    stages = [*((each, FIRST) for each in new), *((each, REMINDER) for each in again)]
    if not stages:
        return 0
    message = new_id("ntc", now)
    session.add(
        MessageRow(
            id=message,
            operator=channel.operator,
            kind=channel.kind,
            state="waiting",
            intents=len(stages),
            attempts=0,
            due_at=now,
            created_at=now,
        )
    )
    session.flush()
    whose = {"operator": channel.operator, "kind": channel.kind, "message_id": message, "created_at": now}
    session.execute(insert(NoticeRow), [{**whose, "digest": each.digest, "stage": stage} for each, stage in stages])
    return 1


def _told(channel: ChannelRow) -> Select[str]:
    return select(NoticeRow.digest).where(NoticeRow.operator == channel.operator, NoticeRow.kind == channel.kind)


def _items(session: Session, rows: Sequence[MessageRow], trust: InForce, now: datetime) -> dict[str, list[Item]]:
    """What each message is about still: an intent whose operator spoke, or that is decided, is left out."""
    about = select(NoticeRow).where(NoticeRow.message_id.in_([row.id for row in rows]))
    told = session.execute(about).scalars().all()
    filed = intents.among(session, digests=[each.digest for each in told])
    live = [each for each in filed.values() if each.not_after >= now]
    reached = waiting.standings(session, live, trust=trust, now=now)
    assets = known_assets(session)
    found: dict[str, list[Item]] = {row.id: [] for row in rows}
    for each in told:
        standing = reached.get(each.digest)
        if standing is not None and any(each.operator in people for people in standing.missing.values()):
            words = words_of(filed[each.digest], assets)
            found[each.message_id].append(_item(filed[each.digest], words, is_reminder=each.stage == REMINDER))
    return {message: sorted(items, key=lambda item: (item.not_after, item.digest)) for message, items in found.items()}


def _item(filed: FiledIntent, words: Sequence[str], *, is_reminder: bool) -> Item:
    return Item(
        digest=filed.digest,
        code=digest_code(filed.digest),
        kind=filed.intent.kind,
        client=filed.client,
        words=words,
        not_after=filed.not_after,
        is_reminder=is_reminder,
    )


def _letter(
    row: MessageRow, channel: ChannelRow, items: Sequence[Item], sealer: Sealer, house: str, now: datetime
) -> Letter:
    subject, headers = "", {}
    secret = sealer.open(channel.secret or b"", endpoint=owner_of(row.operator), url=channel.address, client=None)
    if row.kind != MAIL:
        body = wording.document(row.id, items, operator=row.operator, house=house, now=row.created_at)
        headers = signed_headers(row.id, body, [secret], now=now)
    elif row.says == CODE:
        subject = wording.code_subject(house=house)
        body = wording.code_text(code_of(secret), operator=row.operator, house=house).encode()
    else:
        subject = wording.subject(items, house=house)
        body = wording.text(items, operator=row.operator, house=house).encode()
    return Letter(
        message=row.id,
        operator=row.operator,
        kind=row.kind,
        address=channel.address,
        subject=subject,
        body=body,
        headers=headers,
        at=row.created_at,
    )


def _fail(session: Session, row: MessageRow, why: str, now: datetime) -> None:
    row.state, row.problem, row.leased_until = "failed", why, None
    subject = f"{row.operator}:{row.kind}"
    audit.raise_alarm(session, kind="notice-not-delivered", subject=subject, step=row.id, why=why, now=now)
