"""The payer itself: taken on, stopped when its numbers are not ours alone, and told of when its money runs low."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from custody.addresses import operations as addresses
from custody.audit import operations as audit
from custody.chains.carrying import Standing
from custody.kernel.errors import Broken, Refused
from custody.movements import operations as movements
from custody.movements import queries as movement_queries
from custody.movements.model import Tip
from custody.relaying.model import PayerStanding
from custody.relaying.queries import view_payer
from custody.relaying.tables import PayerRow
from custody.vaults import operations as vaults
from custody.vaults import queries as vault_queries


class KeyUsedElsewhere(Broken):
    """The chain knows numbers of the payer that we gave to nothing: somebody else has its key, or we forgot.

    Raised out of the unit; ``stop`` tells of it in another.
    """

    code = "payer-used-elsewhere"


class PayerStopped(Refused):
    """The payer carries nothing until a person has looked."""

    code = "payer-stopped"


def place_of(chain: str) -> str:
    """The vault id of the payer's place on a chain."""
    return f"payer:{chain}"


def register(
    session: Session,
    *,
    chain: str,
    account: str,
    locator: bytes,
    asset: str,
    standing: Standing,
    first_number: int,
    opening_units: int,
    before: Tip,
    expected_tip: Tip,
    actor: str,
    now: datetime,
) -> PayerStanding:
    """Take an account on as the chain's payer and watch its place from now on; again, nothing changes.

    It has sent ``first_number`` transactions before, which is what the person who set it up says, and had
    ``opening_units`` at ``before``. Raises ``KeyUsedElsewhere`` where the chain knows of more, and ``TipMoved``.
    """
    known = session.execute(
        select(PayerRow).where(PayerRow.chain == chain, PayerRow.account == account)
    ).scalar_one_or_none()
    if known is not None:
        return view_payer(known)
    if (standing.used, standing.promised) != (first_number, first_number):
        raise KeyUsedElsewhere(
            f"the payer has sent {standing.promised} transactions already, and {first_number} are known",
            chain=chain,
            account=account,
        )
    vault = vaults.open_house(session, vault=place_of(chain), chain=chain, actor=actor, now=now)
    after = movement_queries.last_change(session, chain=chain)
    owner = addresses.add_house_place(session, vault=vault.id, chain=chain, locator=locator, address=account, now=now)
    movements.record_opening(
        session,
        chain=chain,
        owner=owner,
        locator=locator,
        asset=asset,
        units=opening_units,
        before=before,
        expected_tip=expected_tip,
        now=now,
    )
    row = PayerRow(
        chain=chain,
        account=account,
        vault_id=vault.id,
        next_number=first_number,
        change_id=after,
        registered_at=now,
    )
    session.add(row)
    session.flush()
    facts = {"chain": chain, "first_number": first_number, "units": str(opening_units)}
    audit.record(session, event="payer.registered", subject=account, actor=actor, now=now, facts=facts)
    return view_payer(row)


def expect_numbers(session: Session, *, chain: str, account: str, standing: Standing) -> None:
    """Raise ``KeyUsedElsewhere`` where the chain knows a number that we have not given, ``PayerStopped`` if stopped.

    ``standing`` was asked before: what was given since only makes ours higher.
    """
    row = session.execute(select(PayerRow).where(PayerRow.chain == chain, PayerRow.account == account)).scalar_one()
    expect_going(session, row)
    if standing.promised > row.next_number:
        raise KeyUsedElsewhere(
            f"the chain knows {standing.promised} transactions of the payer, and we gave {row.next_number} numbers",
            chain=chain,
            account=account,
        )


def expect_going(session: Session, row: PayerRow) -> None:
    """Raise ``PayerStopped`` where the payer, or the place of its money, is stopped."""
    if row.stopped_at is not None:
        raise PayerStopped(f"the payer is stopped: {row.stopped_reason}", chain=row.chain, account=row.account)
    vault = vault_queries.get(session, vault=row.vault_id)
    if vault.is_frozen:
        raise PayerStopped(f"the payer's place is frozen: {vault.frozen_reason}", chain=row.chain, account=row.account)


def stop(session: Session, *, chain: str, account: str, why: str, actor: str, now: datetime) -> None:
    """Carry nothing more with this key, and raise the alarm. A payer that is not registered is only told of."""
    row = locked(session, chain, account)
    if row is not None and row.stopped_at is None:
        row.stopped_at, row.stopped_reason = now, why
        session.flush()
        audit.record(session, event="payer.stopped", subject=account, actor=actor, now=now, facts={"why": why})
    audit.raise_alarm(session, kind="payer-stopped", subject=f"{chain} {account}", step=why, why=why, now=now)


def resume(session: Session, *, chain: str, account: str, next_number: int, actor: str, now: datetime) -> None:
    """A person has looked: what was sent below ``next_number`` is known. Numbers never go back.

    Raises ``PayerStopped`` for a number below ours.
    """
    row = locked(session, chain, account)
    if row is None or next_number < row.next_number:
        raise PayerStopped("accepted is the chain's own count, which is not below ours", field="next_number")
    row.next_number, row.stopped_at, row.stopped_reason = next_number, None, None
    session.flush()
    facts = {"next_number": next_number}
    audit.record(session, event="payer.resumed", subject=account, actor=actor, now=now, facts=facts)


def note_level(
    session: Session, *, chain: str, account: str, units: int, low_units: int, actor: str, now: datetime
) -> bool:
    """Raise the alarm once when the payer's money runs low, and forget it when there is enough; whether it is low."""
    row = locked(session, chain, account)
    assert row is not None
    is_low = units < low_units
    if is_low and row.low_since is None:
        row.low_since = now
        why = f"the payer of {chain} has {units} base units left, and less than {low_units} is low: top up {account}"
        audit.raise_alarm(session, kind="payer-low", subject=account, step=now.isoformat(), why=why, now=now)
    elif not is_low and row.low_since is not None:
        row.low_since = None
        audit.record(
            session, event="payer.topped_up", subject=account, actor=actor, now=now, facts={"units": str(units)}
        )
    session.flush()
    return is_low


def locked(session: Session, chain: str, account: str) -> PayerRow | None:
    """The payer's row, locked to the unit's end: whoever comes second waits here for the next number."""
    return session.execute(
        select(PayerRow)
        .where(PayerRow.chain == chain, PayerRow.account == account)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).scalar_one_or_none()
