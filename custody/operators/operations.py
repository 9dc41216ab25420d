"""Questions to passkeys answered once, counters that only rise, locks that never open, and who is signed in."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from custody.audit import operations as audit
from custody.evidence.passkeys import Credential
from custody.kernel.errors import Conflict, Refused
from custody.operators.tables import CandidateRow, ChallengeRow, CredentialRow, InvitationRow, SignInRow

SIGN_IN_LASTS: Final = timedelta(hours=8)
KEPT: Final = timedelta(days=7)
"""How long an expired question is remembered, so that a late answer is told from an invented one."""


class PasskeyRefused(Refused):
    """A passkey's answer does not count. ``facts["reason"]`` is a word for the audit log."""

    code = "passkey-refused"


class CounterWentBack(PasskeyRefused):
    """A passkey's counter did not rise: there may be a copy of it. Whoever sees this locks it (``lock``)."""

    code = "passkey-counter"


class AlreadyRegistered(Conflict):
    """The passkey was registered before."""

    code = "already-registered"


def ask(
    session: Session,
    *,
    challenge: bytes,
    purpose: str,
    operator: str,
    document: Mapping[str, Any],
    now: datetime,
    expires_at: datetime,
) -> None:
    """Remember a question that ``operator``'s passkey may answer once until ``expires_at``."""
    session.execute(delete(ChallengeRow).where(ChallengeRow.operator == operator, ChallengeRow.expires_at < now - KEPT))
    session.add(
        ChallengeRow(
            challenge=challenge.hex(),
            purpose=purpose,
            operator=operator,
            document=dict(document),
            asked_at=now,
            expires_at=expires_at,
            used_at=None,
        )
    )


def answer(session: Session, *, challenge: bytes, purpose: str, operator: str, now: datetime) -> Mapping[str, Any]:
    """Use a question up; returns what was asked. Raises ``PasskeyRefused``: unknown, another's, reused or expired."""
    row = _question(session, challenge, purpose, operator)
    if row.used_at is not None:
        raise _refused("challenge-reused", "was answered before")
    if now > row.expires_at:
        raise _refused("challenge-expired", "was asked too long ago")
    row.used_at = now
    return row.document


def question(session: Session, *, challenge: bytes, purpose: str, operator: str) -> Mapping[str, Any]:
    """What was asked under this challenge, used up or not. Raises ``PasskeyRefused``: unknown or another's."""
    return _question(session, challenge, purpose, operator).document


def count(session: Session, *, credential: str, operator: str, sign_count: int, now: datetime) -> None:
    """Note that a passkey answered and what its counter says. Raises ``CounterWentBack`` or ``PasskeyRefused``.

    A counter that stays 0 is none. One that was ever above 0 must rise with every answer.
    """
    row = _known(session, credential, operator)
    if row.locked_at is not None:
        raise PasskeyRefused("is locked", field="approval.signature.credential", reason="locked")
    if row.sign_count and sign_count <= row.sign_count:
        raise CounterWentBack(
            "shows a counter that did not rise",
            field="approval.signature.authenticator_data",
            reason="counter",
            credential=credential,
            operator=operator,
        )
    row.sign_count, row.used_at = sign_count, now


def lock(session: Session, *, credential: str, operator: str, why: str, now: datetime) -> None:
    """From now on nothing by this passkey counts. Pages, once; locking it again changes nothing.

    Whoever is signed in as its person is out, and an invitation for the person is over: who holds the copy may have
    either. The person comes in again by another passkey, or by a new invitation.
    """
    row = _known(session, credential, operator)
    if row.locked_at is not None:
        return
    row.locked_at = now
    ended = close_doors(session, operator=row.operator, now=now)
    facts = {"why": why, "sign_ins_ended": ended}
    audit.record(session, event="passkey.locked", subject=credential, actor=operator, now=now, facts=facts)
    audit.raise_alarm(session, kind="passkey-locked", subject=credential, why=f"{operator}: {why}", now=now)


def register(session: Session, *, credential: Credential, operator: str, sign_count: int, now: datetime) -> None:
    """Keep a candidate. It counts for nothing until a version of the trust root names it.

    Raises ``AlreadyRegistered``.
    """
    row = CandidateRow(
        id=credential.id,
        operator=operator,
        public_key=credential.public_key,
        sign_count=sign_count,
        registered_at=now,
    )
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError as error:
        raise AlreadyRegistered("this passkey was registered before", field="credential") from error
    audit.record(
        session,
        event="passkey.registered",
        subject=credential.id,
        actor=operator,
        now=now,
        facts={"fingerprint": credential.fingerprint},
    )


def sign_in(session: Session, *, operator: str, now: datetime) -> str:
    """Open the console for ``operator``; returns what the cookie holds, which is kept nowhere."""
    token = secrets.token_urlsafe(32)
    session.add(
        SignInRow(
            token_hash=token_hash(token),
            operator=operator,
            opened_at=now,
            seen_at=now,
            expires_at=now + SIGN_IN_LASTS,
            closed_at=None,
        )
    )
    audit.record(session, event="console.signed_in", subject=operator, actor=operator, now=now)
    return token


def sign_out(session: Session, *, token: str, now: datetime) -> None:
    """Close what ``sign_in`` opened. Unknown or closed: nothing happens."""
    session.execute(
        update(SignInRow)
        .where(SignInRow.token_hash == token_hash(token), SignInRow.closed_at.is_(None))
        .values(closed_at=now)
    )


def close_doors(session: Session, *, operator: str, now: datetime) -> int:
    """End every sign-in of ``operator``, and every invitation for them; how many sign-ins there were."""
    still_open = (SignInRow.operator == operator, SignInRow.closed_at.is_(None), SignInRow.expires_at > now)
    ended = session.execute(update(SignInRow).where(*still_open).values(closed_at=now).returning(SignInRow.token_hash))
    number = len(ended.all())
    end_invitations(session, operator=operator, now=now)
    return number


def end_invitations(session: Session, *, operator: str, now: datetime) -> None:
    """Nobody makes a passkey for ``operator`` any more by an invitation that was not used."""
    unused = (InvitationRow.operator == operator, InvitationRow.used_at.is_(None), InvitationRow.expires_at > now)
    session.execute(update(InvitationRow).where(*unused).values(expires_at=now))


def token_hash(token: str) -> str:
    """What is kept of what a cookie or a link holds."""
    return hashlib.sha256(token.encode()).hexdigest()


def _question(session: Session, challenge: bytes, purpose: str, operator: str) -> ChallengeRow:
    row = session.execute(
        select(ChallengeRow).where(ChallengeRow.challenge == challenge.hex()).with_for_update()
    ).scalar_one_or_none()
    if row is None or row.purpose != purpose:
        raise _refused("challenge-unknown", "was never asked here")
    if row.operator != operator:
        raise _refused("challenge-of-another", "was asked of somebody else")
    return row


def _known(session: Session, credential: str, operator: str) -> CredentialRow:
    """The passkey's row, locked; made on its first use, from what its registration showed."""
    registered = select(CandidateRow.sign_count).where(CandidateRow.id == credential, CandidateRow.operator == operator)
    start = session.execute(registered).scalar_one_or_none()
    session.execute(
        insert(CredentialRow)
        .values(id=credential, operator=operator, sign_count=start or 0)
        .on_conflict_do_nothing(index_elements=[CredentialRow.id])
    )
    return session.execute(select(CredentialRow).where(CredentialRow.id == credential).with_for_update()).scalar_one()


def _refused(reason: str, message: str) -> PasskeyRefused:
    return PasskeyRefused(message, field="approval.signature.client_data.challenge", reason=reason)
