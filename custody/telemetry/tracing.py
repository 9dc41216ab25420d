"""Traces, switched by the standard ``OTEL_*`` variables alone. Off, which is the default, nothing of it is imported.

A span says what was called, how it ended and under which correlation id. Of a statement it says nothing, and of a
failure its kind: a parameter or a message may hold what is nobody's business. Everything done for one request, in
whichever process, is one trace: its id is made of the correlation id, which the outbox carries along.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

SWITCHES: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_TRACES_EXPORTER")
"""Any of these switches traces on; ``OTEL_SDK_DISABLED=true`` or ``OTEL_TRACES_EXPORTER=none`` off again."""

SAID: Final = frozenset(
    {
        *("http.request.method", "http.route", "http.response.status_code"),
        *("db.system.name", "messaging.system", "messaging.operation.type", "messaging.destination.name"),
        *("messaging.message.id", "error.type", "custody.correlation_id", "custody.chain"),
    }
)
"""The attributes a span may have. None of them can hold an address, an amount or a client."""

_HERE: Final[dict[str, Tracer]] = {}
_CORRELATION: ContextVar[str] = ContextVar("correlation", default="")


class Told:
    """What a caller adds to a span while it is open; nothing where traces are off."""

    def __init__(self, span: Span | None = None) -> None:
        self._span = span

    def say(self, name: str, value: str | int) -> None:
        """Add one attribute of ``SAID``. Raises ``ValueError`` for any other."""
        if name not in SAID:
            raise ValueError(f"{name} is not said in a span")
        if self._span is not None:
            self._span.set_attribute(name, value)

    def rename(self, name: str) -> None:
        """Call the span what only its end could tell."""
        if self._span is not None:
            self._span.update_name(name)

    def fail(self, kind: str) -> None:
        """It ended badly; ``kind`` is the name of a class, never a message."""
        self.say("error.type", kind)
        if self._span is not None:
            from opentelemetry.trace import StatusCode

            self._span.set_status(StatusCode.ERROR)


_SILENT: Final = Told()


def is_wanted(environment: Mapping[str, str]) -> bool:
    """Whether these variables switch traces on."""
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true" or environment.get("OTEL_TRACES_EXPORTER") == "none":
        return False
    return any(environment.get(name) for name in SWITCHES)


def start(process: str) -> None:
    """Begin to trace in this process, called ``custody-…`` unless ``OTEL_SERVICE_NAME`` says otherwise.

    After a fork, not before it. A second call changes nothing.
    """
    if _HERE or not is_wanted(os.environ):
        return
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    os.environ.setdefault("OTEL_SERVICE_NAME", f"custody-{process}")
    provider = TracerProvider(resource=Resource.create(), id_generator=_one_trace_a_correlation())
    provider.add_span_processor(BatchSpanProcessor(_exporter()))
    _HERE["tracer"] = provider.get_tracer("custody")


@contextmanager
def span(name: str, *, kind: str = "internal", correlation_id: str = "", **said: str | int) -> Iterator[Told]:
    """One span around the body; ``kind`` is ``internal``, ``server``, ``client`` or ``consumer``.

    ``said`` are attributes out of ``SAID``. What the body raises goes on as it is.
    """
    tracer = _HERE.get("tracer")
    if tracer is None:
        yield _SILENT
        return
    from opentelemetry.trace import SpanKind

    known = _CORRELATION.set(correlation_id) if correlation_id else None
    opened = tracer.start_as_current_span(
        name, kind=SpanKind[kind.upper()], record_exception=False, set_status_on_exception=False
    )
    try:
        with opened as current:
            told = Told(current)
            for attribute, value in said.items():
                told.say(attribute, value)
            if _CORRELATION.get():
                told.say("custody.correlation_id", _CORRELATION.get())
            try:
                yield told
            except BaseException as error:
                told.fail(type(error).__name__)
                raise
    finally:
        if known is not None:
            _CORRELATION.reset(known)


@contextmanager
def unit() -> Iterator[None]:
    """Around one unit of work, as ``custody.db.Database`` takes it."""
    with span("unit", kind="client", **{"db.system.name": "postgresql"}):
        yield


def _exporter() -> Any:
    if os.environ.get("OTEL_TRACES_EXPORTER") == "console":
        import sys

        from opentelemetry.sdk.trace.export import ConsoleSpanExporter

        return ConsoleSpanExporter(out=sys.stderr, formatter=lambda found: found.to_json(indent=None) + "\n")
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter()


def _one_trace_a_correlation() -> Any:
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

    class OfCorrelation(RandomIdGenerator):
        def generate_trace_id(self) -> int:
            known = _CORRELATION.get()
            if not known:
                return super().generate_trace_id()
            return int.from_bytes(hashlib.sha256(known.encode()).digest()[:16], "big") or 1

    return OfCorrelation()
