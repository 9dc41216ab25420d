"""What remembers signed calls: Postgres where a call may change something, this process where it only reads.

A read that is sent again changes nothing, and who could record it saw its answer too; so it costs no row and no
commit, and is known in the process that answered it. A cosigner's reads hand bundles out, which counts, so they are
rows as well.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Final

from sqlalchemy.orm import Session

from custody.api.credentials import Role
from custody.api.signatures.reading import SignedCall
from custody.api.signatures.refusals import CallReplayed
from custody.replays import operations as replays

SWEEP_SECONDS: Final = 10
_READS: Final = ("GET", "HEAD")


def is_row(method: str, role: Role) -> bool:
    """Whether such a call is remembered in the database."""
    return method not in _READS or role == Role.COSIGNER


def take(session: Session, call: SignedCall, *, now: int) -> None:
    """Remember a call in the unit of what it does. Raises ``CallReplayed`` where it came before."""
    if not note(session, call, now=now):
        raise CallReplayed("came before", field="nonce")


def note(session: Session, call: SignedCall, *, now: int) -> bool:
    """Remember a call; False where it came before."""
    until, moment = (datetime.fromtimestamp(seconds, UTC) for seconds in (call.forgotten_at, now))
    return replays.take(session, key=call.key, nonce=call.nonce, forgotten_at=until, now=moment)


class SeenReads:
    """Nonces of reads, in this process, until they could not be fresh any more."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], int] = {}
        self._lock = threading.Lock()
        self._sweep_at = 0

    def take(self, call: SignedCall, *, now: int) -> None:
        """Remember it. Raises ``CallReplayed`` where it came before."""
        with self._lock:
            if now >= self._sweep_at:
                self._sweep_at = now + SWEEP_SECONDS
                self._seen = {known: until for known, until in self._seen.items() if until >= now}
            known = (call.key, call.nonce)
            if known in self._seen:
                raise CallReplayed("came before", field="nonce")
            self._seen[known] = call.forgotten_at
