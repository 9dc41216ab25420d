"""``Custody-Version``: which dated contract a call was written for, and which one answers.

There is one. Within it only what breaks nobody is added; what would break somebody gets a date of its own, beside this.
"""

from __future__ import annotations

from typing import Final

from starlette.datastructures import Headers

from custody.evidence.calls import API_VERSION, VERSION_HEADER
from custody.kernel.errors import InvalidInput

SERVED: Final = (API_VERSION,)


class VersionUnknown(InvalidInput):
    """The call asks for a version of the contract that is not served. HTTP 400."""

    code = "version-unknown"


def expect_served(headers: Headers) -> None:
    """Raise ``VersionUnknown`` unless every version asked for is served; a call that names none takes the newest."""
    if any(each not in SERVED for each in headers.getlist(VERSION_HEADER)):
        raise VersionUnknown(
            f"not served; accepted are {', '.join(SERVED)}, or no header", field=VERSION_HEADER.lower()
        )


def answered(path: str) -> dict[str, str]:
    """The header of every answer of the API, as far as it has versions."""
    return {VERSION_HEADER: API_VERSION} if path.startswith("/v1/") else {}
