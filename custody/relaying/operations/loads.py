"""What is to be carried: offered, put off, ended, and given back by a carriage that did not carry it out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from custody.audit import operations as audit
from custody.chains.registry import payer
from custody.kernel.errors import InvalidInput
from custody.relaying import queries
from custody.relaying.model import Load
from custody.relaying.states import LoadEvent, LoadState, advance_load
from custody.relaying.tables import LoadRow


def offer(
    session: Session,
    *,
    chain: str,
    spend: str,
    final: bytes,
    client: str | None,
    ceiling_units: int,
    now: datetime,
) -> Load:
    """A signed spend is to be carried; offering it again changes nothing.

    ``client`` may be billed up to ``ceiling_units`` where fees are billed. Raises ``InvalidInput`` for bytes that are
    no signed spend, or another than was offered by this id.
    """
    served = payer(chain)
    if served is None:
        raise InvalidInput("spends of this chain carry themselves", field="chain")
    session.execute(
        insert(LoadRow)
        .values(
            chain=chain,
            spend=spend,
            claim=served.claim(final),
            final=final,
            client=client,
            ceiling_units=ceiling_units,
            state=LoadState.WAITING.value,
            tries=0,
            offered_at=now,
            state_since=now,
        )
        .on_conflict_do_nothing()
    )
    found = queries.load(session, chain=chain, spend=spend)
    assert found is not None
    if found.final != final:
        raise InvalidInput("other bytes than were offered for this spend", field="final")
    return found


def wait(session: Session, *, chain: str, reasons: Mapping[str, str], alarm: str | None = None, now: datetime) -> None:
    """Say of spends that wait what they wait for; with ``alarm``, raise that once for each."""
    for row in locked_loads(session, chain, reasons):
        if row.state != LoadState.WAITING:
            continue
        row.waiting_for = reasons[row.spend][:200]
        if alarm is not None:
            audit.raise_alarm(session, kind=alarm, subject=row.spend, why=row.waiting_for, now=now)
    session.flush()


def end(session: Session, *, chain: str, spends: Iterable[str], now: datetime) -> None:
    """Their turns are used up, by themselves or by others: there is nothing to carry."""
    for row in locked_loads(session, chain, spends):
        if row.state != LoadState.ENDED:
            move(row, LoadEvent.ENDED, now)
    session.flush()


def reopen(session: Session, *, chain: str, spend: str, actor: str, now: datetime) -> None:
    """The block it ended in left the chain, or a person wants it tried again. Raises ``ForbiddenMove``."""
    (row,) = locked_loads(session, chain, [spend])
    if row.state == LoadState.WAITING:
        return
    move(row, LoadEvent.REOPENED, now)
    row.tries = 0
    session.flush()
    audit.record(session, event="load.reopened", subject=spend, actor=actor, now=now)


def release(
    session: Session, *, chain: str, carriage: str, spends: Iterable[str], most_tries: int, now: datetime
) -> None:
    """Their carriage landed and has not carried these out. They wait for another; in the end for a person."""
    for row in locked_loads(session, chain, spends):
        if row.state != LoadState.RIDING or row.carriage_id != carriage:
            continue
        row.tries += 1
        if row.tries < most_tries:
            move(row, LoadEvent.LEFT, now)
            continue
        move(row, LoadEvent.STRANDED, now)
        row.waiting_for = f"a person: {row.tries} carriages have not carried it out"
        audit.raise_alarm(session, kind="spend-not-carried", subject=row.spend, why=row.waiting_for, now=now)
    session.flush()


def move(row: LoadRow, event: LoadEvent, now: datetime) -> None:
    """Move a load on. Raises ``ForbiddenMove``."""
    row.state = advance_load(LoadState(row.state), event).value
    row.state_since, row.waiting_for = now, None


def locked_loads(session: Session, chain: str, spends: Iterable[str]) -> list[LoadRow]:
    """The rows of these spends, locked in one order."""
    query = (
        select(LoadRow)
        .where(LoadRow.chain == chain, LoadRow.spend.in_(sorted(set(spends))))
        .order_by(LoadRow.spend)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return list(session.execute(query).scalars())
