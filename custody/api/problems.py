"""Errors as problem documents (RFC 9457), made of the one table of codes; nothing of the input is repeated."""

from __future__ import annotations

from typing import Any, Final

from starlette.responses import JSONResponse

from custody.kernel.errors import Broken, Conflict, CustodyError, InvalidInput, NotFound, Refused, Unavailable
from custody.kernel.problems import PROBLEMS


class Unauthenticated(Refused):
    """No credential, or one that is nobody's. HTTP 401."""

    code = "unauthenticated"


class RoleRefused(Refused):
    """The caller is known, and this is not its to do. HTTP 403."""

    code = "role-refused"


class ScopeRefused(Refused):
    """The credential is narrowed, and not for this. HTTP 403."""

    code = "scope-refused"


class ClientRefused(Refused):
    """The credential is bound to clients, and this is not theirs alone. HTTP 403."""

    code = "client-refused"


class NetworkRefused(Refused):
    """The credential is not for calls from where this one comes from. HTTP 403."""

    code = "network-refused"


class TooManyCalls(Unavailable):
    """The credential called more often than it may; ``Retry-After`` says when it may again. HTTP 429."""

    code = "too-many-calls"

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class BodyTooLarge(Refused):
    """More was sent than this route reads. HTTP 413."""

    code = "body-too-large"


class KeyMissing(InvalidInput):
    """The call moves or promises money and has no ``Idempotency-Key``. HTTP 400."""

    code = "idempotency-key-missing"


class KeyDiffers(InvalidInput):
    """The header ``Idempotency-Key`` is not the key that was signed."""

    code = "idempotency-key-differs"


_FAMILIES: Final[tuple[tuple[type[CustodyError], int], ...]] = (
    (InvalidInput, 422),
    (NotFound, 404),
    (Refused, 403),
    (Conflict, 409),
    (Unavailable, 503),
    (Broken, 500),
)
"""For a code that the table does not know: the first family the error is of."""

RETRY_AFTER_SECONDS: Final = 1
MEDIA_TYPE: Final = "application/problem+json"


def status_of(error: CustodyError) -> int:
    """The HTTP status of an error of ours."""
    if isinstance(error, Unauthenticated):
        return 401
    known = PROBLEMS.get(error.code)
    if known is not None:
        return known.status
    return next((status for family, status in _FAMILIES if isinstance(error, family)), 500)


def problem_of(error: CustodyError, *, request_id: str) -> JSONResponse:
    """The answer to an error of ours: which field, what is wrong, what is accepted, whether to try again."""
    status = status_of(error)
    headers = {}
    if error.retryable:
        headers["Retry-After"] = str(error.retry_after if isinstance(error, TooManyCalls) else RETRY_AFTER_SECONDS)
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return problem(
        status=status,
        code=error.code,
        detail=error.message,
        field=error.field,
        retryable=error.retryable,
        request_id=request_id,
        headers=headers,
    )


def problem(
    *,
    status: int,
    code: str,
    detail: str,
    request_id: str,
    field: str | None = None,
    retryable: bool = False,
    headers: dict[str, str] | None = None,
) -> JSONResponse:
    """A problem document. ``type`` is stable per ``code``; ``detail`` never holds what was sent."""
    known = PROBLEMS.get(code)
    document: dict[str, Any] = {
        "type": f"/problems/{code}",
        "title": code.replace("-", " ").capitalize(),
        "status": status,
        "code": code,
        "detail": detail,
        "field": field,
        "pointer": None if field in (None, "body") else "/" + str(field).replace(".", "/"),
        "money": None if known is None else known.money,
        "retryable": retryable,
        "request_id": request_id,
        "docs": f"/problems/{code}",
    }
    return JSONResponse(document, status_code=status, headers=headers, media_type=MEDIA_TYPE)
