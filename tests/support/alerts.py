"""Alert rules tried on a page of metrics, as Prometheus would one moment after its ``for`` is over."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from ops.alerts import ALERTS, Alert


@dataclass(frozen=True)
class Reading:
    """One line of the page."""

    metric: str
    labels: dict[str, str]
    value: int


def readings(page: bytes) -> list[Reading]:
    """Every line of a page."""
    return [
        Reading(sample.name, dict(sample.labels), int(sample.value))
        for family in text_string_to_metric_families(page.decode())
        for sample in family.samples
    ]


def firing(page: bytes, *, but: Iterable[str] = ()) -> set[str]:
    """The names of the alerts that fire, but those."""
    found = readings(page)
    return {alert.name for alert in ALERTS if alert.name not in but and _fires(alert, found)}


def _fires(alert: Alert, found: list[Reading]) -> bool:
    taken = _greatest(alert, alert.metric, found)
    if alert.is_zero_when_missing and not taken:
        taken = {(): 0}
    if alert.below is not None:
        return any(value < alert.below for value in taken.values())
    if isinstance(alert.above, int):
        return any(value > alert.above for value in taken.values())
    limits = _greatest(alert, str(alert.above), found)
    return any(labels in limits and value > limits[labels] for labels, value in taken.items())


def _greatest(alert: Alert, metric: str, found: list[Reading]) -> dict[tuple[str, ...], int]:
    """``max by`` the alert's labels over what its ``where`` lets through."""
    most: dict[tuple[str, ...], int] = {}
    for reading in found:
        if reading.metric == metric and all(_matches(reading, *wanted) for wanted in alert.where.items()):
            key = tuple(reading.labels[label] for label in alert.labels)
            most[key] = max(reading.value, most.get(key, reading.value))
    return most


def _matches(reading: Reading, label: str, wanted: str) -> bool:
    if wanted.startswith("!"):
        return reading.labels[label] != wanted[1:]
    return reading.labels[label] == wanted
