"""The rules as Prometheus reads them, and a case for each in which ``promtool test rules`` sees it fire and clear."""

from __future__ import annotations

from typing import Any, Final

import yaml

from custody.telemetry.metrics import BY_NAME
from ops.alerts import ALERTS, Alert

HEAD: Final = "# Made by: python -m ops. What is changed here is lost; change ops/alerts.py.\n"
STEP_MINUTES: Final = 1
CALM_MINUTES: Final = 5


def rules(runbooks: str) -> str:
    """The rule file. ``runbooks`` is where the pages of ``docs/runbooks`` are published."""
    found = [_rule(alert, runbooks) for alert in ALERTS]
    return HEAD + _yaml({"groups": [{"name": "custody", "rules": found}]})


def cases(runbooks: str) -> str:
    """The file of cases: calm for a while, then the fault for as long as it takes, then calm again."""
    tests = [_case(alert, runbooks) for alert in ALERTS]
    return HEAD + _yaml({"rule_files": ["custody.rules.yml"], "evaluation_interval": "1m", "tests": tests})


def _rule(alert: Alert, runbooks: str) -> dict[str, Any]:
    return {
        "alert": alert.name,
        "expr": alert.expression,
        "for": f"{alert.minutes}m",
        "labels": {"severity": "page" if alert.is_page else "ticket"},
        "annotations": _annotations(alert, runbooks),
    }


def _annotations(alert: Alert, runbooks: str) -> dict[str, str]:
    return {"summary": alert.summary, "runbook_url": f"{runbooks}/{alert.runbook}", "console": alert.console}


def _case(alert: Alert, runbooks: str) -> dict[str, Any]:
    lasts = alert.minutes + CALM_MINUTES
    calm, bad = (1, 0) if alert.below is not None else (0, _beyond(alert))
    series = [_series(alert.metric, alert, f"{calm}x{CALM_MINUTES - 1} {bad}x{lasts} {calm}x{CALM_MINUTES}")]
    if isinstance(alert.above, str):
        series.append(_series(alert.above, alert, f"{bad - 1}x{2 * CALM_MINUTES + lasts}"))
    expected = {
        "exp_labels": {"severity": "page" if alert.is_page else "ticket", **_labels(alert, own=False)},
        "exp_annotations": {**_annotations(alert, runbooks), "summary": _filled(alert, bad)},
    }
    times = {CALM_MINUTES - 1: [], CALM_MINUTES + alert.minutes + 1: [expected], 2 * CALM_MINUTES + lasts - 1: []}
    return {
        "interval": f"{STEP_MINUTES}m",
        "input_series": series,
        "alert_rule_test": [
            {"eval_time": f"{minute}m", "alertname": alert.name, "exp_alerts": expected_then}
            for minute, expected_then in times.items()
        ],
    }


def _series(metric: str, alert: Alert, values: str) -> dict[str, str]:
    labels = ",".join(f'{name}="{value}"' for name, value in _labels(alert, own=True).items())
    return {"series": f"{metric}{{{labels}}}" if labels else metric, "values": values}


def _labels(alert: Alert, *, own: bool) -> dict[str, str]:
    """Of the series, or of the alert that comes of it: what was narrowed to one value is summed away."""
    names = BY_NAME[alert.metric].labels if own else alert.labels
    return {name: _example(name, alert.where.get(name, "!")) for name in names}


def _example(label: str, wanted: str) -> str:
    return wanted if not wanted.startswith("!") else {"chain": "mainnet", "state": "signed"}.get(label, "one")


def _beyond(alert: Alert) -> int:
    return alert.above + 1 if isinstance(alert.above, int) else 100


def _filled(alert: Alert, value: int) -> str:
    text = alert.summary.replace("{{ $value }}", str(value))
    for name, example in _labels(alert, own=False).items():
        text = text.replace(f"{{{{ $labels.{name} }}}}", example)
    return text


def _yaml(value: object) -> str:
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=120)
