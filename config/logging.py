"""structlog for every process: JSON in production, words in a terminal, secrets masked before anything is written."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Final

import structlog

_SECRET_NAMES: Final = re.compile(
    r"password|passphrase|secret|token|mnemonic|seed|authorization|cookie|private|seal_key|url$", re.IGNORECASE
)
_SECRET_VALUES: Final = (
    re.compile(r"[xyztuvYZUV]prv[1-9A-HJ-NP-Za-km-z]{50,}"),
    re.compile(r"(?<=://)[^/@\s]+:[^/@\s]+(?=@)"),
    re.compile(r"(?i)(?<=bearer )[a-z0-9._~+/=-]{8,}"),
    re.compile(r"\b[5KL9c][1-9A-HJ-NP-Za-km-z]{50,51}\b"),
)
MASK: Final = "[masked]"


def configure(log_format: str, *, process: str) -> None:
    """Set structlog up for this process, and route the standard library's loggers through the same masks."""
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(process=process)
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        mask,
    ]
    renderer: Any = (
        structlog.processors.JSONRenderer() if log_format == "json" else structlog.dev.ConsoleRenderer(colors=False)
    )
    structlog.configure(
        processors=[*shared, renderer],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processors=[mask, renderer], foreign_pre_chain=shared))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


def mask(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace what is named like a secret or looks like one (I12)."""
    for name, value in event.items():
        event[name] = MASK if _SECRET_NAMES.search(name) and value else _masked(value)
    return event


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        for pattern in _SECRET_VALUES:
            value = pattern.sub(MASK, value)
        return value
    if isinstance(value, dict):
        return {name: MASK if _SECRET_NAMES.search(str(name)) else _masked(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_masked(item) for item in value]
    return value
