"""Who is calling: whoever holds a caller's token, or signed the call with a caller's key. Roles open routes.

Callers stand in a file and not in the database: who owns the database adds none. The file is read again when it
changes; one that cannot be read then leaves the callers as they were, and says so in the log.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from custody.api.credentials import SETTING, Caller, Credential, Role, expect_no_bearer_requester, read_credentials
from custody.api.problems import Unauthenticated
from custody.api.signatures.reading import SignedCall
from custody.api.signatures.refusals import SignatureRefused
from custody.kernel.errors import InvalidInput

__all__ = ["SETTING", "Caller", "Callers", "Role"]

_Stamp = tuple[int, int, int]

log = structlog.get_logger("custody.api")


class Callers:
    """Everyone who may call. Looking a token up takes the same time whoever it is."""

    def __init__(self, credentials: list[Credential], *, again: Callable[[], list[Credential] | None] | None = None):
        """``again`` gives the callers anew where they changed, and ``None`` where they did not."""
        self._again: Final = again
        self._fill(credentials)

    @classmethod
    def load(cls, path: Path, *, mainnet: bool = False) -> Callers:
        """Read the callers' file, now and whenever it changes. Raises ``InvalidInput`` naming what is wrong.

        On a ``mainnet`` a requester with a bearer token is refused.
        """
        file = _CallersFile(path, mainnet)
        return cls(file.read(), again=file.changed)

    @classmethod
    def parse(cls, text: str | bytes, *, folder: Path = Path()) -> Callers:
        """The callers of this text; no two share a name, a token or a key's name. Raises ``InvalidInput``."""
        return cls(read_credentials(text, folder=folder))

    def identify(self, header: str | None) -> Caller:
        """The caller behind ``Authorization: Bearer …``. Raises ``Unauthenticated``."""
        self._refresh()
        scheme, _, token = (header or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthenticated("accepted is Authorization: Bearer and a caller's token, or a signed call")
        given = hashlib.sha256(token.encode()).digest()
        matches = [caller for known, caller in self._tokens.items() if hmac.compare_digest(known, given)]
        if not matches:
            raise Unauthenticated("this token is nobody's")
        return matches[0]

    def by_signature(self, call: SignedCall) -> Caller:
        """The caller whose key signed ``call``. Raises ``SignatureRefused``; its times are the reader's to check."""
        self._refresh()
        found = self._keys.get(call.key)
        if found is None or found.verifier is None:
            raise SignatureRefused("is nobody's key here", field="keyid")
        if call.algorithm != found.verifier.algorithm:
            raise SignatureRefused(f"not this key's; accepted is {found.verifier.algorithm}", field="alg")
        if not found.verifier.verifies(call.base, call.signature):
            raise SignatureRefused(
                "is not this key's over what came; custody api sign shows what is signed", field="signature"
            )
        return found.caller

    def _refresh(self) -> None:
        if self._again is None:
            return
        try:
            changed = self._again()
        except InvalidInput as error:
            log.error("callers not read again", field=error.field, problem=error.message)
            return
        if changed is not None:
            self._fill(changed)

    def _fill(self, credentials: list[Credential]) -> None:
        self._tokens = {each.token_sha256: each.caller for each in credentials if each.token_sha256 is not None}
        self._keys = {each.key: each for each in credentials if each.key is not None}


class _CallersFile:
    """The file and when it was last read. A change is seen by its time, size and place: one question per call."""

    def __init__(self, path: Path, mainnet: bool) -> None:
        self._path, self._mainnet, self._stamp = path, mainnet, self._look(path)

    def read(self) -> list[Credential]:
        try:
            text = self._path.read_bytes()
        except OSError as error:
            raise InvalidInput(f"cannot be read: {error.strerror}", field=SETTING) from None
        credentials = read_credentials(text, folder=self._path.parent)
        if self._mainnet:
            expect_no_bearer_requester(credentials)
        return credentials

    def changed(self) -> list[Credential] | None:
        stamp = self._look(self._path)
        if stamp == self._stamp:
            return None
        self._stamp = stamp
        return self.read()

    @staticmethod
    def _look(path: Path) -> _Stamp | None:
        try:
            found = path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino
