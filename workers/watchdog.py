"""A worker that went deaf ends itself, and whoever supervises it starts another.

When the broker dies while a task runs, acknowledging fails, Celery only logs that, and the consumer may never hear
of a message again although it is connected (seen with Celery 5.7 and Redis). Messages then wait in the queue while
nobody takes one: that, and nothing about sockets, is what is watched for.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Any

import redis
import structlog
from celery.signals import task_received, worker_ready

from custody.bootstrap import read_settings

LOOK_SECONDS = 1.0
LEAST_PATIENCE_SECONDS = 15.0
DEAF = 70
"""Exit code, EX_SOFTWARE: what a supervisor sees."""

log = structlog.get_logger("workers.watchdog")


class Watch:
    """Whether messages have waited for ``patience_seconds`` without this worker taking one."""

    def __init__(self, *, patience_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._patience_seconds = patience_seconds
        self._clock = clock
        self._waiting_since: float | None = None

    def heard(self) -> None:
        """A message was taken."""
        self._waiting_since = None

    def is_deaf(self, queued: int) -> bool:
        """Look once: ``queued`` messages are in the queue now."""
        if not queued:
            self._waiting_since = None
        elif self._waiting_since is None:
            self._waiting_since = self._clock()
        return self._waiting_since is not None and self._clock() - self._waiting_since > self._patience_seconds


@worker_ready.connect
def _start(sender: Any, **_: Any) -> None:
    settings = read_settings()
    # No task may run as long as the visibility timeout, so a worker that is only busy takes a message before that.
    watch = Watch(patience_seconds=max(LEAST_PATIENCE_SECONDS, settings.visibility_seconds))
    task_received.connect(lambda **_: watch.heard(), weak=False)
    queue = sender.app.conf.task_default_queue
    threading.Thread(target=_look, args=(watch, settings.broker_url, queue), name="watchdog", daemon=True).start()


def _look(watch: Watch, broker_url: str, queue: str) -> None:
    broker = redis.Redis.from_url(broker_url, socket_timeout=5)
    while True:
        time.sleep(LOOK_SECONDS)
        try:
            queued = int(str(broker.llen(queue)))
        except redis.RedisError:
            continue
        if watch.is_deaf(queued):
            log.error("deaf: messages wait and none is taken; ending", queued=queued)
            os._exit(DEAF)
