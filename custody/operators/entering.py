"""In at the console's door: by a passkey that counts, or, once, by an invitation to make one.

Nothing that fails here is written down, but for a passkey that may have a copy: whoever fails is nobody yet, and
nobody must not be able to fill the house's books.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from custody.audit import operations as audit
from custody.evidence.passkeys import Assertion, AssertionRefused, check_assertion
from custody.evidence.trust_root import TrustRoot
from custody.kernel.errors import NotFound, Refused
from custody.operators import library, operations, queries
from custody.operators.operations import PasskeyRefused
from custody.operators.tables import ChallengeRow, InvitationRow, SignInRow

SIGN_IN: Final = "sign_in"
ENROLMENT: Final = "enrolment"
INVITATION: Final = "invitation"
NOBODY: Final = ""
"""Whose question it is before anybody said who he is."""
ANSWERED_WITHIN: Final = timedelta(minutes=5)
IDLE: Final = timedelta(minutes=15)
"""How long a sign-in lasts without anything done by it."""
NOTED_EVERY: Final = timedelta(seconds=20)
"""What is done is noted no more often than this."""
INVITATION_LASTS: Final = timedelta(hours=24)


class NoConsole(NotFound):
    """The trust root names no console: nobody may use a passkey."""

    code = "no-console"


class SignInRefused(Refused):
    """The answer opens nothing. HTTP 401; ``facts["reason"]`` is a word for one check."""

    code = "sign-in-refused"


class InvitationRefused(Refused):
    """The invitation is unknown, was used, or its time is over."""

    code = "invitation-refused"


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who is signed in, and until when at the latest; ``idle_at`` is when it ends if nothing is done."""

    operator: str
    idle_at: datetime
    expires_at: datetime


def ask_who(session: Session, *, now: datetime) -> bytes:
    """A question that any passkey may answer once within five minutes. Those nobody answered are forgotten then."""
    for_nobody = ChallengeRow.operator == NOBODY
    session.execute(delete(ChallengeRow).where(for_nobody, ChallengeRow.expires_at < now))
    return _ask(session, SIGN_IN, NOBODY, now)


def enter(session: Session, *, challenge: bytes, assertion: Assertion, root: TrustRoot, now: datetime) -> str:
    """Open the console to whose passkey answered; returns what the cookie holds, which is kept nowhere.

    The passkey is one of the trust root's, its cooling is over, it is not locked, and its person was verified. Raises
    ``SignInRefused``; ``CounterWentBack`` where there may be a copy of it.
    """
    operator = _holder(root, assertion.credential)
    if operator is None:
        raise _refused(
            "unknown-passkey", "this passkey is not enrolled: no version of the trust root in force names it"
        )
    _hear(session, SIGN_IN, NOBODY, operator, challenge, assertion, root, now)
    return operations.sign_in(session, operator=operator, now=now)


def ask_for_another(session: Session, *, operator: str, now: datetime) -> bytes:
    """The question that one of ``operator``'s passkeys answers before he may make another."""
    return _ask(session, ENROLMENT, operator, now)


def allow_another(
    session: Session, *, operator: str, challenge: bytes, assertion: Assertion, root: TrustRoot, now: datetime
) -> str:
    """An invitation for himself to who answers with a passkey that counts. Raises as ``enter``."""
    if _holder(root, assertion.credential) != operator:
        raise _refused("unknown-passkey", f"this passkey is none of {operator}'s")
    _hear(session, ENROLMENT, operator, operator, challenge, assertion, root, now)
    return invite(session, operator=operator, actor=operator, now=now)


def signed_in(session: Session, *, token: str, now: datetime, is_active: bool = True) -> SignedIn | None:
    """Whose cookie this is; ``None`` where it is nobody's, nothing was done by it for too long, or its time is over.

    Where ``is_active``, that something was done is noted.
    """
    row = session.execute(
        select(SignInRow).where(
            SignInRow.token_hash == operations.token_hash(token),
            SignInRow.closed_at.is_(None),
            SignInRow.expires_at >= now,
            SignInRow.seen_at >= now - IDLE,
        )
    ).scalar_one_or_none()
    if row is None:
        return None
    if is_active and row.seen_at < now - NOTED_EVERY:
        row.seen_at = now
    return SignedIn(row.operator, row.seen_at + IDLE, row.expires_at)


def invite(session: Session, *, operator: str, actor: str, now: datetime) -> str:
    """A secret by which one browser may register one passkey as a candidate for ``operator``, once, within a day.

    Invitations to the same person that were not used end. The secret is kept nowhere.
    """
    operations.end_invitations(session, operator=operator, now=now)
    token = secrets.token_urlsafe(24)
    session.add(
        InvitationRow(
            token_hash=operations.token_hash(token),
            operator=operator,
            created_at=now,
            expires_at=now + INVITATION_LASTS,
            used_at=None,
        )
    )
    audit.record(session, event="console.invited", subject=operator, actor=actor, now=now)
    return token


def ask_invited(session: Session, *, token: str, now: datetime) -> tuple[str, bytes]:
    """Who is invited, and the question for the passkey that is made. Raises ``InvitationRefused``."""
    operator = _invitation(session, token, now).operator
    return operator, _ask(session, INVITATION, operator, now)


def accept(session: Session, *, token: str, challenge: bytes, made: library.Registered, now: datetime) -> str:
    """Use an invitation up: the passkey is a candidate, and counts for nothing yet. Returns for whom.

    Raises ``InvitationRefused``, ``PasskeyRefused`` or ``AlreadyRegistered``; then the invitation can still be used.
    """
    row = _invitation(session, token, now)
    operations.answer(session, challenge=challenge, purpose=INVITATION, operator=row.operator, now=now)
    operations.register(session, credential=made.credential, operator=row.operator, sign_count=made.sign_count, now=now)
    row.used_at = now
    return row.operator


def _invitation(session: Session, token: str, now: datetime) -> InvitationRow:
    row = session.execute(
        select(InvitationRow).where(InvitationRow.token_hash == operations.token_hash(token)).with_for_update()
    ).scalar_one_or_none()
    if row is None or row.used_at is not None or row.expires_at <= now:
        # One word for all three: whoever guesses learns nothing.
        raise InvitationRefused("is unknown, was used, or its time is over; accepted is a new one", field="invitation")
    return row


def _hear(
    session: Session,
    purpose: str,
    asked: str,
    operator: str,
    challenge: bytes,
    assertion: Assertion,
    root: TrustRoot,
    now: datetime,
) -> None:
    credential = root.operator_credential(operator, assertion.credential)
    if root.console is None or credential is None:
        raise _refused("unknown-passkey", "this passkey is not enrolled")
    if not root.counts(credential.id, now):
        raise _refused("cooling", "this passkey counts when its cooling period is over, and not before")
    if credential.id in queries.locked(session):
        raise _refused("locked", "this passkey is locked: nothing by it counts any more")
    try:
        check_assertion(assertion, credential, challenge=challenge, console=root.console)
        library.expect_agreed(assertion, credential, challenge=challenge, console=root.console)
        operations.answer(session, challenge=challenge, purpose=purpose, operator=asked, now=now)
    except (AssertionRefused, PasskeyRefused) as error:
        raise _refused(str(error.facts["reason"]), f"the passkey's answer {error.message}") from error
    operations.count(session, credential=credential.id, operator=operator, sign_count=assertion.sign_count, now=now)


def _ask(session: Session, purpose: str, operator: str, now: datetime) -> bytes:
    challenge = secrets.token_bytes(32)
    operations.ask(
        session,
        challenge=challenge,
        purpose=purpose,
        operator=operator,
        document={},
        now=now,
        expires_at=now + ANSWERED_WITHIN,
    )
    return challenge


def _holder(root: TrustRoot, credential: str) -> str | None:
    return next(
        (person.id for person in root.operators if any(each.id == credential for each in person.credentials)), None
    )


def _refused(reason: str, message: str) -> SignInRefused:
    return SignInRefused(message, field="credential", reason=reason)
