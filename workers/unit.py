"""The two shapes of a task, and where the four families of errors are translated for workers.

``unit_task``: database only; one unit that commits inside the retried call, with the message marked done in it.
``effect_task``: read, act, write in units of its own; every effect may run twice, so the message is marked done
after it. Waiting is a row with a time: a task that must wait is postponed in Postgres, never on the broker.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from functools import wraps
from time import monotonic
from typing import Any, Final

import structlog

from custody.audit import operations as audit
from custody.bootstrap import Runtime, ServedChain
from custody.chains.port import NodeUnavailable
from custody.db.unit import UnitConflict
from custody.kernel.crash import crash_point
from custody.kernel.errors import Broken, CustodyError
from custody.outbox import operations as outbox
from custody.restore.queries import GATED_TOPICS, require_normal
from custody.telemetry.tracing import Told, span
from workers.app import app, runtime

TRIES: Final = 5
LONGEST_WAIT: Final = timedelta(seconds=60)
ALARM_AFTER: Final = 12
"""Failed deliveries of one message before a person is told."""

PATIENCE_SECONDS: Final = 1.0
REST: Final = 3
_RESTS: Final[dict[str, float]] = {}
"""Chain to the moment until which this process leaves it alone."""

log = structlog.get_logger("workers")


UnitBody = Callable[..., None]
"""``(unit, runtime, /, *, correlation_id, **payload)``: one domain call, in ``unit``."""

EffectBody = Callable[..., None]
"""``(runtime, /, *, correlation_id, **payload)``: read, act, write, each in a unit of its own; may run twice."""


Delivery = Callable[[Runtime, int], None]
"""``(runtime, message id)``: handle one outbox message, as its row says."""

DELIVERIES: Final[dict[str, Delivery]] = {}
"""Topic to delivery, as the tasks run it; a test may deliver without a broker."""


def unit_task(topic: str) -> Callable[[UnitBody], Any]:
    """Register a body for ``topic``. The unit it runs in also marks the message done, so both happen or neither."""

    def register(body: UnitBody) -> Any:
        def deliver(here: Runtime, message_id: int) -> None:
            with here.database.unit() as unit:
                message = outbox.claim(unit.session, message_id=message_id, topic=topic, now=unit.now)
                if message is None:
                    return
                body(unit, here, correlation_id=message.correlation_id, **message.payload)
                outbox.finish(unit.session, message_id=message_id, now=unit.now)
                crash_point(f"{topic}:before_commit")
            crash_point(f"{topic}:committed")

        return _task(topic, wraps(body)(deliver))

    return register


def effect_task(topic: str) -> Callable[[EffectBody], Any]:
    """Register a body for ``topic`` that speaks to the outside between units of its own."""

    def register(body: EffectBody) -> Any:
        def deliver(here: Runtime, message_id: int) -> None:
            with here.database.unit() as unit:
                message = outbox.claim(unit.session, message_id=message_id, topic=topic, now=unit.now)
                if message is not None and topic in GATED_TOPICS:
                    require_normal(unit.session)
            if message is None:
                return
            crash_point(f"{topic}:started")
            body(here, correlation_id=message.correlation_id, **message.payload)
            crash_point(f"{topic}:acted")
            with here.database.unit() as unit:
                outbox.finish(unit.session, message_id=message_id, now=unit.now)
            crash_point(f"{topic}:finished")

        return _task(topic, wraps(body)(deliver))

    return register


def scheduled_task(name: str) -> Callable[[Callable[[Runtime], None]], Any]:
    """Register a body that beat or a doorbell runs: no message, no retry; the next ring is the retry."""

    def register(body: Callable[[Runtime], None]) -> Any:
        def run(**_: Any) -> None:
            structlog.contextvars.bind_contextvars(task=name)
            try:
                here = runtime()
                with _handling(name):
                    body(here)
            except CustodyError as error:
                log.warning("not done this time", code=error.code, why=str(error))

        return app.task(name=name)(run)

    return register


def chain_task(name: str) -> Callable[[Callable[[Runtime, ServedChain], None]], Any]:
    """Register a body that beat or a doorbell runs for one chain, or for every chain where none is named.

    What one chain's node does not do stops no other's.
    """

    def register(body: Callable[[Runtime, ServedChain], None]) -> Any:
        def run(*, chain: str = "", **_: Any) -> None:
            for served in runtime().chains.values():
                if chain in ("", served.name, served.chain):
                    on_chain(name, body, runtime(), served)

        return app.task(name=name)(run)

    return register


def on_chain(name: str, body: Callable[[Runtime, ServedChain], None], here: Runtime, served: ServedChain) -> None:
    """One chain's share of a scheduled task. Raises nothing of ours: the next ring is the retry.

    A chain whose node kept this process waiting in vain, for more than a moment, rests ``REST`` times as long: others
    have rings too.
    """
    began = monotonic()
    if began < _RESTS.get(served.chain, began):
        return
    with structlog.contextvars.bound_contextvars(task=name, chain=served.name):
        try:
            with _handling(name, **{"custody.chain": served.name}):
                body(here, served)
        except CustodyError as error:
            log.warning("not done this time", code=error.code, why=str(error))
            waited = monotonic() - began
            if isinstance(error, NodeUnavailable) and waited > PATIENCE_SECONDS:
                _RESTS[served.chain] = monotonic() + REST * waited


def _task(topic: str, deliver: Delivery) -> Any:
    DELIVERIES[topic] = deliver

    def run(*, message_id: int, correlation_id: str = "", attempts: int = 1, **_: Any) -> None:
        structlog.contextvars.bind_contextvars(task=topic, correlation_id=correlation_id, message=message_id)
        here = runtime()
        try:
            said = {"messaging.message.id": str(message_id)}
            with _handling(topic, correlation_id=correlation_id, **said):
                _with_retries(deliver, here, message_id)
        except CustodyError as error:
            _translate(here, topic, message_id, attempts, error)
        except Exception as error:
            log.exception("task failed")
            _postpone(here, topic, message_id, attempts, f"{type(error).__name__}")

    return app.task(name=topic)(run)


def _handling(task: str, *, correlation_id: str = "", **said: str | int) -> AbstractContextManager[Told]:
    """One span around the handling of a message or a ring."""
    said |= {"messaging.system": "redis", "messaging.operation.type": "process", "messaging.destination.name": task}
    return span(f"process {task}", kind="consumer", correlation_id=correlation_id, **said)


def _with_retries(deliver: Delivery, here: Runtime, message_id: int) -> None:
    for left in reversed(range(TRIES)):
        try:
            deliver(here, message_id)
        except UnitConflict:
            if not left:
                raise
        else:
            return


def _translate(here: Runtime, topic: str, message_id: int, attempts: int, error: CustodyError) -> None:
    if error.retryable:
        log.info("waits", code=error.code, why=str(error))
        _postpone(here, topic, message_id, attempts, error.code)
        return
    with here.database.unit() as unit:
        if isinstance(error, Broken):
            audit.raise_alarm(
                unit.session, kind=error.code, subject=f"message:{message_id}", why=str(error), now=unit.now, step=topic
            )
        outbox.finish(unit.session, message_id=message_id, now=unit.now, failed=error.code)
    log.warning("refused", code=error.code, why=str(error))


def _postpone(here: Runtime, topic: str, message_id: int, attempts: int, why: str) -> None:
    wait = min(LONGEST_WAIT, timedelta(seconds=0.25 * 2 ** min(attempts, 10)))
    with here.database.unit() as unit:
        if attempts >= ALARM_AFTER:
            subject = f"message:{message_id}"
            audit.raise_alarm(
                unit.session, kind="task-keeps-failing", subject=subject, step=topic, why=why, now=unit.now
            )
        outbox.postpone(unit.session, message_id=message_id, until=unit.now + wait, why=why)
