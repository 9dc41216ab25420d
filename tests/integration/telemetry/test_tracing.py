"""Traces: off unless the standard variables ask, one trace for one request, and nothing in a span that is a value."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from custody.api.app import application
from custody.api.auth import Callers
from custody.telemetry import tracing
from custody.telemetry.tracing import SAID, is_wanted, span
from tests.architecture.pages import REPOSITORY
from tests.integration.api.server import Server
from tests.support.servers import FreshDatabase
from tests.support.world import House

PROGRAM = """
import sys
import custody.api.__main__, workers.app, workers.unit
from custody.api.app import application
from custody.api.auth import Callers
from custody.telemetry import tracing
tracing.start("test")
with tracing.span("one", correlation_id="req_1", **{"http.route": "/v1"}):
    with tracing.unit():
        pass
ours = ("opentelemetry.sdk", "opentelemetry.exporter", "prometheus_client")
print(sorted(name for name in sys.modules if name.startswith(ours)))
"""


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}, True),
        ({"OTEL_TRACES_EXPORTER": "console"}, True),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, False),
        ({"OTEL_SDK_DISABLED": "True", "OTEL_TRACES_EXPORTER": "console"}, False),
    ],
)
def test_only_the_standard_variables_switch_it(environment: dict[str, str], wanted: bool) -> None:
    assert is_wanted(environment) is wanted


def test_off_loads_nothing_that_measures_or_sends() -> None:
    assert _run({}).stdout.strip() == "[]"


def test_on_says_what_was_called_and_no_more() -> None:
    run = _run({"OTEL_TRACES_EXPORTER": "console"})
    unit, one = (json.loads(line) for line in run.stderr.splitlines())
    assert (one["name"], unit["name"]) == ("one", "unit")
    assert one["attributes"] == {"http.route": "/v1", "custody.correlation_id": "req_1"}
    assert unit["parent_id"] == one["context"]["span_id"]
    assert one["resource"]["attributes"]["service.name"] == "custody-test"


def test_no_span_says_what_is_not_on_the_list() -> None:
    with span("one") as told, pytest.raises(ValueError, match="is not said"):
        told.say("db.query.text", "SELECT 1")
    assert not {name for name in SAID if any(word in name for word in ("address", "client", "amount", "text", "url"))}


def test_what_the_body_raises_goes_on_as_it_is() -> None:
    with pytest.raises(KeyError), span("one"):
        raise KeyError("x")
    with pytest.raises(KeyError), tracing.unit():
        raise KeyError("x")


def test_one_request_is_one_trace_with_its_route_and_without_its_path(database: FreshDatabase, tmp_path: Path) -> None:
    house = House.found(database)
    server = Server.on(house, tmp_path, trace="console").start()
    try:
        assert server.send("auditor", "GET", "/v1/withdrawals?state=canary").status_code == 422
        answer = server.send("auditor", "GET", "/v1/clients/no-such-client", headers={"Request-Id": "mine-1"})
        assert answer.status_code == 404
    finally:
        server.stop()
        house.close()
    spans = [line for line in server.log() if "context" in line]
    mine = [found for found in spans if found["attributes"].get("custody.correlation_id") == "mine-1"]
    by_name = {found["name"]: found for found in mine}
    root = by_name["GET /v1/clients/{client}"]
    assert root["attributes"]["http.response.status_code"] == 404
    assert len({found["context"]["trace_id"] for found in mine}) == 1
    assert by_name["unit"]["attributes"]["error.type"] == "UnknownClient"
    assert "no-such-client" not in json.dumps(spans)
    assert "canary" not in json.dumps(spans)
    assert not application(house.runtime, Callers({}))._app._native_telemetry.enabled()


def _run(switches: dict[str, str]) -> subprocess.CompletedProcess[str]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "CUSTODY_"))}
    return subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=REPOSITORY,
        env={**plain, **switches},
        capture_output=True,
        text=True,
        check=True,
    )
