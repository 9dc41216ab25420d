"""A house's API on a port of this machine, in a thread: what a browser can reach."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from custody.api.app import application
from custody.api.auth import Callers
from tests.support.processes import wait_until
from tests.support.world import House, write_tokens

TOKENS = {
    name: ("operator", f"token-of-{name}-{place:024d}")
    for place, name in enumerate(("alice", "bob", "carol", "mallory"))
} | {"exchange": ("requester", "token-of-the-exchange-000000000001")}


@contextmanager
def serving(house: House, port: int, folder: Path) -> Iterator[None]:
    """Answer on ``localhost:port`` until it is left."""
    callers = Callers.load(write_tokens(folder / "tokens.json", TOKENS))
    settings = uvicorn.Config(
        application(house.runtime, callers),
        host="127.0.0.1",
        port=port,
        log_config=None,
        access_log=False,
        # Streams to browsers stay open for as long as somebody looks.
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(settings)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        wait_until(lambda: server.started)
        yield
    finally:
        server.should_exit = True
        thread.join(timeout=20)
