"""The Celery application. The broker is a doorbell: nothing is lost with it that Postgres does not hold."""

from __future__ import annotations

import sys
from typing import Any

import structlog
from celery import Celery
from celery.signals import setup_logging, worker_init, worker_process_init, worker_ready

from config.chains import ConfigError
from config.logging import configure
from custody.bootstrap import Runtime, assemble, notice_restored, read_settings, with_registered
from custody.kernel.errors import Unavailable
from custody.telemetry import tracing
from workers.schedule import schedule

app = Celery("custody")


def _configuration() -> dict[str, Any]:
    settings = read_settings()
    return {
        "broker_url": settings.broker_url,
        "broker_connection_retry_on_startup": True,
        # A consumer that reconnects to Redis may stay deaf for ever (celery#8030, #10302). So a worker that loses the
        # broker ends; whoever keeps it running starts another, which waits for the broker.
        "broker_connection_retry": False,
        "broker_transport_options": {
            # A message nobody acknowledged comes back after this long; kombu's own defaults take minutes to look.
            "visibility_timeout": settings.visibility_seconds,
            "unacked_restore_interval": 1,
            "unacked_restore_throttle": 1,
            "health_check_interval": 5,
            # Whoever publishes asks again by itself; kombu would try on inside the call, for up to half a minute.
            "max_retries": 0,
            "socket_keepalive": True,
        },
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "task_ignore_result": True,
        # A pickle from whoever can write to the broker would be code of theirs in our process.
        "accept_content": ["json"],
        "task_serializer": "json",
        "worker_prefetch_multiplier": 1,
        "worker_enable_remote_control": False,
        "worker_send_task_events": False,
        "task_default_queue": "custody",
        "imports": ("workers.tasks", "workers.watchdog"),
        "timezone": "UTC",
        "beat_schedule": schedule(settings),
    }


# Read when the application is first used, not when it is imported.
app.add_defaults(_configuration)


_HERE: dict[str, Runtime] = {}


def runtime() -> Runtime:
    """The runtime of one process, assembled on first use: after the fork, never before it.

    Until a trust root is in force it is looked for again each time: what it registers counts from then on.
    """
    found = _HERE.get("runtime")
    if found is None:
        tracing.start("worker")
        found = assemble(read_settings())
        notice_restored(found)
    if found.registered is None:
        found = with_registered(found)
    _HERE["runtime"] = found
    return found


@setup_logging.connect
def _own_logging(**_: Any) -> None:
    configure(read_settings().log_format, process="worker")


@worker_process_init.connect
def _after_fork(**_: Any) -> None:
    _HERE.clear()


@worker_init.connect
def _check_settings(**_: Any) -> None:
    """What cannot be used is said as a worker starts; a database that is away is waited for by the tasks."""
    try:
        found = assemble(read_settings(), pool_size=1)
        with_registered(found)
        found.database.dispose()
    except ConfigError as error:
        sys.stderr.write(f"error: {error}\n")
        raise SystemExit(2) from None
    except Unavailable:
        return


@worker_ready.connect
def _say_ready(**_: Any) -> None:
    structlog.get_logger("workers").info("worker ready")
