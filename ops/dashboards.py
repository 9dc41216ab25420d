"""Three dashboards for Grafana: money, chains, machinery. Five graphs each at most, and five lines in a graph.

The first panel answers the first question: do the books balance, and since when is that known.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

MOST_PANELS: Final = 5
MOST_LINES: Final = 5
SOURCE: Final = {"type": "prometheus", "uid": "${source}"}


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel: a title that is a question, and its lines as (PromQL, legend)."""

    title: str
    lines: tuple[tuple[str, str], ...]
    unit: str = "short"
    kind: str = "timeseries"


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One dashboard; ``name`` is its file."""

    name: str
    title: str
    panels: tuple[Panel, ...]


DASHBOARDS: Final = (
    Dashboard(
        "money",
        "Custody: money",
        (
            Panel(
                "Do the books balance, and how long ago was that seen?",
                (
                    ("min(custody_reconciliation_balanced)", "balanced (1 is yes)"),
                    ("max(custody_reconciliation_age_seconds)", "seconds since the oldest comparison"),
                    ("sum(max by (class) (custody_breaks)) or vector(0)", "differences that stand"),
                ),
                kind="stat",
            ),
            Panel(
                "What is on its way out?",
                (("topk(5, sum by (state) (max by (chain, state) (custody_withdrawals)))", "{{state}}"),),
            ),
            Panel(
                "What has rested longest?",
                (("topk(5, max by (state) (custody_withdrawal_age_seconds))", "{{state}}"),),
                unit="s",
            ),
            Panel("Who is asked?", (("topk(5, max by (group) (custody_approvals_pending))", "{{group}}"),)),
            Panel(
                "What does the policy answer, a minute?",
                (("max by (verdict) (60 * rate(custody_policy_decisions_total[15m]))", "{{verdict}}"),),
            ),
        ),
    ),
    Dashboard(
        "chains",
        "Custody: chains",
        (
            Panel("Does every node answer?", (("max by (chain) (custody_chain_node_up)", "{{chain}}"),), kind="stat"),
            Panel(
                "How many blocks are not read yet?",
                (("topk(5, max by (chain) (custody_chain_lag_blocks))", "{{chain}}"),),
            ),
            Panel(
                "How old is the newest block?",
                (("topk(5, max by (chain) (custody_chain_head_age_seconds))", "{{chain}}"),),
                unit="s",
            ),
            Panel(
                "Which cosigner lets a bundle wait?",
                (("topk(5, max by (cosigner) (custody_cosigner_waiting_seconds))", "{{cosigner}}"),),
                unit="s",
            ),
            Panel(
                "What does the payer of gas have, in ether?",
                (("topk(5, max by (chain) (custody_hot_gas_balance)) / 1e18", "{{chain}}"),),
            ),
        ),
    ),
    Dashboard(
        "machinery",
        "Custody: machinery",
        (
            Panel(
                "Does anything stand still?",
                (
                    ("max(custody_readings_up) or vector(0)", "readable (1 is yes)"),
                    ("sum(max by (kind, state) (custody_stuck)) or vector(0)", "stuck"),
                    ("max(custody_restoring)", "restoring"),
                ),
                kind="stat",
            ),
            Panel("How long have messages waited?", (("max(custody_outbox_lag_seconds)", "oldest"),), unit="s"),
            Panel(
                "How many wait?",
                (
                    ("max(custody_outbox_waiting)", "messages"),
                    ("max(custody_webhook_backlog)", "events for webhooks"),
                    ("sum(max by (channel) (custody_notices_waiting))", "notices to operators"),
                ),
            ),
            Panel(
                "How does the API answer, a minute?",
                (("sum by (status) (60 * rate(custody_http_requests_total[5m]))", "{{status}}"),),
            ),
            Panel(
                "How long do nineteen of twenty answers take?",
                (
                    (
                        "histogram_quantile(0.95, sum by (door, le) (rate(custody_http_request_seconds_bucket[5m])))",
                        "{{door}}",
                    ),
                ),
                unit="s",
            ),
        ),
    ),
)


def rendered(dashboard: Dashboard) -> str:
    """As Grafana imports it. The first panel is wide, the others stand in two columns."""
    return (
        json.dumps(
            {
                "uid": f"custody-{dashboard.name}",
                "title": dashboard.title,
                "schemaVersion": 39,
                "editable": False,
                "refresh": "30s",
                "time": {"from": "now-6h", "to": "now"},
                "templating": {"list": [{"name": "source", "type": "datasource", "query": "prometheus"}]},
                "panels": [_panel(panel, number) for number, panel in enumerate(dashboard.panels)],
            },
            indent=2,
        )
        + "\n"
    )


def _panel(panel: Panel, number: int) -> dict[str, Any]:
    first = number == 0
    place = {"x": 0 if first else 12 * ((number - 1) % 2), "y": 0 if first else 5 + 8 * ((number - 1) // 2)}
    return {
        "id": number + 1,
        "type": panel.kind,
        "title": panel.title,
        "datasource": SOURCE,
        "gridPos": {**place, "w": 24 if first else 12, "h": 5 if first else 8},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + place), "expr": line, "legendFormat": legend, "datasource": SOURCE}
            for place, (line, legend) in enumerate(panel.lines)
        ],
    }
