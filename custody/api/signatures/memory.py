"""What remembers signed calls: Postgres where a call may change something, this process where it only reads.

A read that is sent again changes nothing, and who could record it saw its answer too; so it costs no row and no
commit, and is known in the process that answered it. A cosigner's reads hand bundles out, which counts, so they are
rows as well.
"""

from __future__ import annotations

import threading
from collections import Counter
from datetime import UTC, datetime
from typing import Final

from sqlalchemy.orm import Session

from custody.api.credentials import Role
from custody.api.problems import TooManyCalls
from custody.api.signatures.reading import SignedCall
from custody.api.signatures.refusals import CallReplayed, SignatureRefused
from custody.replays import operations as replays
from custody.replays.operations import Taken

SWEEP_SECONDS: Final = 10
READS_KEPT: Final = 100_000
"""Reads of one key that are remembered at once: at the longest lifetime, 333 a second."""
_READS: Final = ("GET", "HEAD")


def is_row(method: str, role: Role) -> bool:
    """Whether such a call is remembered in the database."""
    return method not in _READS or role == Role.COSIGNER


def take(session: Session, call: SignedCall) -> None:
    """Remember a call in the unit of what it does. Raises ``CallReplayed`` where it came before.

    Where this process's clock is behind the database's, it raises ``SignatureRefused`` of what may be forgotten.
    """
    match note(session, call):
        case Taken.KNOWN:
            raise CallReplayed("came before", field="nonce")
        case Taken.OVER:
            raise SignatureRefused("is over by the clock of this house's database", field="expires")


def note(session: Session, call: SignedCall) -> Taken:
    """Remember a call, and say whether it came before."""
    until = datetime.fromtimestamp(call.forgotten_at, UTC)
    return replays.take(session, key=call.key, nonce=call.nonce, forgotten_at=until)


class SeenReads:
    """Nonces of reads, in this process, until they could not be fresh any more; of each key so many and no more.

    A read is remembered also where it is refused for its pace, so pace alone would let one caller fill the memory.
    """

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], int] = {}
        self._number: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._sweep_at = 0

    def take(self, call: SignedCall, *, now: int) -> None:
        """Remember it. Raises ``CallReplayed`` where it came before, ``TooManyCalls`` where its key has too many."""
        with self._lock:
            if now >= self._sweep_at:
                self._sweep_at = now + SWEEP_SECONDS
                self._seen = {known: until for known, until in self._seen.items() if until >= now}
                self._number = Counter(key for key, _ in self._seen)
            known = (call.key, call.nonce)
            if known in self._seen:
                raise CallReplayed("came before", field="nonce")
            if self._number[call.key] >= READS_KEPT:
                raise TooManyCalls(
                    f"{READS_KEPT} reads under this key could still come again; one more is taken when some are over",
                    retry_after=SWEEP_SECONDS,
                )
            self._seen[known] = call.forgotten_at
            self._number[call.key] += 1
