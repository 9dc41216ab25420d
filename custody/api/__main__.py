"""``python -m custody.api``: serve, on loopback unless told otherwise, until told to stop.

Exit codes: 0 stopped, 2 a setting or the tokens file cannot be used (one line on standard error says which).
"""

from __future__ import annotations

import signal
import sys
from typing import Final

import uvicorn

from custody.api.app import POOL_SIZE, application
from custody.api.auth import Callers
from custody.api.tracing import Told
from custody.bootstrap import Runtime, metrics_page, nodes, notice_restored, start, with_registered
from custody.kernel.errors import InvalidInput
from custody.telemetry.nodes import Nodes

GRACE_SECONDS: Final = 10


def main() -> int:
    """Read the settings and the callers, then serve. Returns the exit code."""
    # The server takes SIGTERM over, finishes what it is answering, and then passes the signal on to this handler.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        runtime = start(process="api", pool_size=POOL_SIZE)
        callers = Callers.load(runtime.settings.api_tokens_file, mainnet=runtime.settings.is_mainnet)
        notice_restored(runtime)
        runtime = with_registered(runtime)
    except (ValueError, InvalidInput) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    asked = nodes(runtime)
    try:
        told = _show_metrics(runtime, asked)
    except OSError as error:
        sys.stderr.write(f"error: CUSTODY_METRICS_PORT: cannot be listened on: {error.strerror}\n")
        return 2
    uvicorn.run(
        application(runtime, callers, nodes=asked, told=told),
        host=runtime.settings.api_host,
        port=runtime.settings.api_port,
        log_config=None,
        access_log=False,
        server_header=False,
        # Whose X-Forwarded-For is believed is ours to say (CUSTODY_API_PROXIES): uvicorn believes this machine's.
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    return 0


def _show_metrics(runtime: Runtime, asked: Nodes) -> Told | None:
    """Open the port of metrics where the settings name one. Raises ``OSError`` where it cannot be had."""
    wanted = runtime.settings.metrics
    if wanted is None:
        return None
    from custody.telemetry.listener import listen

    page = metrics_page(runtime, asked)
    listen(page.render, host=wanted.host, port=wanted.port, token=wanted.token)
    return page.answers.told


if __name__ == "__main__":
    sys.exit(main())
