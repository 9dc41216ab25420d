"""Reading the house for ``/metrics``: a fixed number of statements, however many rows there are. Writes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from custody.kernel.ids import base32
from custody.notices.model import CHANNELS
from custody.reconciliation.stuck import Deadlines, stuck

COSIGNER_MEMORY: Final = timedelta(days=7)
"""A cosigner that was not heard of for longer has no time of last being seen."""
NOTICE_MEMORY: Final = timedelta(days=1)
"""A notice that was given up is failing for so long; the alarm about it stays."""
MISSED_RUNS: Final = 2
SLACK_SECONDS: Final = 60
HEAD_INTERVALS: Final = 12
QUIET_NETWORK_SECONDS: Final = 86_400
"""On a test network a block comes when somebody makes one."""


@dataclass(frozen=True, slots=True)
class ChainLimits:
    """What one chain is held against. ``head_seconds``: beyond it the newest block is old."""

    name: str
    head_seconds: int

    @classmethod
    def of(cls, name: str, *, block_interval_seconds: int, is_test: bool) -> ChainLimits:
        """Of a chain with blocks about this far apart."""
        return cls(name, QUIET_NETWORK_SECONDS if is_test else HEAD_INTERVALS * block_interval_seconds)


@dataclass(frozen=True, slots=True)
class Sample:
    """One number of one metric; ``labels`` in the order of the metric's own."""

    metric: str
    labels: tuple[str, ...]
    value: int


def read(
    session: Session,
    *,
    chains: Mapping[str, ChainLimits],
    heights: Mapping[str, int | None],
    deadlines: Mapping[str, Deadlines],
    reconcile_seconds: int,
    now: datetime,
) -> list[Sample]:
    """Everything the database tells at ``now``. ``chains`` and ``heights`` (each node's) by CAIP-2 id."""
    return [
        *_withdrawals(session, chains, now),
        *_approvals(session),
        *_stuck(session, deadlines, now),
        *_reconciliation(session, chains, reconcile_seconds, now),
        *_breaks(session),
        *_heads(session, chains, heights, now),
        *_outbox(session, now),
        *_webhooks(session),
        *_notices(session, now),
        *_payers(session, chains),
        *_cosigners_seen(session, now),
        *_cosigners_waiting(session, now),
        *_standing(session, now),
        *_stops(session),
    ]


def name_of(chains: Mapping[str, ChainLimits], chain: str) -> str:
    """The short name of a chain; its id where this process does not serve it."""
    return chains[chain].name if chain in chains else chain


_WITHDRAWALS: Final = text(
    """
    SELECT chain, state, count(*) AS number, min(state_since) AS oldest FROM withdrawals
    WHERE state NOT IN ('completed', 'denied', 'rejected', 'expired', 'cancelled', 'failed')
    GROUP BY chain, state
    """
)


def _withdrawals(session: Session, chains: Mapping[str, ChainLimits], now: datetime) -> Iterator[Sample]:
    for row in session.execute(_WITHDRAWALS):
        labels = (name_of(chains, row.chain), row.state)
        yield Sample("custody_withdrawals", labels, row.number)
        yield Sample("custody_withdrawal_age_seconds", labels, _seconds(now, row.oldest))


_APPROVALS: Final = text(
    """
    SELECT asked.key AS name, count(*) AS number FROM intents i
    CROSS JOIN LATERAL jsonb_object_keys(i.decision -> 'approvals') AS asked (key)
    WHERE i.state = 'pending' GROUP BY asked.key
    """
)


def _approvals(session: Session) -> Iterator[Sample]:
    for row in session.execute(_APPROVALS):
        yield Sample("custody_approvals_pending", (row.name,), row.number)


def _stuck(session: Session, deadlines: Mapping[str, Deadlines], now: datetime) -> Iterator[Sample]:
    found = stuck(session, deadlines=deadlines, now=now)
    for labels, number in sorted(Counter((row.kind, row.state) for row in found).items()):
        yield Sample("custody_stuck", labels, number)
    unbacked = sum(1 for row in found if row.state == "unbacked")
    yield Sample("custody_deposits_unbacked", (), unbacked)


_RUNS: Final = text(
    """
    SELECT c.chain, r.finished_at, r.result FROM unnest(CAST(:chains AS text[])) AS c (chain)
    LEFT JOIN LATERAL (SELECT finished_at, result FROM reconciliation_runs WHERE chain = c.chain
                       ORDER BY finished_at DESC LIMIT 1) r ON true
    """
)


def _reconciliation(
    session: Session, chains: Mapping[str, ChainLimits], every_seconds: int, now: datetime
) -> Iterator[Sample]:
    for row in session.execute(_RUNS, {"chains": list(chains)}):
        labels = (chains[row.chain].name,)
        limit = MISSED_RUNS * every_seconds + SLACK_SECONDS
        yield Sample("custody_reconciliation_age_limit_seconds", labels, limit)
        if row.finished_at is not None:
            yield Sample("custody_reconciliation_age_seconds", labels, _seconds(now, row.finished_at))
            yield Sample("custody_reconciliation_balanced", labels, int(row.result == "balanced"))


_BREAKS: Final = text(
    """
    SELECT check_name, count(*) AS number FROM breaks b
    WHERE NOT EXISTS (SELECT FROM break_resolutions r WHERE r.break_id = b.id) GROUP BY check_name
    """
)


def _breaks(session: Session) -> Iterator[Sample]:
    for row in session.execute(_BREAKS):
        yield Sample("custody_breaks", (row.check_name,), row.number)


_HEADS: Final = text("SELECT chain, height, updated_at FROM scan_progress")


def _heads(
    session: Session, chains: Mapping[str, ChainLimits], heights: Mapping[str, int | None], now: datetime
) -> Iterator[Sample]:
    for chain, limits in chains.items():
        yield Sample("custody_chain_head_age_limit_seconds", (limits.name,), limits.head_seconds)
        yield Sample("custody_chain_node_up", (limits.name,), int(heights.get(chain) is not None))
    for row in session.execute(_HEADS):
        labels, height = (name_of(chains, row.chain),), heights.get(row.chain)
        yield Sample("custody_chain_head_age_seconds", labels, _seconds(now, row.updated_at))
        if height is not None:
            yield Sample("custody_chain_lag_blocks", labels, max(0, height - row.height))


_OUTBOX: Final = text(
    """
    SELECT count(*) AS number, min(due_at) AS oldest, coalesce(max(attempts), 0) AS attempts
    FROM outbox WHERE done_at IS NULL AND due_at <= :now
    """
)


def _outbox(session: Session, now: datetime) -> Iterator[Sample]:
    row = session.execute(_OUTBOX, {"now": now}).one()
    yield Sample("custody_outbox_waiting", (), row.number)
    yield Sample("custody_outbox_attempts", (), row.attempts)
    yield Sample("custody_outbox_lag_seconds", (), _seconds(now, row.oldest))


_WEBHOOKS: Final = text(
    """
    SELECT count(*) FROM webhook_deliveries d JOIN webhook_endpoints e ON e.id = d.endpoint_id
    WHERE d.state = 'waiting' AND e.state = 'active'
    """
)


def _webhooks(session: Session) -> Iterator[Sample]:
    yield Sample("custody_webhook_backlog", (), session.execute(_WEBHOOKS).scalar_one())


_NOTICES: Final = text(
    """
    SELECT kind, count(*) FILTER (WHERE state = 'waiting') AS waiting,
      count(*) FILTER (WHERE problem IS NOT NULL) AS failing, min(due_at) FILTER (WHERE state = 'waiting') AS oldest
    FROM notice_messages WHERE state = 'waiting' OR (state = 'failed' AND created_at > :since) GROUP BY kind
    """
)


def _notices(session: Session, now: datetime) -> Iterator[Sample]:
    rows = {row.kind: row for row in session.execute(_NOTICES, {"since": now - NOTICE_MEMORY})}
    for kind in CHANNELS:
        yield Sample("custody_notices_waiting", (kind,), rows[kind].waiting if kind in rows else 0)
        yield Sample("custody_notices_failing", (kind,), rows[kind].failing if kind in rows else 0)
    oldest = min((row.oldest for row in rows.values() if row.oldest is not None), default=None)
    yield Sample("custody_notices_lag_seconds", (), _seconds(now, oldest))


# A payer has one place in the books and one asset there, the chain's own; its account is never a label.
_PAYERS: Final = text(
    """
    SELECT p.chain, sum(coalesce(a.balance * a.sign, 0)) AS balance,
      count(DISTINCT p.account) FILTER (WHERE p.low_since IS NOT NULL) AS low,
      count(DISTINCT p.account) FILTER (WHERE p.stopped_at IS NOT NULL) AS stopped
    FROM payers p LEFT JOIN ledger_accounts a ON a.owner = p.vault_id AND a.kind = 'onchain' GROUP BY p.chain
    """
)


def _payers(session: Session, chains: Mapping[str, ChainLimits]) -> Iterator[Sample]:
    for row in session.execute(_PAYERS):
        labels = (name_of(chains, row.chain),)
        yield Sample("custody_hot_gas_balance", labels, int(row.balance))
        yield Sample("custody_payer_low", labels, int(row.low > 0))
        yield Sample("custody_payer_stopped", labels, int(row.stopped > 0))


# Ids sort by time: the newest bundles are one end of the primary key.
_SEEN: Final = text(
    """
    SELECT cosigner, max(at) AS at FROM (
      SELECT cosigner, given_at AS at FROM bundle_deliveries WHERE bundle_id >= :since
      UNION ALL SELECT cosigner, at FROM bundle_answers WHERE bundle_id >= :since) seen
    GROUP BY cosigner
    """
)


def _cosigners_seen(session: Session, now: datetime) -> Iterator[Sample]:
    since = "bnd_" + base32(int((now - COSIGNER_MEMORY).timestamp() * 1000) << 80, 26)
    for row in session.execute(_SEEN, {"since": since}):
        yield Sample("custody_cosigner_last_seen_timestamp_seconds", (row.cosigner,), int(row.at.timestamp()))


_WAITING: Final = text(
    """
    SELECT member ->> 'id' AS cosigner, min(b.opened_at) FILTER (
        WHERE b.id IS NOT NULL AND NOT EXISTS (
          SELECT FROM bundle_answers a WHERE a.bundle_id = b.id AND a.cosigner = member ->> 'id')) AS since
    FROM keysets k CROSS JOIN LATERAL jsonb_array_elements(k.document -> 'cosigners') AS member
    LEFT JOIN bundles b ON b.keyset_id = k.id AND b.state = 'open'
    GROUP BY member ->> 'id'
    """
)


def _cosigners_waiting(session: Session, now: datetime) -> Iterator[Sample]:
    for row in session.execute(_WAITING):
        yield Sample("custody_cosigner_waiting_seconds", (row.cosigner,), _seconds(now, row.since))


_STANDING: Final = text(
    """
    SELECT (SELECT max(said_at) FROM status_statements) AS said_at,
      (SELECT count(*) FROM restorations WHERE resumed_at IS NULL) AS restoring
    """
)


def _standing(session: Session, now: datetime) -> Iterator[Sample]:
    row = session.execute(_STANDING).one()
    yield Sample("custody_restoring", (), row.restoring)
    if row.said_at is not None:
        yield Sample("custody_status_statement_age_seconds", (), _seconds(now, row.said_at))


_STOPS: Final = text("SELECT scope, cause, count(*) AS number FROM stops WHERE lifted_at IS NULL GROUP BY scope, cause")


def _stops(session: Session) -> Iterator[Sample]:
    for row in session.execute(_STOPS):
        yield Sample("custody_stops", (row.scope, row.cause), row.number)


def _seconds(now: datetime, since: Any) -> int:
    """Whole seconds since then, none where it is not yet or never was."""
    return 0 if since is None else max(0, int((now - since).total_seconds()))
