"""A small stack for tests to interrupt: three servers and one restarted process, whose ids it prints as JSON."""

from __future__ import annotations

import json
import os
import sys

from demo.child import free_port
from demo.servers import Bitcoind, Broker, Postgres
from demo.supervisor import Supervisor, listening, run


def story(supervisor: Supervisor) -> int:
    """Start everything, say so in one line, stay until asked to end."""
    servers = Postgres(supervisor.home), Broker(supervisor.home), Bitcoind(supervisor.home)
    supervisor.start(*servers)
    port = free_port()
    web = supervisor.service(
        "web",
        [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"],
        is_ready=listening(port),
        cwd=supervisor.logs,
        port=port,
    )
    supervisor.start(web)
    sys.stdout.write(json.dumps({"us": os.getpid(), "web": web.pid, "port": port}) + "\n")
    sys.stdout.flush()
    supervisor.wait()
    return 0


if __name__ == "__main__":
    raise SystemExit(run(story))
