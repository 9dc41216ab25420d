"""The newest version of the trust root that was proved here: kept, so that no older one is believed again."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from custody.kernel.errors import InvalidInput

SEEN_FILE: Final = "CUSTODY_TRUST_ROOT_SEEN_FILE"
_LINE: Final = re.compile(r"([1-9][0-9]{0,8}) ([0-9a-f]{64})", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class RootSeen:
    """A version of the trust root, by its number and its hash."""

    version: int
    hash: str


class RootMemory:
    """What was seen, in this process and, with a ``path``, in a file that several processes may share.

    The file has a line for each version and only grows. Who deletes it makes the client forget.
    """

    def __init__(self, path: Path | None = None) -> None:
        """Raises ``InvalidInput`` where the file cannot be kept or does not read as one of these."""
        self._path: Final = path
        self._newest: RootSeen | None = None
        if path is not None:
            self._append(path, b"")
            self.newest()

    def newest(self) -> RootSeen | None:
        """The newest that anybody noted. Raises ``InvalidInput`` where the file does not read."""
        noted = [] if self._path is None else _read(self._path)
        return max([*noted, *([] if self._newest is None else [self._newest])], default=None)

    def note(self, seen: RootSeen) -> None:
        """Keep ``seen`` where it is newer than what was noted, on disk before this returns. Raises ``InvalidInput``."""
        before = self.newest()
        self._newest = seen if before is None else max(before, seen)
        if self._path is not None and self._newest != before:
            self._append(self._path, f"{seen.version} {seen.hash}\n".encode())

    @staticmethod
    def _append(path: Path, line: bytes) -> None:
        try:
            place = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                # One write of one short line: two processes' lines do not mix.
                os.write(place, line)
                os.fsync(place)
            finally:
                os.close(place)
        except OSError as error:
            raise InvalidInput(f"cannot be kept: {error.strerror}", field=SEEN_FILE) from None


def _read(path: Path) -> list[RootSeen]:
    try:
        found = [_LINE.fullmatch(line) for line in path.read_text(encoding="ascii").splitlines()]
    except (OSError, ValueError):
        found = [None]
    if not all(found):
        raise InvalidInput("does not read; accepted are lines of a version and its hash", field=SEEN_FILE)
    return [RootSeen(int(line[1]), line[2]) for line in found if line is not None]
