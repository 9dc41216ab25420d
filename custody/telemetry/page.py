"""The page of metrics as Prometheus reads it, and what this process counts of its own answers."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from custody.db import Database
from custody.kernel.errors import CustodyError
from custody.reconciliation.stuck import Deadlines
from custody.telemetry import readings
from custody.telemetry.metrics import BY_NAME, LATENCY_BUCKETS
from custody.telemetry.nodes import Nodes
from custody.telemetry.readings import ChainLimits, Sample
from custody.telemetry.tally import Tally

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

log = structlog.get_logger("custody.telemetry")


@dataclass(frozen=True, slots=True)
class Watched:
    """What the page is about. ``nodes``, ``limits`` and ``deadlines`` are by a chain's CAIP-2 id."""

    database: Database
    nodes: Nodes
    limits: Mapping[str, ChainLimits]
    deadlines: Mapping[str, Deadlines]
    reconcile_every: timedelta


class Answers:
    """What this process answered: ``door`` is ``api``, ``console`` or ``other``, the status its class (``2xx``)."""

    def __init__(self, registry: CollectorRegistry) -> None:
        counted, timed = BY_NAME["custody_http_requests_total"], BY_NAME["custody_http_request_seconds"]
        self._count = Counter(counted.name, counted.help, counted.labels, registry=registry)
        self._time = Histogram(timed.name, timed.help, timed.labels, registry=registry, buckets=LATENCY_BUCKETS)

    def told(self, path: str, status: int, seconds: float) -> None:
        """One answer. The path decides the door and is kept nowhere."""
        door = {"v1": "api", "console": "console"}.get(path.split("/", 2)[1] if path.startswith("/") else "", "other")
        self._count.labels(door, f"{status // 100}xx").inc()
        self._time.labels(door).observe(seconds)


class Page:
    """The whole page. One reading at a time: whoever asks meanwhile waits for it."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._tally = Tally()
        self._lock = threading.Lock()
        self._registry = CollectorRegistry()
        self.answers = Answers(self._registry)
        self._registry.register(_Collected(self))

    def render(self) -> bytes:
        """In Prometheus' text format. Where Postgres is silent the readings are missing and one of them says so."""
        with self._lock:
            return generate_latest(self._registry)

    def samples(self) -> list[Sample]:
        """Every reading of the database and the nodes, taken now."""
        watched = self._watched
        heights = {chain: standing.height for chain, standing in watched.nodes.standings().items()}
        try:
            with watched.database.unit() as unit:
                found = readings.read(
                    unit.session,
                    chains=watched.limits,
                    heights=heights,
                    deadlines=watched.deadlines,
                    reconcile_seconds=int(watched.reconcile_every.total_seconds()),
                    now=unit.now,
                )
                counted = self._tally.take(unit.session)
        except (CustodyError, SQLAlchemyError) as error:
            log.warning("no readings", why=type(error).__name__)
            return [Sample("custody_readings_up", (), 0)]
        return [Sample("custody_readings_up", (), 1), *found, *counted]


class _Collected(Collector):
    """Readings as families: those with one name together."""

    def __init__(self, page: Page) -> None:
        self._page = page

    def collect(self) -> Iterator[Metric]:
        """Take the readings and hand them out."""
        found = sorted(self._page.samples(), key=lambda sample: (sample.metric, sample.labels))
        for name, samples in groupby(found, key=lambda sample: sample.metric):
            yield _family(name, list(samples))

    def describe(self) -> Sequence[Metric]:
        """Nothing: so registering it reads nothing."""
        return ()


def _family(name: str, samples: Sequence[Sample]) -> Metric:
    known = BY_NAME[name]
    make = CounterMetricFamily if known.kind == "counter" else GaugeMetricFamily
    family = make(name, known.help, labels=known.labels)
    for sample in samples:
        family.add_metric(sample.labels, sample.value)
    return family
