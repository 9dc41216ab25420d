"""Four families of errors, translated once at each door (HTTP, worker, command line).

``Refused``: the rules say no. ``Conflict``: the state moved. ``Unavailable``: a node or signer is silent.
``Broken``: an invariant is false. Concrete errors stand beside the operation that raises them; their
``code`` is stable and part of the API. Messages carry ids and rules, never secrets and never the
rejected value of a secret field.
"""

from __future__ import annotations

from typing import Any, ClassVar


class CustodyError(Exception):
    """What every error of ours is. ``field`` is the input it is about; ``facts`` are ids for the log."""

    code: ClassVar[str] = "error"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, field: str | None = None, **facts: Any) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.facts = facts

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


class Refused(CustodyError):
    """The rules say no. HTTP 403; the worker finishes without a retry."""

    code = "refused"


class InvalidInput(Refused):
    """A field is not what is accepted. Always names the field, the problem and what is accepted. HTTP 422."""

    code = "invalid-input"


class NotFound(Refused):
    """No such object for this caller. HTTP 404."""

    code = "not-found"


class Conflict(CustodyError):
    """The state moved, the thing is already done, or the same key is still in flight. HTTP 409."""

    code = "conflict"


class Unavailable(CustodyError):
    """A node, signer or price source is silent. HTTP 503; the worker retries with backoff and a limit."""

    code = "unavailable"
    retryable = True


class Broken(CustodyError):
    """An invariant is false. HTTP 500; the worker stops, freezes the subject and pages."""

    code = "broken"
