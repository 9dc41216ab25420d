"""Alert rules and dashboards are as the code makes them, few, and name only metrics that exist."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from custody.telemetry.metrics import BY_NAME, METRICS
from ops.__main__ import files
from ops.alerts import ALERTS, MOST_PAGES
from ops.dashboards import DASHBOARDS, MOST_LINES, MOST_PANELS, Dashboard, rendered
from ops.rules import rules
from tests.architecture.pages import REPOSITORY

NAMED = re.compile(r"custody_\w+")
SUFFIX = re.compile(r"_bucket$")
OF_EACH_PAYMENT = ("client", "address", "txid", "withdrawal", "intent", "digest", "vault", "account", "id")


def unknown(expression: str) -> set[str]:
    """Names of metrics in PromQL that nobody measures."""
    return {name for name in NAMED.findall(expression) if SUFFIX.sub("", name) not in BY_NAME}


@pytest.mark.parametrize("path", sorted(files()), ids=lambda path: path.name)
def test_the_file_is_as_the_code_makes_it(path: Path) -> None:
    assert path.read_text() == files()[path], "run: .venv/bin/python -m ops"


def test_few_alerts_wake_somebody_and_each_has_what_it_takes() -> None:
    assert sum(alert.is_page for alert in ALERTS) <= MOST_PAGES
    assert len({alert.name for alert in ALERTS}) == len(ALERTS)
    for alert in ALERTS:
        assert unknown(alert.expression) == set()
        assert (REPOSITORY / "docs" / "runbooks" / alert.runbook).is_file(), alert.runbook
        assert all(part.endswith(".") for part in (alert.happened, alert.money, alert.act)), alert.name
        assert (alert.above is None) != (alert.below is None)


def test_every_rule_has_its_page_and_its_words() -> None:
    for rule in yaml.safe_load(rules("https://example.com/runbooks"))["groups"][0]["rules"]:
        assert re.fullmatch(r"(Custody[A-Z]\w+)", rule["alert"])
        assert rule["annotations"]["runbook_url"].startswith("https://example.com/runbooks/")
        assert rule["annotations"]["summary"]


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard.name)
def test_a_dashboard_is_read_at_a_glance(dashboard: Dashboard) -> None:
    found = json.loads(rendered(dashboard))
    assert len(found["panels"]) <= MOST_PANELS
    for panel in found["panels"]:
        assert len(panel["targets"]) <= MOST_LINES
        for target in panel["targets"]:
            assert unknown(target["expr"]) == set()
            assert NAMED.search(target["expr"])


def test_no_label_is_one_of_which_each_payment_has_its_own() -> None:
    assert [metric.name for metric in METRICS if set(metric.labels) & set(OF_EACH_PAYMENT)] == []


def test_sees_a_metric_nobody_measures() -> None:
    assert unknown("max(custody_nothing) + custody_breaks") == {"custody_nothing"}
