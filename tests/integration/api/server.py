"""The API as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from demo.child import Child, free_port
from tests.integration.api.callers import TOKENS
from tests.support.world import House, environment, write_tokens

REPOSITORY = Path(__file__).parents[3]


@dataclass
class Server:
    """``python -m custody.api`` on a house's database."""

    child: Child
    port: int
    http: httpx2.Client = field(default_factory=lambda: httpx2.Client(timeout=60, verify=False))

    @classmethod
    def on(cls, house: House, folder: Path, **settings: object) -> Server:
        """A server that is not started yet; ``settings`` by their names, or ``crash_at``, or ``trace``."""
        port = free_port()
        tokens = write_tokens(folder / "tokens.json", TOKENS)
        extra = {"CRASH_AT": str(settings.pop("crash_at", ""))}
        if "trace" in settings:
            extra["OTEL_TRACES_EXPORTER"] = str(settings.pop("trace"))
        chosen = {"api_port": port, "api_tokens_file": tokens, **settings}
        env = {**plain_environment(), **environment(house.database, **chosen), **extra}
        argv = [sys.executable, "-m", "custody.api"]
        return cls(Child("api", argv, folder / "api.log", env=env, cwd=REPOSITORY), port)

    def start(self) -> Server:
        """Start it and wait until it answers."""
        self.child.start()
        self.child.await_ready(self._is_up)
        return self

    def stop(self) -> int | None:
        """Ask it to end; returns its exit code."""
        self.child.stop(what=signal.SIGTERM)
        return self.child.exit_code()

    def send(self, caller: str, method: str, path: str, **options: Any) -> httpx2.Response:
        """One call as ``caller``."""
        headers = {"Authorization": f"Bearer {TOKENS[caller][1]}", **options.pop("headers", {})}
        return self.http.request(method, f"http://127.0.0.1:{self.port}{path}", headers=headers, **options)

    def log(self) -> list[dict[str, Any]]:
        """Every line of its log; all of them are JSON."""
        return [json.loads(line) for line in self.log_text().splitlines()]

    def log_text(self) -> str:
        """Its log as written."""
        return self.child.log.read_text()

    def _is_up(self) -> bool:
        try:
            return self.http.get(f"http://127.0.0.1:{self.port}/healthz").status_code == 200
        except httpx2.TransportError:
            return False


def plain_environment() -> Mapping[str, str]:
    """What any process needs, and no setting of ours."""
    return {name: value for name, value in os.environ.items() if not name.startswith("CUSTODY_")}
