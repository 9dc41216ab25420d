"""Which invariants hold in this database, by their id in the domain's table, and which only tests can show."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from custody.audit import queries as audit
from custody.chains.registry import spending
from custody.chains.spending import Terms
from custody.ledger import invariants as ledger
from custody.reconciliation.invariants.carrying import (
    fees_are_booked_once,
    numbers_are_given_once,
    only_attempts_are_carried,
)
from custody.reconciliation.invariants.chain import (
    all_is_somebodys,
    breaks_stop_vaults,
    chains,
    credits_are_arrivals,
)
from custody.reconciliation.invariants.governing import entries_by_hand_are_asked_for, stops_are_kept
from custody.reconciliation.invariants.payments import (
    fees_are_under_caps,
    keysets_share_a_cosigner,
    one_payment_each,
    payments_are_intents,
    payments_stay_in_their_vault,
)
from custody.reconciliation.invariants.people import approvals_hold
from custody.reconciliation.invariants.telling import changes_are_told
from custody.reconciliation.invariants.vaults import changed_vaults_are_frozen, descriptors_are_registered
from custody.reconciliation.stuck import ALARM, Deadlines, stuck

ONLY_TESTS: Final[Mapping[str, str]] = {
    "I9": "that policy and freezes are looked at again is what happened, not what is stored",
    "I12": "that no secret leaks shows in what was never written",
    "I14": "that one client's trouble changed nobody else needs the state before it",
    "I17": "which clock was read is not stored",
    "I19": "that everything can be rebuilt is shown by rebuilding it",
}
"""What a database cannot show, and why."""

NOT_BUILT: Final = "pledges, sweeps and settlements have no rows yet"


@dataclass(frozen=True, slots=True)
class InvariantReport:
    """What was checked: per id the violations found, none of them where it holds."""

    found: Mapping[str, tuple[str, ...]]

    @property
    def holds(self) -> bool:
        """Whether every invariant that was checked holds."""
        return not any(self.found.values())

    @property
    def results(self) -> dict[str, bool]:
        """Id to whether it holds, in order."""
        return {name: not violations for name, violations in self.found.items()}

    def to_json(self) -> dict[str, Any]:
        """As commands print it."""
        return {
            "holds": self.holds,
            "checked": self.results,
            "violations": {name: list(items) for name, items in self.found.items() if items},
            "only_tests": dict(ONLY_TESTS),
            "not_built": NOT_BUILT,
        }


def check_invariants(
    session: Session,
    *,
    terms: Mapping[str, Terms] | None = None,
    deadlines: Mapping[str, Deadlines] | None = None,
    now: datetime | None = None,
) -> InvariantReport:
    """Check every invariant that shows in a database. Writes and locks nothing; asks no node.

    ``terms`` hold each chain's fee caps (without them I16 is the requester's ceiling alone). ``deadlines``, by chain
    too, and ``now`` show I18; without them it is left out. Use ``books.still`` for the session while the daemon works.
    """
    found: dict[str, list[str]] = {f"I{number}": [] for number in range(1, 21) if f"I{number}" not in ONLY_TESTS}
    for violation in ledger.check(session):
        found[violation.invariant].append(violation.detail)
    for name, check in _CHECKS.items():
        found[name].extend(check(session))
    found["I16"].extend(fees_are_under_caps(session, terms or {}))
    if deadlines is None or now is None:
        del found["I18"]
    else:
        found["I18"].extend(_without_alarm(session, deadlines, now))
    return InvariantReport({name: tuple(items) for name, items in found.items()})


def _totals_are_parts(session: Session) -> Iterable[str]:
    """I3's other half is the ledger's; here: every account of a client belongs to a client there is."""
    for owner in session.execute(_UNKNOWN_OWNERS).scalars():
        yield f"the books have accounts of {owner}, who is no client and no vault"


def _requests_are_unique(session: Session) -> Iterable[str]:
    """I10 for requests: the key index is in force, and every withdrawal is the one of its intent."""
    fees_apart = [chain for chain in chains(session) if not spending(chain).fees_from_vault]
    for found in session.execute(_KEYS, {"fees_apart": fees_apart}).scalars():
        yield str(found)


def _chain_of_events_holds(session: Session) -> Iterable[str]:
    bad = audit.first_bad_record(session)
    if bad is not None:
        yield f"audit event {bad} is altered, missing or out of order"
    for subject in session.execute(_UNAUDITED).scalars():
        yield f"{subject} changed its state without an audit event"
    yield from changes_are_told(session)


def _without_alarm(session: Session, deadlines: Mapping[str, Deadlines], now: datetime) -> Iterable[str]:
    alarms = {(alarm.subject, alarm.step) for alarm in audit.alarms(session) if alarm.kind == ALARM}
    for row in stuck(session, deadlines=deadlines, now=now):
        if (row.id, row.state) not in alarms:
            yield f"{row.kind} {row.id} is {row.state} for {row.age_seconds} s without an alarm"


def _one_payment(session: Session) -> Iterable[str]:
    yield from one_payment_each(session)
    yield from keysets_share_a_cosigner(session)
    yield from numbers_are_given_once(session)


def _all_is_explained(session: Session) -> Iterable[str]:
    yield from all_is_somebodys(session)
    yield from fees_are_booked_once(session)


def _what_is_in_doubt_is_stopped(session: Session) -> Iterable[str]:
    yield from breaks_stop_vaults(session)
    yield from stops_are_kept(session)


def _nobody_pays_for_another(session: Session) -> Iterable[str]:
    yield from payments_stay_in_their_vault(session)
    yield from entries_by_hand_are_asked_for(session)


def _signed_is_approved(session: Session) -> Iterable[str]:
    yield from payments_are_intents(session)
    yield from only_attempts_are_carried(session)


def _vaults_are_registered(session: Session) -> Iterable[str]:
    yield from descriptors_are_registered(session)
    yield from changed_vaults_are_frozen(session)


_CHECKS: Final[Mapping[str, Callable[[Session], Iterable[str]]]] = {
    "I3": _totals_are_parts,
    "I4": _all_is_explained,
    "I5": _nobody_pays_for_another,
    "I6": _one_payment,
    "I7": _signed_is_approved,
    "I8": approvals_hold,
    "I10": _requests_are_unique,
    "I11": _chain_of_events_holds,
    "I13": credits_are_arrivals,
    "I15": _vaults_are_registered,
    "I20": _what_is_in_doubt_is_stopped,
}

_UNKNOWN_OWNERS: Final = text(
    """
    SELECT DISTINCT owner FROM ledger_accounts a WHERE a.balance <> 0 AND owner <> 'house'
      AND NOT EXISTS (SELECT FROM clients c WHERE c.id = a.owner)
      AND NOT EXISTS (SELECT FROM vaults v WHERE v.id = a.owner) ORDER BY owner
    """
)

_KEYS: Final = text(
    """
    SELECT 'the unique index on request keys is missing' WHERE NOT EXISTS (
      SELECT FROM pg_index WHERE indexrelid = to_regclass('uq_intents_requester_idempotency_key')
        AND indisunique AND indisvalid AND indislive)
    UNION ALL
    SELECT 'withdrawal ' || w.id || ' is not what its intent says' FROM withdrawals w
    JOIN intents i ON i.digest = w.digest
    WHERE (i.document -> 'request' ->> 'amount', i.document -> 'request' ->> 'max_fee',
           i.document -> 'request' ->> 'destination', i.document -> 'request' ->> 'client', i.document ->> 'vault')
      IS DISTINCT FROM (w.units::text, w.max_fee_units::text, w.destination, w.client_id, w.vault_id)
    UNION ALL
    SELECT 'withdrawal ' || w.id || ' holds nothing although it is ' || w.state FROM withdrawals w
    WHERE w.state NOT IN ('requested', 'denied') AND NOT EXISTS (
      SELECT FROM holds h WHERE h.id = w.hold_id AND h.subject = w.id
        AND h.ceiling = w.units + CASE WHEN w.chain = ANY(CAST(:fees_apart AS text[])) THEN 0 ELSE w.max_fee_units END
        AND h.state = CASE WHEN w.state = 'completed' THEN 'posted'
          WHEN w.state IN ('rejected', 'expired', 'cancelled', 'failed', 'denied') THEN 'voided' ELSE 'pending' END)
    """
)

# Transition rows are written with the state; the audit event of each must be there too.
_UNAUDITED: Final = text(
    """
    SELECT subject FROM (
      SELECT t.subject, t.to_state, count(*) AS steps, 'withdrawal.' || t.to_state AS event
      FROM withdrawal_transitions t GROUP BY 1, 2) told
    WHERE steps > (SELECT count(*) FROM audit_events e WHERE e.subject = told.subject AND e.event = told.event)
    UNION
    SELECT w.id FROM withdrawals w WHERE w.state <> (
      SELECT t.to_state FROM withdrawal_transitions t WHERE t.subject = w.id ORDER BY t.step DESC LIMIT 1)
    ORDER BY 1
    """
)
