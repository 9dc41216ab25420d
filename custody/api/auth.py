"""Who is calling: one bearer token per caller, of which only the SHA-256 is kept, in a file. Roles open routes."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from custody.api.problems import Unauthenticated
from custody.evidence import fields
from custody.kernel.canonical import parse_json
from custody.kernel.errors import InvalidInput

SETTING = "CUSTODY_API_TOKENS_FILE"


class Role(StrEnum):
    """What a caller may do besides reading: ask for things, decide and replace, hand in signatures, or nothing.

    A service states prices and the like, and does not read.
    """

    REQUESTER = "requester"
    OPERATOR = "operator"
    COSIGNER = "cosigner"
    SERVICE = "service"
    READER = "reader"


@dataclass(frozen=True, slots=True)
class Caller:
    """One caller. A cosigner's ``name`` is its id in the keyset."""

    name: str
    role: Role


class Callers:
    """Everyone with a token. Looking one up takes the same time whoever it is."""

    def __init__(self, known: dict[bytes, Caller]) -> None:
        self._known = known

    @classmethod
    def load(cls, path: Path) -> Callers:
        """Read the tokens file. Raises ``InvalidInput`` naming what is wrong."""
        try:
            text = path.read_bytes()
        except OSError as error:
            raise InvalidInput(f"cannot be read: {error.strerror}", field=SETTING) from None
        return cls.parse(text)

    @classmethod
    def parse(cls, text: str | bytes) -> Callers:
        """Read ``{callers: [{name, role, token_sha256}]}``; no two share a name or a token. Raises ``InvalidInput``."""
        found = fields.exact_object(parse_json(text, field=SETTING), ("callers",), field=SETTING)
        rows = [_caller(item) for item in fields.array(found["callers"], field=f"{SETTING}.callers")]
        known = dict(rows)
        if len(known) != len(rows) or len({caller.name for caller in known.values()}) != len(rows):
            raise InvalidInput("two callers share a name or a token", field=f"{SETTING}.callers")
        return cls(known)

    def identify(self, header: str | None) -> Caller:
        """The caller behind ``Authorization: Bearer …``. Raises ``Unauthenticated``."""
        scheme, _, token = (header or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthenticated("accepted is Authorization: Bearer and a caller's token")
        given = hashlib.sha256(token.encode()).digest()
        matches = [caller for known, caller in self._known.items() if hmac.compare_digest(known, given)]
        if not matches:
            raise Unauthenticated("this token is nobody's")
        return matches[0]


def _caller(value: object) -> tuple[bytes, Caller]:
    field = f"{SETTING}.callers"
    found = fields.exact_object(value, ("name", "role", "token_sha256"), field=field)
    role = Role(fields.one_of(found["role"], tuple(Role), field=f"{field}.role"))
    digest = fields.hexadecimal(found["token_sha256"], field=f"{field}.token_sha256", length=32)
    return bytes.fromhex(digest), Caller(fields.name(found["name"], field=f"{field}.name"), role)
