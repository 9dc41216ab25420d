"""Every metric there is, by name: what it counts and which labels it has.

No label is a client, an address, a transaction or anything else of which there is one for each payment, so the number
of series does not grow with the house. Times are seconds, amounts base units of the chain's own asset. Where several
processes are asked they answer the same of the database: take the ``max`` over them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: ``gauge``, ``counter`` or ``histogram``."""

    name: str
    kind: str
    labels: tuple[str, ...]
    help: str


METRICS: Final = (
    Metric("custody_readings_up", "gauge", (), "1 while Postgres answers every question of this page"),
    Metric("custody_withdrawals", "gauge", ("chain", "state"), "withdrawals and sweeps that are not over"),
    Metric("custody_withdrawal_age_seconds", "gauge", ("chain", "state"), "how long the oldest of them rests there"),
    Metric("custody_approvals_pending", "gauge", ("group",), "intents that wait for people and ask this group"),
    Metric("custody_stuck", "gauge", ("kind", "state"), "things past their deadline, as custody stuck lists them"),
    Metric("custody_reconciliation_age_seconds", "gauge", ("chain",), "since books and chain were last compared"),
    Metric("custody_reconciliation_age_limit_seconds", "gauge", ("chain",), "two comparisons are missed beyond it"),
    Metric("custody_reconciliation_balanced", "gauge", ("chain",), "1 where the last comparison found no difference"),
    Metric("custody_breaks", "gauge", ("class",), "differences between chain, index and books that stand"),
    Metric("custody_deposits_unbacked", "gauge", (), "credited deposits a reorganisation took and payments count on"),
    Metric("custody_chain_head_age_seconds", "gauge", ("chain",), "since the newest block was read"),
    Metric("custody_chain_head_age_limit_seconds", "gauge", ("chain",), "twelve intervals between blocks"),
    Metric("custody_chain_lag_blocks", "gauge", ("chain",), "blocks the node has and we have not read"),
    Metric("custody_chain_node_up", "gauge", ("chain",), "1 where the node answers, is in step and on our network"),
    Metric("custody_outbox_lag_seconds", "gauge", (), "how long the oldest message has been due"),
    Metric("custody_outbox_waiting", "gauge", (), "messages that are due and not handled"),
    Metric("custody_outbox_attempts", "gauge", (), "how often the most-published message that waits was published"),
    Metric("custody_webhook_backlog", "gauge", (), "events that wait to be delivered to an active endpoint"),
    Metric("custody_notices_waiting", "gauge", ("channel",), "messages to operators that are not sent yet"),
    Metric("custody_notices_failing", "gauge", ("channel",), "of them tried in vain, or given up within a day"),
    Metric("custody_notices_lag_seconds", "gauge", (), "how long the oldest of them has been due"),
    Metric("custody_hot_gas_balance", "gauge", ("chain",), "what the books say the payer of gas has, base units"),
    Metric("custody_payer_low", "gauge", ("chain",), "1 where the payer has less than its low mark"),
    Metric("custody_payer_stopped", "gauge", ("chain",), "1 where the payer carries nothing until people look"),
    Metric(
        "custody_cosigner_last_seen_timestamp_seconds", "gauge", ("cosigner",), "newest answer or fetch, 7 days back"
    ),
    Metric("custody_cosigner_waiting_seconds", "gauge", ("cosigner",), "oldest open bundle without its answer"),
    Metric("custody_status_statement_age_seconds", "gauge", (), "of the newest statement of what was taken back"),
    Metric("custody_stops", "gauge", ("scope", "cause"), "what is stopped now, and why"),
    Metric("custody_restoring", "gauge", (), "1 while a restored database is not released for spending"),
    Metric("custody_policy_decisions_total", "counter", ("verdict",), "what the policy answered to new intents"),
    Metric("custody_audit_events_total", "counter", ("event",), "entries of the audit log by what happened"),
    Metric("custody_http_requests_total", "counter", ("door", "status"), "answers of this process by class of status"),
    Metric("custody_http_request_seconds", "histogram", ("door",), "how long this process took to answer"),
)
BY_NAME: Final = {metric.name: metric for metric in METRICS}

LATENCY_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
