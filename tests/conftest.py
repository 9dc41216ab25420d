"""Fixtures for all tests, one seed for all randomness, and no skipping: what cannot run is a failure."""

from __future__ import annotations

import os
import random
from collections.abc import Generator, Iterator

import pytest

from tests.support import oracle
from tests.support.fixtures import (
    SEED,
    anvil,
    anvil_factory,
    bitcoind,
    broker,
    chain,
    database,
    node_factory,
    postgres,
    postgres_server,
    seed,
    servers,
)
from tests.support.memory import keep_files_in_memory

__all__ = [
    "anvil",
    "anvil_factory",
    "bitcoind",
    "broker",
    "chain",
    "database",
    "node_factory",
    "postgres",
    "postgres_server",
    "seed",
    "servers",
]


def pytest_configure(config: pytest.Config) -> None:
    """Choose the seed, here and for hypothesis; name the mark of cases; keep files where that is cheap."""
    keep_files_in_memory()
    config.addinivalue_line("markers", "plays(*cases): plays these adversarial cases and ends in the whole check")
    number = int(os.environ.get("CUSTODY_TEST_SEED") or random.randrange(2**32))
    config.stash[SEED] = number
    if config.getoption("hypothesis_seed", None) is None:
        config.option.hypothesis_seed = str(number)


def pytest_report_header(config: pytest.Config) -> str:
    """Show how to run with the same randomness again."""
    return _seed_line(config)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Quiet runs have no header; a red one must still say its seed."""
    if terminalreporter.stats.get("failed") or terminalreporter.stats.get("error"):
        terminalreporter.write_line(_seed_line(config))


@pytest.fixture(autouse=True)
def _seeded(request: pytest.FixtureRequest) -> None:
    random.seed(request.config.stash[SEED])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """A test that plays a case has not passed before the whole check has."""
    if item.get_closest_marker("plays") is None:
        return (yield)
    with oracle.must_end_whole():
        return (yield)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport() -> Iterator[None]:
    """A skipped test is one nobody ran: report it as failed."""
    outcome = yield
    report: pytest.TestReport = outcome.get_result()  # type: ignore[attr-defined]
    if report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, and skipping is not allowed here: {report.longrepr}"


def _seed_line(config: pytest.Config) -> str:
    return f"seed: CUSTODY_TEST_SEED={config.stash[SEED]}"
