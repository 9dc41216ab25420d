"""The pusher: takes what was told to the webhooks that want it. ``python -m workers.pusher``.

It wakes on NOTIFY and at least once a second for what is to be tried again; it holds nothing. Killed at any moment it
loses nothing: what it had claimed is sent again, under the same id, once its lease is over.
"""

from __future__ import annotations

import signal
import ssl
import sys
import threading
from datetime import timedelta

import structlog

from config.chains import ConfigError
from config.logging import configure
from custody.bootstrap import Runtime, assemble, notice_restored, read_settings
from custody.db.listen import Listener
from custody.events.operations import CHANNEL
from custody.kernel.errors import Unavailable
from custody.webhooks import operations as webhooks
from custody.webhooks.places import Places, read_networks
from custody.webhooks.pushing import THREADS, Pusher
from custody.webhooks.signing import Sealer
from custody.webhooks.wire import Wire

KEPT = timedelta(days=90)
"""How long what was delivered can be looked up, attempt by attempt."""
PRUNE_SECONDS = 3_600.0
LISTEN_SECONDS = 1.0

log = structlog.get_logger("workers.pusher")


def run(here: Runtime, stop: threading.Event) -> None:
    """Push until ``stop`` is set. A silent database is waited for."""
    rung = threading.Event()
    beside = [threading.Thread(target=each, args=(here, stop, rung), daemon=True) for each in (_listen, _prune)]
    for thread in beside:
        thread.start()
    places = Places(read_networks(here.settings.webhook_inside))
    with Wire(places, tls=_trusted(here.settings.webhook_ca_file)) as wire:
        lease = timedelta(seconds=here.settings.webhook_lease_seconds)
        Pusher(here.database, sealer=Sealer(here.seal_key), wire=wire, lease=lease, threads=THREADS).run(stop, rung)
    # A thread inside the database's library may keep an interpreter from ending.
    for thread in beside:
        thread.join(2 * LISTEN_SECONDS)


def _listen(here: Runtime, stop: threading.Event, rung: threading.Event) -> None:
    with Listener(here.settings.database_url, CHANNEL) as listener:
        while not stop.is_set():
            listener.wait(LISTEN_SECONDS)
            rung.set()


def _prune(here: Runtime, stop: threading.Event, _rung: threading.Event) -> None:
    while not stop.wait(PRUNE_SECONDS):
        try:
            with here.database.unit() as unit:
                webhooks.prune(unit.session, before=unit.now - KEPT)
        except Unavailable as error:
            log.warning("not pruned", why=error.code)


def _trusted(ca_file: str) -> ssl.SSLContext:
    """What certificates of receivers are checked against. Raises ``ConfigError``."""
    context = ssl.create_default_context()
    if ca_file:
        try:
            context.load_verify_locations(ca_file)
        except (OSError, ssl.SSLError):
            raise ConfigError("CUSTODY_WEBHOOK_CA_FILE", "cannot be read as certificates") from None
    return context


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        settings = read_settings()
        configure(settings.log_format, process="pusher")
        here = assemble(settings)
        notice_restored(here)
        log.info("pusher ready")
        run(here, stop)
    except ConfigError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
