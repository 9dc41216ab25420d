"""What a passkey's answer needs besides its signature: asked here, answered once, by a passkey that is no copy.

A verdict and a request are two questions: their hashes stand under tags of their own, and so do the questions here.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy.orm import Session

from custody.approvals.queries import FiledIntent
from custody.approvals.tables import ReasonRow
from custody.evidence.approvals import Approval, ApprovalRefused, Statement
from custody.evidence.authorship import BY_PASSKEY, AuthorSignature
from custody.evidence.check import PasskeyCannotAsk
from custody.evidence.passkeys import Assertion
from custody.evidence.requests import Request, request_message
from custody.evidence.trust_root import TrustRoot
from custody.operators import library
from custody.operators import operations as operators

PURPOSE: Final = "approval"
ASKING: Final = "request"
ANSWERED_WITHIN: Final = timedelta(minutes=5)
"""How long the browser has from the question to the answer."""
GOOD_FOR: Final = timedelta(hours=24)
"""How long a verdict by passkey counts, and never longer than its intent."""


def ask(
    session: Session, filed: FiledIntent, *, verdict: str, approver: str, nonce: str, now: datetime, reason: str = ""
) -> Statement:
    """The statement whose hash ``approver``'s passkey is to sign, good for one answer within five minutes.

    ``reason`` is kept beside it, for those who ask why; it is no part of what is signed.
    """
    statement = Statement(
        digest=filed.digest,
        verdict=verdict,
        approver=approver,
        nonce=nonce,
        given_at=now,
        not_after=min(now + GOOD_FOR, filed.not_after),
    )
    operators.ask(
        session,
        challenge=statement.message,
        purpose=PURPOSE,
        operator=approver,
        document=statement.to_json(),
        now=now,
        expires_at=min(now + ANSWERED_WITHIN, statement.not_after),
    )
    if reason:
        challenge = statement.message.hex()
        session.add(ReasonRow(challenge=challenge, digest=filed.digest, approver=approver, reason=reason, said_at=now))
    return statement


def ask_author(session: Session, request: Request, *, attachments: Mapping[str, Any], now: datetime) -> bytes:
    """The hash of ``request`` that its requester's passkey is to sign, good for one answer within five minutes.

    Raises ``PasskeyCannotAsk`` where no passkey may ask for its kind: then nobody is asked.
    """
    if request.kind not in BY_PASSKEY:
        raise PasskeyCannotAsk(f"a {request.kind} takes its requester's key", field="request.kind", reason="kind")
    challenge = request_message(request)
    operators.ask(
        session,
        challenge=challenge,
        purpose=ASKING,
        operator=request.requester,
        document={"request": request.to_json(), "attachments": dict(attachments)},
        now=now,
        expires_at=now + ANSWERED_WITHIN,
    )
    return challenge


def hear_author(
    session: Session, request: Request, signature: AuthorSignature, *, root: TrustRoot, now: datetime
) -> None:
    """Of a request by passkey whose signature was checked, as of a verdict. One by a key needs none of it.

    Raises ``PasskeyRefused`` or ``CounterWentBack``.
    """
    if isinstance(signature, Assertion):
        _hear(session, signature, ASKING, request.requester, request_message(request), root, now)


def hear(session: Session, approval: Approval, *, root: TrustRoot, now: datetime) -> None:
    """Of a verdict by passkey whose signature was checked: this house asked, nobody answered yet, no copy answers.

    Raises ``PasskeyRefused`` or ``CounterWentBack``. A verdict by an ordinary key needs none of it.
    """
    assertion, statement = approval.signature, approval.statement
    if isinstance(assertion, Assertion):
        _hear(session, assertion, PURPOSE, statement.approver, statement.message, root, now)


def _hear(
    session: Session,
    assertion: Assertion,
    purpose: str,
    operator: str,
    challenge: bytes,
    root: TrustRoot,
    now: datetime,
) -> None:
    credential = root.operator_credential(operator, assertion.credential)
    if root.console is None or credential is None:
        raise ApprovalRefused("is by a passkey the trust root does not know", field="approval.signature.credential")
    library.expect_agreed(assertion, credential, challenge=challenge, console=root.console)
    operators.answer(session, challenge=challenge, purpose=purpose, operator=operator, now=now)
    operators.count(
        session, credential=assertion.credential, operator=operator, sign_count=assertion.sign_count, now=now
    )
