"""The relay: leases due outbox rows and rings the broker for each. ``python -m workers.relay``.

It wakes on NOTIFY, on the node's doorbell and at least once a second; it holds nothing. When the broker is down
rows stay where they are and their leases run out.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from typing import Any

import structlog
from kombu.exceptions import OperationalError

from config.chains import ConfigError
from config.logging import configure
from custody.bootstrap import Runtime, ServedChain, read_settings
from custody.chains.registry import doorbell
from custody.db.listen import Listener
from custody.kernel.crash import crash_point
from custody.kernel.errors import Unavailable
from custody.outbox import operations as outbox
from custody.reconciliation.stuck import raise_stuck_alarms, stuck
from workers.app import app, runtime
from workers.routes import TOPICS

BATCH = 50
POLL_SECONDS = 1.0
ALARM_SECONDS = 30.0
"""How often, while the broker is down, the relay looks for what is stuck."""

log = structlog.get_logger("workers.relay")


def publish_due(here: Runtime) -> int:
    """Lease and publish one batch; returns how many rows were leased."""
    with here.database.unit() as unit:
        messages = outbox.lease(unit.session, now=unit.now, length=here.lease, limit=BATCH)
    crash_point("relay.leased")
    for message in messages:
        if message.topic not in TOPICS:
            log.error("no task for topic", topic=message.topic)
            continue
        _send(message.topic, _keywords(message))
    crash_point("relay.published")
    return len(messages)


def run(stop: threading.Event) -> None:
    """Relay until ``stop`` is set. A silent database or broker is waited for."""
    here = runtime()
    look_again = 0.0
    _watch_nodes(here, stop)
    _ring("assets.check", {})
    with Listener(here.settings.database_url, outbox.CHANNEL) as listener:
        while not stop.is_set():
            try:
                if publish_due(here) < BATCH:
                    listener.wait(POLL_SECONDS)
            except (Unavailable, OperationalError) as error:
                log.warning("waits", why=type(error).__name__)
                if isinstance(error, OperationalError) and time.monotonic() >= look_again:
                    look_again = time.monotonic() + ALARM_SECONDS
                    _raise_alarms(here)
                stop.wait(POLL_SECONDS)


def _raise_alarms(here: Runtime) -> None:
    """Housekeeping is rung over the broker; while that is down, what is stuck is told from here."""
    try:
        with here.database.unit() as unit:
            rows = stuck(unit.session, deadlines=here.deadlines, now=unit.now)
            raise_stuck_alarms(unit.session, rows=rows, now=unit.now)
    except Unavailable as error:
        log.warning("not looked for what is stuck", why=type(error).__name__)


def _keywords(message: outbox.Message) -> dict[str, Any]:
    return {
        "message_id": message.id,
        "correlation_id": message.correlation_id,
        "attempts": message.attempts,
    }


def _send(task: str, keywords: dict[str, Any], **options: Any) -> None:
    app.send_task(task, kwargs=keywords, retry=False, **options)


def _watch_nodes(here: Runtime, stop: threading.Event) -> None:
    """A thread for each chain whose node tells that it has news."""
    for served in here.chains.values():
        if served.doorbell_url:
            _watch_node(here, served, stop)


def _watch_node(here: Runtime, served: ServedChain, stop: threading.Event) -> None:
    def ring() -> None:
        _ring("chain.scan", {"chain": served.chain}, expires=5)

    options = {"on_ring": ring, "stop": stop.is_set, "every_seconds": here.settings.scan_seconds}
    name, target = f"doorbell {served.name}", doorbell(served.chain)
    threading.Thread(target=target, args=(served.doorbell_url,), kwargs=options, name=name, daemon=True).start()


def _ring(task: str, keywords: dict[str, Any], **options: Any) -> None:
    """What the schedule rings too: lost while the broker is down."""
    try:
        _send(task, keywords, **options)
    except OperationalError as error:
        log.warning("not rung", rung=task, why=type(error).__name__)


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    configure(read_settings().log_format, process="relay")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        runtime()
    except ConfigError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2)
    log.info("relay ready")
    run(stop)


if __name__ == "__main__":
    main()
