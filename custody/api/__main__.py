"""``python -m custody.api``: serve on this machine's loopback address until told to stop.

Exit codes: 0 stopped, 2 a setting or the tokens file cannot be used (one line on standard error says which).
"""

from __future__ import annotations

import sys
from typing import Final

import uvicorn

from custody.api.app import POOL_SIZE, application
from custody.api.auth import Callers
from custody.bootstrap import start
from custody.kernel.errors import InvalidInput

HOST: Final = "127.0.0.1"
GRACE_SECONDS: Final = 10


def main() -> int:
    """Read the settings and the callers, then serve. Returns the exit code."""
    try:
        runtime = start(process="api", pool_size=POOL_SIZE)
        callers = Callers.load(runtime.settings.api_tokens_file)
    except (ValueError, InvalidInput) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    uvicorn.run(
        application(runtime, callers),
        host=HOST,
        port=runtime.settings.api_port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
