"""A change that is no intent, and takes the operator's passkey all the same: a cookie alone changes nothing."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy.orm import Session
from starlette.responses import JSONResponse, Response

from custody.api.body import json_object
from custody.api.console import answers
from custody.api.console.asking import Question
from custody.api.console.door import Visit, credentials_of
from custody.approvals.passkeys import ANSWERED_WITHIN
from custody.db import Unit
from custody.evidence.passkeys import Assertion, AssertionRefused, check_assertion
from custody.evidence.trust_root import TrustRoot
from custody.kernel.canonical import canonical_json, digest_bytes
from custody.kernel.clock import rfc3339
from custody.operators import library
from custody.operators import operations as operators
from custody.operators import queries as known
from custody.operators.operations import PasskeyRefused
from custody.trust.operations import InForce

PURPOSE: Final = "step_up"
TAG: Final = "step-up"
"""Under which what is asked is hashed: an answer to it is no verdict, no request and no sign-in."""


def put_step(
    unit: Unit, trust: InForce, visit: Visit, *, about: str, change: Mapping[str, str], send: str
) -> Question | None:
    """What the button asks of the visitor's passkey, and where its answer goes; None where none of theirs counts."""
    theirs = [each for each in credentials_of(trust.root, visit.operator) if trust.root.counts(each, unit.now)]
    usable = sorted(set(theirs) - known.locked(unit.session))
    if not usable:
        return None
    asked = ask_step(unit.session, about=about, operator=visit.operator, change=change, now=unit.now)
    options = library.assertion_options(console=visit.console, challenge=asked, credentials=usable)
    return Question("get", options, asked, send)


def take_answer(
    visit: Visit, body: bytes, *, about: str, carry_out: Callable[[Unit, InForce, Mapping[str, Any]], str]
) -> Response:
    """Carry out what the visitor's passkey agreed to, all in one unit: 201 and the page that ``carry_out`` names.

    Where the answer is refused, the error says what the step was ``about``, for the audit log.
    """
    found = json_object(body, "challenge", "credential")
    assertion = library.read_assertion(found["credential"], field="credential")

    def work(unit: Unit, trust: InForce) -> str:
        change = hear_step(
            unit.session,
            about=about,
            operator=visit.operator,
            challenge=answers.challenge(found["challenge"]),
            assertion=assertion,
            root=trust.root,
            now=unit.now,
        )
        return carry_out(unit, trust, change)

    try:
        return JSONResponse({"next": visit.call.trusting(work)}, status_code=201)
    except (PasskeyRefused, AssertionRefused) as error:
        error.facts["about"] = about
        raise


def ask_step(session: Session, *, about: str, operator: str, change: Mapping[str, str], now: datetime) -> bytes:
    """The hash of what ``operator`` is about to change, which the passkey is to sign once within five minutes."""
    nonce = secrets.token_hex(16)
    asked = {"about": about, "operator": operator, "change": dict(change), "nonce": nonce, "at": rfc3339(now)}
    challenge = digest_bytes(TAG, canonical_json(asked))
    operators.ask(
        session,
        challenge=challenge,
        purpose=PURPOSE,
        operator=operator,
        document=asked,
        now=now,
        expires_at=now + ANSWERED_WITHIN,
    )
    return challenge


def hear_step(
    session: Session,
    *,
    about: str,
    operator: str,
    challenge: bytes,
    assertion: Assertion,
    root: TrustRoot,
    now: datetime,
) -> Mapping[str, Any]:
    """What was asked about these things, answered now by a passkey of ``operator`` that counts.

    Raises ``PasskeyRefused`` or ``AssertionRefused``; then nothing is used up.
    """
    credential = root.operator_credential(operator, assertion.credential)
    if root.console is None or credential is None or not root.counts(credential.id, now):
        raise PasskeyRefused("is by a passkey that does not count", field="credential", reason="unknown-passkey")
    check_assertion(assertion, credential, challenge=challenge, console=root.console)
    library.expect_agreed(assertion, credential, challenge=challenge, console=root.console)
    asked = operators.answer(session, challenge=challenge, purpose=PURPOSE, operator=operator, now=now)
    if asked["about"] != about:
        raise PasskeyRefused("answers a question about something else", field="challenge", reason="another-question")
    operators.count(session, credential=credential.id, operator=operator, sign_count=assertion.sign_count, now=now)
    change: Mapping[str, Any] = asked["change"]
    return change
