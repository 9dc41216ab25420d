"""The keyholder's directory: the sealed key, the memory, the limits. Nobody else may read it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from custody.cosigner.limits import Limits
from custody.kernel.canonical import canonical_json, parse_json
from custody.kernel.errors import InvalidInput, NotFound


@dataclass(frozen=True, slots=True)
class Home:
    """Where everything of one cosigner is kept."""

    path: Path

    @classmethod
    def create(cls, path: Path) -> Home:
        """Make the directory (0700), or take an empty one. Raises ``InvalidInput`` when a key is in it."""
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.chmod(0o700)
        home = cls(path)
        if home.key_file.exists() or home.memory_file.exists():
            raise InvalidInput("there is a key or a memory already", field="home")
        return home

    @classmethod
    def open(cls, path: Path) -> Home:
        """The directory of an existing key. Raises ``NotFound``, or ``InvalidInput`` when others may read it."""
        home = cls(path)
        if not home.key_file.is_file():
            raise NotFound("there is no key here; make one with init", field="home")
        if path.stat().st_mode & 0o077 or home.key_file.stat().st_mode & 0o077:
            raise InvalidInput("others may read it; accepted is mode 0700 with files of 0600", field="home")
        return home

    @property
    def key_file(self) -> Path:
        """The sealed key."""
        return self.path / "key.json"

    @property
    def memory_file(self) -> Path:
        """What was signed, refused and seen."""
        return self.path / "memory.sqlite"

    @property
    def card_folder(self) -> Path:
        """Where files for a device, and its answers, are exchanged."""
        return self.path / "card"

    @property
    def limits_file(self) -> Path:
        """The keyholder's own limits."""
        return self.path / "limits.json"

    def limits(self) -> Limits:
        """The limits set here, or the defaults. Raises ``InvalidInput`` for a damaged file."""
        if not self.limits_file.exists():
            return Limits()
        return Limits.from_json(read_json(self.limits_file, field="limits"))


def read_json(path: Path, *, field: str, limit_bytes: int = 4_000_000) -> Any:
    """Strict JSON from a file. Raises ``InvalidInput`` naming ``field``, never the content."""
    return parse_json(read_text(path, field=field, limit_bytes=limit_bytes), field=field, limit_bytes=limit_bytes)


def read_text(path: Path, *, field: str, limit_bytes: int = 4_000_000) -> str:
    """A file's text. Raises ``InvalidInput`` when it cannot be read."""
    try:
        if path.stat().st_size > limit_bytes:
            raise InvalidInput(f"larger than {limit_bytes} bytes", field=field)
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"cannot be read: {type(error).__name__}", field=field) from error


def write_json(path: Path, value: Any) -> None:
    """Write canonical JSON to a private file at once or not at all, synced to disk."""
    write_private(path, canonical_json(value).decode() + "\n")


def write_private(path: Path, text: str, *, replace: bool = True) -> None:
    """Write a file of mode 0600, synced, whole or not at all. Raises ``InvalidInput`` if it exists and may not."""
    if not replace and path.exists():
        raise InvalidInput("exists already and is not overwritten", field=str(path.name))
    write_private_bytes(path, text.encode())


def write_private_bytes(path: Path, content: bytes) -> None:
    """The same of bytes, in the place of whatever was there."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    _sync_directory(path.parent)


def _sync_directory(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
