"""What a verdict by passkey needs besides its signature: asked here, answered once, by a passkey that is no copy."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.orm import Session

from custody.approvals.queries import FiledIntent
from custody.evidence.approvals import Approval, ApprovalRefused, Statement
from custody.evidence.passkeys import Assertion
from custody.evidence.trust_root import TrustRoot
from custody.operators import library
from custody.operators import operations as operators

PURPOSE: Final = "approval"
ANSWERED_WITHIN: Final = timedelta(minutes=5)
"""How long the browser has from the question to the answer."""
GOOD_FOR: Final = timedelta(hours=24)
"""How long a verdict by passkey counts, and never longer than its intent."""


def ask(session: Session, filed: FiledIntent, *, verdict: str, approver: str, nonce: str, now: datetime) -> Statement:
    """The statement whose hash ``approver``'s passkey is to sign, good for one answer within five minutes."""
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
    return statement


def hear(session: Session, approval: Approval, *, root: TrustRoot, now: datetime) -> None:
    """Of a verdict by passkey whose signature was checked: this house asked, nobody answered yet, no copy answers.

    Raises ``PasskeyRefused`` or ``CounterWentBack``. A verdict by an ordinary key needs none of it.
    """
    assertion, statement = approval.signature, approval.statement
    if not isinstance(assertion, Assertion):
        return
    credential = root.operator_credential(statement.approver, assertion.credential)
    if root.console is None or credential is None:
        raise ApprovalRefused("is by a passkey the trust root does not know", field="approval.signature.credential")
    library.expect_agreed(assertion, credential, challenge=statement.message, console=root.console)
    operators.answer(session, challenge=statement.message, purpose=PURPOSE, operator=statement.approver, now=now)
    operators.count(
        session,
        credential=assertion.credential,
        operator=statement.approver,
        sign_count=assertion.sign_count,
        now=now,
    )
