"""In which form an event is pushed: as the feed has it, or inside a CloudEvent (1.0, structured mode, JSON)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from custody.events.model import Event
from custody.kernel.canonical import canonical_json

STANDARD: Final = "standard"
CLOUDEVENTS: Final = "cloudevents"
FORMATS: Final = (STANDARD, CLOUDEVENTS)
_TYPE_PREFIX: Final = "custody."


def source_of(instance: str) -> str:
    """The ``source`` of this house's CloudEvents; ``instance`` is the name it is called by."""
    return f"/custody/{instance}"


def body_of(event: Event, *, is_thin: bool, source: str | None) -> bytes:
    """The very bytes that are signed and sent; a CloudEvent of ``source``, where one is named.

    Structured mode, because a signature covers the body and no header: in binary mode the event's type and subject
    could be changed on the way.
    """
    told = event.thin() if is_thin else event.to_json()
    return canonical_json(told if source is None else _cloud_event(event, told, source))


def content_type(source: str | None) -> str:
    """What the receiver is told the body is."""
    return "application/json" if source is None else "application/cloudevents+json; charset=utf-8"


def _cloud_event(event: Event, told: Mapping[str, Any], source: str) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": event.id,
        "source": source,
        "type": _TYPE_PREFIX + event.type,
        "subject": event.subject,
        "time": told["occurred_at"],
        "datacontenttype": "application/json",
        "data": told,
    }
