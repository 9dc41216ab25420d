"""What is past its deadline on the roads in and out, and the one alarm each of them raises (I18)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from custody.audit import operations as audit

ALARM: Final = "stuck"


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long, in seconds, each thing of one chain may rest before it is stuck: its block in the configuration."""

    pending_approval: int
    approved: int
    awaiting_signatures: int
    signed: int
    broadcast: int
    confirmed: int
    deposit: int
    cancelling: int = 3_600
    requested: int = 60
    message: int = 300
    """An outbox row, which is on no chain, after the moment it was due."""
    message_attempts: int = 20
    """Publications of one outbox row, whatever its age."""


@dataclass(frozen=True, slots=True)
class StuckRow:
    """One thing past its deadline. ``why`` is what it waits for, in words; ``reference`` what its client calls it."""

    kind: str
    id: str
    state: str
    age_seconds: int
    why: str
    reference: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As commands print it."""
        return {
            "kind": self.kind,
            "id": self.id,
            "state": self.state,
            "age_seconds": self.age_seconds,
            "why": self.why,
            "reference": self.reference,
        }


def stuck(session: Session, *, deadlines: Mapping[str, Deadlines], now: datetime) -> list[StuckRow]:
    """Everything past its deadline at ``now``, the oldest first. Writes nothing.

    ``deadlines`` are each chain's, by its CAIP-2 id; what is on no chain, or on one without any, has the shortest.
    """
    return oldest(session, deadlines=deadlines, now=now, limit=None)[0]


def oldest(
    session: Session, *, deadlines: Mapping[str, Deadlines], now: datetime, limit: int | None
) -> tuple[list[StuckRow], int]:
    """The first ``limit`` of what ``stuck`` gives, and how much that is: of payments no more than those are read."""
    deadlines = _WithShortest(deadlines)
    payments, number = _withdrawals(session, deadlines, now, limit)
    others = [
        *_deposits(session, deadlines, now),
        *_intents(session, deadlines, now),
        *_bundles(session, deadlines, now),
        *_messages(session, deadlines.shortest, now),
        *_assets(session, deadlines.shortest, now),
        *_carriages(session, deadlines, now),
        *_loads(session, deadlines, now),
        *_payers(session, deadlines, now),
        *_comparisons(session, deadlines, now),
    ]
    rows = sorted([*payments, *others], key=lambda row: (-row.age_seconds, row.kind, row.id))
    return rows[:limit], number + len(others)


class _WithShortest(dict[str, Deadlines]):
    def __init__(self, deadlines: Mapping[str, Deadlines]) -> None:
        super().__init__(deadlines)
        names = [field.name for field in fields(Deadlines)]
        self.shortest = Deadlines(**{name: min(getattr(each, name) for each in deadlines.values()) for name in names})

    def __missing__(self, chain: str) -> Deadlines:
        return self.shortest


def raise_stuck_alarms(session: Session, *, rows: Sequence[StuckRow], now: datetime) -> int:
    """One alarm per thing and state, ever; returns how many were new."""
    return sum(
        audit.raise_alarm(
            session,
            kind=ALARM,
            subject=row.id,
            step=row.state,
            why=f"{row.kind} {row.state} for {row.age_seconds} s: {row.why}",
            now=now,
        )
        for row in rows
    )


# The deadline of a chain that has none of its own stands under no name. Whole seconds count, as ages are shown. What
# has been in its state for less is not late, whatever its intent says; and few intents have a delay that still matters.
_WITHDRAWALS: Final = text(
    """
    WITH late AS MATERIALIZED (
      SELECT * FROM unnest(CAST(:chains AS text[]), CAST(:states AS text[]), CAST(:since AS timestamptz[]))
        AS late (chain, state, since)
    ), open AS MATERIALIZED (
      SELECT w.id, w.digest, w.state, w.waiting_for, w.reference, w.state_since,
        coalesce(own.since, other.since) AS late_since
      FROM withdrawals w JOIN late other ON other.chain = '' AND other.state = w.state
        LEFT JOIN late own ON own.chain = w.chain AND own.state = w.state
      WHERE w.state NOT IN ('completed', 'denied', 'rejected', 'expired', 'cancelled', 'failed')
        AND w.state_since <= coalesce(own.since, other.since)
    ), delayed AS MATERIALIZED (
      SELECT digest, not_before FROM intents
      WHERE not_before > (SELECT min(state_since) FROM open) AND not_before > created_at
    )
    SELECT o.id, o.state, o.waiting_for, o.reference, greatest(o.state_since, d.not_before) AS since,
      count(*) OVER () AS number
    FROM open o LEFT JOIN delayed d ON d.digest = o.digest
    WHERE greatest(o.state_since, d.not_before) <= o.late_since
    ORDER BY since, o.id LIMIT :limit
    """
)

_WAITS_FOR: Final = {
    "requested": "the daemon to go on",
    "pending_approval": "people's approval",
    "approved": "a transaction to be composed",
    "awaiting_signatures": "cosigners",
    "signed": "being sent",
    "broadcast": "a block; a replacement with a higher fee helps where the fee is too low",
    "confirmed": "more blocks",
    "cancelling": "what it would have spent to be used up for nothing",
}


def _withdrawals(
    session: Session, deadlines: _WithShortest, now: datetime, limit: int | None
) -> tuple[list[StuckRow], int]:
    each = {**deadlines, "": deadlines.shortest}
    late = [
        (chain, state, now - timedelta(seconds=getattr(limits, state) + 1))
        for chain, limits in each.items()
        for state in _WAITS_FOR
    ]
    chains, states, since = ([row[part] for row in late] for part in range(3))
    wanted = {"chains": chains, "states": states, "since": since, "limit": limit}
    found = session.execute(_WITHDRAWALS, wanted).all()
    rows = [
        StuckRow(
            "withdrawal",
            row.id,
            row.state,
            int((now - row.since).total_seconds()),
            f"waits for {row.waiting_for or _WAITS_FOR[row.state]}",
            row.reference,
        )
        for row in found
    ]
    return rows, found[0].number if found else 0


_DEPOSITS: Final = text(
    """
    SELECT id, chain, state, first_seen_at, required_depth, unbacked FROM deposits
    WHERE state IN ('seen', 'confirming') OR unbacked
    """
)


def _deposits(session: Session, deadlines: _WithShortest, now: datetime) -> Iterator[StuckRow]:
    for row in session.execute(_DEPOSITS):
        age = int((now - row.first_seen_at).total_seconds())
        if row.unbacked:
            why = "removed by a reorg, and cannot be reversed while a settled payment counts on it"
            yield StuckRow("deposit", row.id, "unbacked", age, why)
        elif age > deadlines[row.chain].deposit:
            why = "waits for a block" if row.state == "seen" else f"waits for {row.required_depth} confirmations"
            yield StuckRow("deposit", row.id, row.state, age, why)


# A withdrawal's own intent shows as the withdrawal.
_INTENTS: Final = text(
    """
    SELECT digest, kind, state, created_at, document ->> 'chain' AS chain FROM intents
    WHERE state = 'pending' AND created_at < :since AND kind NOT IN ('withdrawal', 'sweep')
    """
)


def _intents(session: Session, deadlines: _WithShortest, now: datetime) -> Iterator[StuckRow]:
    since = now - timedelta(seconds=deadlines.shortest.pending_approval)
    for row in session.execute(_INTENTS, {"since": since}):
        age = int((now - row.created_at).total_seconds())
        if age > deadlines[row.chain].pending_approval:
            yield StuckRow("intent", row.digest, row.state, age, f"{row.kind} waits for people's approval")


_BUNDLES: Final = text(
    """
    SELECT b.id, b.state, b.opened_at, b.threshold, v.chain,
      (SELECT count(*) FROM bundle_answers a WHERE a.bundle_id = b.id AND a.verdict = 'signed') AS signed
    FROM bundles b JOIN vaults v ON v.id = b.vault_id WHERE b.state = 'open'
    """
)


def _bundles(session: Session, deadlines: _WithShortest, now: datetime) -> Iterator[StuckRow]:
    for row in session.execute(_BUNDLES):
        age = int((now - row.opened_at).total_seconds())
        if age > deadlines[row.chain].awaiting_signatures:
            why = f"{row.signed} of {row.threshold} cosigners have signed"
            yield StuckRow("bundle", row.id, row.state, age, why)


_MESSAGES: Final = text("SELECT id, topic, due_at, attempts, failed FROM outbox WHERE done_at IS NULL")


def _messages(session: Session, deadlines: Deadlines, now: datetime) -> Iterator[StuckRow]:
    for row in session.execute(_MESSAGES):
        age = int((now - row.due_at).total_seconds())
        if age > deadlines.message or row.attempts > deadlines.message_attempts:
            why = f"{row.topic} was published {row.attempts} times and is not handled"
            last = f"; last: {row.failed}" if row.failed else ""
            yield StuckRow("message", str(row.id), "waiting", max(age, 0), why + last)


_ASSETS: Final = text("SELECT asset, reason, since FROM suspended_assets")


def _assets(session: Session, deadlines: Deadlines, now: datetime) -> Iterator[StuckRow]:
    for row in session.execute(_ASSETS):
        age = int((now - row.since).total_seconds())
        if age > deadlines.pending_approval:
            yield StuckRow("asset", row.asset, "suspended", age, f"waits for an operator: {row.reason}")


_CARRIAGES: Final = text(
    """
    SELECT id, chain, state, number, waiting_for, state_since,
      (SELECT count(*) FROM carriage_variants v WHERE v.carriage_id = c.id) AS variants
    FROM carriages c WHERE state <> 'confirmed'
    """
)


def _carriages(session: Session, deadlines: _WithShortest, now: datetime) -> Iterator[StuckRow]:
    for row in session.execute(_CARRIAGES):
        age, limits = int((now - row.state_since).total_seconds()), deadlines[row.chain]
        if age > (limits.confirmed if row.state == "mined" else limits.broadcast):
            waits = "more blocks" if row.state == "mined" else row.waiting_for or "a block"
            why = f"number {row.number} of the payer, bid {row.variants} times, waits for {waits}"
            yield StuckRow("carriage", row.id, row.state, age, why)


_LOADS: Final = text(
    "SELECT spend, chain, state, waiting_for, state_since FROM loads WHERE state IN ('waiting', 'stuck')"
)


def _loads(session: Session, deadlines: _WithShortest, now: datetime) -> Iterator[StuckRow]:
    for row in session.execute(_LOADS):
        age = int((now - row.state_since).total_seconds())
        if age > deadlines[row.chain].signed:
            yield StuckRow("spend", row.spend, row.state, age, f"waits for {row.waiting_for or 'being carried'}")


_PAYERS: Final = text(
    """
    SELECT chain, account, 'stopped' AS state, stopped_at AS since, stopped_reason AS why FROM payers
    WHERE stopped_at IS NOT NULL
    UNION ALL
    SELECT chain, account, 'low', low_since, 'it has to be topped up' FROM payers WHERE low_since IS NOT NULL
    """
)


def _payers(session: Session, deadlines: _WithShortest, now: datetime) -> Iterator[StuckRow]:
    for row in session.execute(_PAYERS):
        age = int((now - row.since).total_seconds())
        if age > deadlines[row.chain].signed:
            why = f"waits for an operator: {row.why}"
            yield StuckRow("payer", f"{row.chain} {row.account}", row.state, age, why)


# What a node shows in part is found by comparing balances; what is not compared is a deposit nobody sees.
_COMPARISONS: Final = text(
    """
    SELECT b.chain, min(b.height) AS height, min(b.scanned_at) AS since FROM blocks b
    WHERE NOT b.complete
      AND b.height > coalesce((SELECT max(c.height) FROM comparisons c WHERE c.chain = b.chain), -1)
    GROUP BY b.chain
    """
)


def _comparisons(session: Session, deadlines: _WithShortest, now: datetime) -> Iterator[StuckRow]:
    for row in session.execute(_COMPARISONS):
        age = int((now - row.since).total_seconds())
        if age > deadlines[row.chain].deposit:
            why = f"balances were not compared since block {row.height}, which the node showed in part"
            yield StuckRow("comparison", row.chain, "overdue", age, why)
