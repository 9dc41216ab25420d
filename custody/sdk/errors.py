"""What goes wrong when the API is called: a class for each family of the problems it answers with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast


class ApiError(Exception):
    """The API said no, or nothing. Its text begins with the request id, which finds the call in the house's log.

    ``idempotency_key`` is the key the call went out under: the same call under the same key is safe to make again.
    """

    def __init__(
        self,
        detail: str,
        *,
        code: str,
        status: int | None = None,
        field: str | None = None,
        request_id: str | None = None,
        retryable: bool = False,
        idempotency_key: str | None = None,
    ) -> None:
        self.detail = detail
        self.code = code
        """Stable, one of the table in the reference; ``no-answer`` where none came."""
        self.status = status
        self.field = field
        self.request_id = request_id
        self.retryable = retryable
        self.idempotency_key = idempotency_key
        self.retry_after: int | None = None
        """Seconds the house asks to be left alone for."""
        super().__init__(self._text())

    def _text(self) -> str:
        where = f"{self.field}: " if self.field else ""
        key = f" (idempotency key {self.idempotency_key})" if self.idempotency_key else ""
        return f"{self.request_id or 'no request id'}: {self.code}: {where}{self.detail}{key}"


class InvalidRequest(ApiError):
    """Something in the call is not what is accepted; ``field`` names it. 400, 413, 422."""


class NotAuthenticated(ApiError):
    """The credential is nobody's, or the signature is not good. 401."""


class NotAllowed(ApiError):
    """The rules, the credential's scopes or its clients say no. 403."""


class NotThere(ApiError):
    """No such thing for this caller. 404."""


class InConflict(ApiError):
    """What was asked about has moved on, or the same call is on its way. 409."""


class TooManyCalls(ApiError):
    """More calls a minute than the credential may make. 429."""


class HouseUnavailable(ApiError):
    """The house, its node or its database does not answer now; money stays where it is. 503, or no answer."""


class HouseBroken(ApiError):
    """Something is wrong in the house, and it knows. Other 5xx."""


class NotProven(Exception):
    """What the house shows is not proved by the trust root pinned here. Nothing of it may be used."""


class AddressNotOurs(NotProven):
    """A deposit address is not that client's by the pinned trust root: it must be given to nobody."""


class StillWaiting(Exception):
    """The wait was over before the state was reached; ``last`` is how the thing stood then."""

    def __init__(self, message: str, *, last: object) -> None:
        super().__init__(message)
        self.last = last


_BY_STATUS: Final[Mapping[int, type[ApiError]]] = {
    400: InvalidRequest,
    401: NotAuthenticated,
    403: NotAllowed,
    404: NotThere,
    405: InvalidRequest,
    409: InConflict,
    413: InvalidRequest,
    422: InvalidRequest,
    429: TooManyCalls,
    503: HouseUnavailable,
}


def error_of(status: int, document: object, *, request_id: str | None, idempotency_key: str | None) -> ApiError:
    """The exception of a problem document (RFC 9457); of an answer that is none, by its status alone."""
    found: Mapping[str, Any] = cast("Mapping[str, Any]", document) if isinstance(document, Mapping) else {}
    family = _BY_STATUS.get(status, HouseBroken if status >= 500 else InvalidRequest)
    field = found.get("field")
    return family(
        str(found.get("detail", f"HTTP {status}")),
        code=str(found.get("code", "http-error")),
        status=status,
        field=None if field is None else str(field),
        request_id=str(found.get("request_id") or request_id or "") or None,
        retryable=found.get("retryable", status in (502, 503, 504)) is True,
        idempotency_key=idempotency_key,
    )
