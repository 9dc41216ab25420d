"""Reading withdrawals."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final

from sqlalchemy import ColumnElement, Select, and_, bindparam, func, select, text, tuple_
from sqlalchemy.orm import Session

from custody.db.conditions import among, plain
from custody.evidence.lookalikes import keys
from custody.kernel.errors import NotFound
from custody.withdrawals.model import Step, Withdrawal
from custody.withdrawals.states import FINAL, RELEASED, State
from custody.withdrawals.tables import OPEN, TransitionRow, WithdrawalRow

_LARGEST: Final = text(
    """
    SELECT asked.client, asked.asset, (
      SELECT max(paid.units) FROM (
        SELECT w.units FROM withdrawals w
        WHERE w.client_id = asked.client AND w.asset = asked.asset AND w.state = 'completed' AND w.kind = 'withdrawal'
        ORDER BY w.id DESC LIMIT :among
      ) AS paid
    ) AS units
    FROM unnest(CAST(:clients AS text[]), CAST(:assets AS text[])) AS asked (client, asset)
    """
)

_IS_LATE: Final = """
    coalesce(withdrawals.state_since < (CAST(:moments AS timestamptz[]))
      [array_position(CAST(:places AS text[]), withdrawals.chain || ' ' || withdrawals.state)], false)
    """
_LATE, _IN_TIME = text(_IS_LATE), text(f"NOT {_IS_LATE}")
"""Compared with the moment of its own chain and state: whatever there is of them, the statement is the same."""


class UnknownWithdrawal(NotFound):
    """No withdrawal of that id."""

    code = "unknown-withdrawal"


def get(session: Session, *, withdrawal: str) -> Withdrawal:
    """The withdrawal of that id. Raises ``UnknownWithdrawal``."""
    row = session.execute(select(WithdrawalRow).where(WithdrawalRow.id == withdrawal)).scalar_one_or_none()
    if row is None:
        raise UnknownWithdrawal("no such withdrawal", field="withdrawal")
    return view(row)


def by_digest(session: Session, *, digest: str) -> Withdrawal | None:
    """The withdrawal of that intent, if any."""
    row = session.execute(select(WithdrawalRow).where(WithdrawalRow.digest == digest)).scalar_one_or_none()
    return view(row) if row else None


def by_ids(session: Session, *, ids: Collection[str]) -> dict[str, Withdrawal]:
    """Those of these ids that there are, by id."""
    if not ids:
        return {}
    rows = session.execute(select(WithdrawalRow).where(WithdrawalRow.id.in_(sorted(set(ids))))).scalars()
    return {row.id: view(row) for row in rows}


def by_respend(session: Session, *, digest: str) -> Withdrawal | None:
    """The withdrawal that intent gives up, if any."""
    row = session.execute(select(WithdrawalRow).where(WithdrawalRow.respend == digest)).scalar_one_or_none()
    return view(row) if row else None


def every(
    session: Session,
    *,
    client: str | None = None,
    states: Sequence[State] = (),
    kind: str = "",
    reference: str = "",
) -> list[Withdrawal]:
    """Withdrawals, oldest first; of one client, in some states, of one kind or with one reference, where asked."""
    query = select(WithdrawalRow).order_by(WithdrawalRow.requested_at, WithdrawalRow.id)
    if client is not None:
        query = query.where(WithdrawalRow.client_id == client)
    if kind:
        query = query.where(WithdrawalRow.kind == kind)
    if reference:
        query = query.where(WithdrawalRow.reference == reference)
    if states:
        query = query.where(WithdrawalRow.state.in_(states))
    return [view(row) for row in session.execute(query).scalars()]


def page(
    session: Session,
    *,
    client: str = "",
    states: Sequence[State] = (),
    kind: str = "",
    reference: str = "",
    after: str = "",
    limit: int,
) -> list[Withdrawal]:
    """The next ``limit`` withdrawals behind the id ``after``, oldest first, of those ``every`` would give.

    With ``reference`` those that some client calls so.
    """
    query = select(WithdrawalRow).where(WithdrawalRow.id > after).order_by(WithdrawalRow.id).limit(limit)
    if client:
        query = query.where(WithdrawalRow.client_id == client)
    if kind:
        query = query.where(WithdrawalRow.kind == kind)
    if reference:
        query = query.where(WithdrawalRow.reference == reference)
    if states:
        query = query.where(WithdrawalRow.state.in_(states))
    return [view(row) for row in session.execute(query).scalars()]


def by_reference(session: Session, *, client: str, reference: str) -> Withdrawal | None:
    """The withdrawal that the client calls so, if any."""
    query = select(WithdrawalRow).where(WithdrawalRow.reference == reference, WithdrawalRow.client_id == client)
    row = session.execute(query).scalar_one_or_none()
    return view(row) if row else None


def standing_among(session: Session, *, digests: Collection[str]) -> dict[str, tuple[str, State]]:
    """Id and state of the withdrawals of these intents, by digest: no more of them is read."""
    if not digests:
        return {}
    row = WithdrawalRow
    found = session.execute(select(row.digest, row.id, row.state).where(among(row.digest, digests)))
    return {digest: (name, State(state)) for digest, name, state in found}


def resting(
    session: Session,
    *,
    states: Sequence[State],
    since: Mapping[tuple[str, str], datetime],
    late: bool,
    client: str = "",
    kind: str = "",
    after: str = "",
    limit: int,
) -> list[Withdrawal]:
    """The next ``limit`` behind the id ``after`` that are in ``states``, oldest first: ``late`` ones, or the others.

    Late is what has been in its state from before ``since`` of its (chain, state).
    """
    there = _resting(tuple(states), late, bool(client), bool(kind))
    query = select(WithdrawalRow).where(there, WithdrawalRow.id > after).order_by(WithdrawalRow.id).limit(limit)
    return [view(row) for row in session.execute(query, _asked(since, client, kind)).scalars()]


def counting_resting(
    *,
    states: Sequence[State],
    since: Mapping[tuple[str, str], datetime],
    late: bool,
    client: str = "",
    kind: str = "",
    most: int,
) -> tuple[Select[int], dict[str, object]]:
    """Asks how many ``resting`` would give, counted up to ``most``, and the values of all it names."""
    query = _counting(tuple(states), late, bool(client), bool(kind), most)
    return query, _asked(since, client, kind)


def _asked(since: Mapping[tuple[str, str], datetime], client: str, kind: str) -> dict[str, object]:
    places = [f"{chain} {state}" for chain, state in since]
    return {"places": places, "moments": [*since.values()], "client": client, "kind": kind}


@lru_cache(maxsize=64)
def _counting(states: tuple[State, ...], late: bool, has_client: bool, has_kind: bool, most: int) -> Select[int]:
    there = _resting(states, late, has_client, has_kind)
    some = select(WithdrawalRow.id).where(there).limit(plain(most)).subquery()
    return select(func.count()).select_from(some)


@lru_cache(maxsize=64)
def _resting(states: tuple[State, ...], late: bool, has_client: bool, has_kind: bool) -> ColumnElement[bool]:
    """What ``_asked`` gives values to: put together once, for every page of the console asks it."""
    row = WithdrawalRow
    some = [row.client_id == bindparam("client")] if has_client else []
    some += [row.kind == bindparam("kind")] if has_kind else []
    # The words of the index are said again: the planner reads none into a list.
    return and_(OPEN, row.state.in_([plain(state) for state in states]), _LATE if late else _IN_TIME, *some)


def largest_paid(session: Session, *, of: Collection[tuple[str, str]], among: int = 50) -> dict[tuple[str, str], int]:
    """The largest amount among the newest ``among`` payments of each (client, asset), in base units."""
    if not of:
        return {}
    wanted = sorted(set(of))
    rows = session.execute(
        _LARGEST,
        {"clients": [client for client, _ in wanted], "assets": [asset for _, asset in wanted], "among": among},
    )
    return {(row.client, row.asset): int(row.units) for row in rows if row.units is not None}


def given_up_since(session: Session, *, since: datetime) -> frozenset[str]:
    """Digests of the intents asked for since then whose withdrawal ended without paying."""
    query = select(WithdrawalRow.digest).where(
        WithdrawalRow.requested_at >= since, WithdrawalRow.state.in_(sorted(RELEASED))
    )
    return frozenset(session.execute(query).scalars())


def over_among(session: Session, *, withdrawals: Sequence[str]) -> set[str]:
    """Those of ``withdrawals`` that have come to an end."""
    if not withdrawals:
        return set()
    rows = session.execute(
        select(WithdrawalRow.id).where(WithdrawalRow.id.in_(withdrawals), WithdrawalRow.state.in_(FINAL))
    )
    return set(rows.scalars())


@dataclass(frozen=True, slots=True)
class PaidBefore:
    """What a client has paid to one place of one asset. ``largest_units`` is base units."""

    count: int
    last_at: datetime | None
    largest_units: int


# Found by the order of destinations by their beginnings: no other payment of the client is read.
_PAID_BEFORE: Final = text(
    """
    SELECT count(*) AS number, max(state_since) AS last_at, coalesce(max(units), 0) AS largest FROM withdrawals
    WHERE client_id = :client AND chain = :chain AND destination = :destination AND asset = :asset
      AND address_key(destination, 'head') COLLATE "C" = :head AND state IN ('confirmed', 'completed')
    """
)


def paid_before(session: Session, *, client: str, chain: str, destination: str, asset: str) -> PaidBefore:
    """Payments that reached the chain, as the books of withdrawals tell them."""
    place = {"client": client, "chain": chain, "destination": destination, "head": keys(destination).head}
    row = session.execute(_PAID_BEFORE, {**place, "asset": asset}).one()
    return PaidBefore(row.number, row.last_at, int(row.largest))


def unfinished(session: Session, *, chain: str | None = None) -> list[Withdrawal]:
    """Withdrawals that are on their way, oldest state first."""
    query = select(WithdrawalRow).where(OPEN).order_by(WithdrawalRow.state_since)
    if chain is not None:
        query = query.where(WithdrawalRow.chain == chain)
    return [view(row) for row in session.execute(query).scalars()]


def steps(session: Session, *, withdrawal: str) -> list[Step]:
    """Every step a withdrawal took, in order."""
    rows = session.execute(
        select(TransitionRow).where(TransitionRow.subject == withdrawal).order_by(TransitionRow.step)
    ).scalars()
    return [Step(row.step, row.from_state, row.to_state, row.event, row.actor, row.at) for row in rows]


def last_steps(session: Session, *, withdrawals: Collection[str]) -> dict[str, Step]:
    """The newest step of each of ``withdrawals``, by id."""
    newest = (
        select(TransitionRow.subject, func.max(TransitionRow.step))
        .where(TransitionRow.subject.in_(sorted(set(withdrawals))))
        .group_by(TransitionRow.subject)
    )
    key = tuple_(TransitionRow.subject, TransitionRow.step)
    rows = session.execute(select(TransitionRow).where(key.in_(newest))).scalars()
    return {row.subject: Step(row.step, row.from_state, row.to_state, row.event, row.actor, row.at) for row in rows}


def view(row: WithdrawalRow) -> Withdrawal:
    """The stored row as a value."""
    since: datetime = row.state_since
    return Withdrawal(
        id=row.id,
        digest=row.digest,
        client=row.client_id,
        vault=row.vault_id,
        kind=row.kind,
        chain=row.chain,
        asset=row.asset,
        units=row.units,
        max_fee_units=row.max_fee_units,
        destination=row.destination,
        locator=row.locator,
        hold=row.hold_id,
        state=State(row.state),
        waiting_for=row.waiting_for,
        requested_at=row.requested_at,
        state_since=since,
        fee_units=row.fee_units,
        txid=row.txid,
        respend=row.respend,
        reference=row.reference,
    )
