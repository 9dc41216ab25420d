"""Checking a request's author: the requester's signature by a key the trust root pins, and its time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from custody.evidence.authorship import BY_PASSKEY, AuthorSignature
from custody.evidence.passkeys import Assertion, AssertionRefused, check_assertion
from custody.evidence.requests import Request, RuleChange, request_message
from custody.evidence.signatures import Signature
from custody.evidence.trust_root import TrustRoot
from custody.kernel.errors import Refused

LONGEST_REQUEST: Final = timedelta(days=30)


class RequestRefused(Refused):
    """A request is not by a pinned key or passkey, does not verify, or is not valid at this time.

    ``facts["reason"]`` is a word for the audit log that stands for one check and no other.
    """

    code = "request-refused"


class PasskeyCannotAsk(RequestRefused):
    """A request is by a passkey that may not ask for it, or does not prove that its owner did."""


def check_request(request: Request | RuleChange, signature: AuthorSignature, *, root: TrustRoot, now: datetime) -> None:
    """Raise ``RequestRefused`` unless ``request.requester`` signed exactly this and it has not expired."""
    check_author(request, signature, root=root, now=now)
    if now > request.not_after:
        raise _refused("expired", "has expired", "request.not_after")
    if request.not_after - now > LONGEST_REQUEST:
        raise _refused("too-long", f"lives longer than {LONGEST_REQUEST.days} days", "request.not_after")


def check_author(request: Request | RuleChange, signature: AuthorSignature, *, root: TrustRoot, now: datetime) -> None:
    """The signature alone, for records that outlive their request (openings). Raises ``RequestRefused``.

    A passkey's counts for the kinds of ``BY_PASSKEY`` alone, and once its cooling period is over at ``now``.
    """
    if isinstance(signature, Assertion):
        _check_passkey(request, signature, root, now)
    else:
        _check_key(request, signature, root)


def _check_key(request: Request | RuleChange, signature: Signature, root: TrustRoot) -> None:
    key = root.requester_key(request.requester, signature.key)
    if key is None:
        raise _refused("unknown-key", "is by a key the trust root does not know", "signature.key")
    if not key.verifies(request_message(request), signature.signature):
        raise _refused("signature", "does not verify over this request", "signature.signature")


def _check_passkey(request: Request | RuleChange, assertion: Assertion, root: TrustRoot, now: datetime) -> None:
    if request.kind not in BY_PASSKEY:
        raise _by_passkey(
            "passkey-for-money",
            f"is by a passkey, which shows no words; a {request.kind} takes its requester's key",
            "signature.credential",
        )
    credential = root.operator_credential(request.requester, assertion.credential)
    if root.console is None or credential is None:
        raise _by_passkey("unknown-passkey", "is by a passkey the trust root does not know", "signature.credential")
    if not root.counts(credential.id, now):
        raise _by_passkey("cooling", "is by a passkey that does not count yet", "signature.credential")
    try:
        check_assertion(assertion, credential, challenge=request_message(request), console=root.console)
    except AssertionRefused as error:
        part = str(error.field).removeprefix("assertion.")
        raise _by_passkey(error.facts["reason"], error.message, f"signature.{part}") from error


def _by_passkey(reason: str, message: str, field: str) -> PasskeyCannotAsk:
    return PasskeyCannotAsk(message, field=field, reason=reason)


def _refused(reason: str, message: str, field: str) -> RequestRefused:
    return RequestRefused(message, field=field, reason=reason)
