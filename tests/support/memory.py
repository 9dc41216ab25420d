"""Where tests keep their files: in memory where there is room, for making a file on a disk can take half a millisecond.

A migrated database is five hundred files, a node's folder is dozens; nothing of it is looked at after the run.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

IN_MEMORY = Path("/dev/shm")
ENOUGH_BYTES = 4 * 2**30
"""A whole run on two processes needs a quarter of it."""


def keep_files_in_memory() -> None:
    """From here on temporary folders of this process and its children are in memory; ``TMPDIR`` keeps them elsewhere.

    A machine without that much room there, or where no program may be run from there, keeps its own place.
    """
    if "TMPDIR" not in os.environ and _serves(IN_MEMORY):
        os.environ["TMPDIR"] = str(IN_MEMORY)
        tempfile.tempdir = None


def _serves(place: Path) -> bool:
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        return False
    found = os.statvfs(place)
    return not found.f_flag & os.ST_NOEXEC and found.f_bavail * found.f_frsize >= ENOUGH_BYTES
