"""Files that commands are given, and write; ``-`` is standard input, which one of them can be."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

STANDARD: Final = "-"


def file_bytes(path: str) -> bytes:
    """What stands in the file. Raises OSError, and ``InvalidInput`` where a person sits at standard input."""
    if path != STANDARD:
        return Path(path).read_bytes()
    if sys.stdin.isatty():
        from custody.kernel.errors import InvalidInput

        raise InvalidInput("- reads standard input, and nothing is piped into it", field="file")
    return sys.stdin.buffer.read()


def file_text(path: str) -> str:
    """The same as text in UTF-8. Raises ``UnicodeDecodeError`` where it is none."""
    return file_bytes(path).decode("utf-8")


def file_json(path: str, *, field: str, limit_bytes: int | None = None) -> Any:
    """The same as strict JSON. Raises ``InvalidInput`` naming ``field``."""
    from custody.kernel.canonical import parse_json

    limits = {} if limit_bytes is None else {"limit_bytes": limit_bytes}
    return parse_json(file_bytes(path), field=field, **limits)


@contextmanager
def new_file(path: str) -> Iterator[BinaryIO]:
    """A file that was not there, and is not there afterwards where writing it was ended half way.

    Raises OSError where there is one of that name.
    """
    with Path(path).open("xb") as file:
        try:
            yield file
        except BaseException:
            Path(path).unlink()
            raise


def is_given(path: str) -> bool:
    """Whether ``path`` is something to read from."""
    return path == STANDARD or Path(path).is_file()
