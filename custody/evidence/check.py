"""Checking a request's author: the requester's signature by a key the trust root pins, and its time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from custody.evidence.requests import Request, RuleChange, request_message
from custody.evidence.signatures import Signature
from custody.evidence.trust_root import TrustRoot
from custody.kernel.errors import Refused

LONGEST_REQUEST: Final = timedelta(days=30)


class RequestRefused(Refused):
    """A request is not by a pinned key, does not verify, or is not valid at this time."""

    code = "request-refused"


def check_request(request: Request, signature: Signature, *, root: TrustRoot, now: datetime) -> None:
    """Raise ``RequestRefused`` unless ``request.requester`` signed exactly this and it has not expired."""
    check_author(request, signature, root=root)
    if now > request.not_after:
        raise RequestRefused("has expired", field="request.not_after")
    if request.not_after - now > LONGEST_REQUEST:
        raise RequestRefused(f"lives longer than {LONGEST_REQUEST.days} days", field="request.not_after")


def check_author(request: Request | RuleChange, signature: Signature, *, root: TrustRoot) -> None:
    """The signature alone, for records that outlive their request (openings). Raises ``RequestRefused``."""
    key = root.requester_key(request.requester, signature.key)
    if key is None:
        raise RequestRefused("is by a key the trust root does not know", field="signature.key")
    if not key.verifies(request_message(request), signature.signature):
        raise RequestRefused("does not verify over this request", field="signature.signature")
