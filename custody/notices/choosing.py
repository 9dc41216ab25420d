"""By which ways an operator is told: set, confirmed, switched off and on, each with its address and secret.

A mail address counts when the code that was sent there comes back. The code follows from the channel's secret, which is
sealed to the address: it stands nowhere in the database, and to an address that was written there nothing is sent.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from custody.audit import operations as audit
from custody.evidence import fields
from custody.evidence.trust_root import TrustRoot
from custody.kernel.errors import Conflict, InvalidInput, NotFound
from custody.kernel.ids import new_id
from custody.notices.dropping import drop
from custody.notices.model import CHANNELS, CODE, MAIL, Channel
from custody.notices.queries import channel_of
from custody.notices.tables import WAITING, ChannelRow, MessageRow
from custody.webhooks.places import read_url
from custody.webhooks.signing import Sealer, Secret

_DIGITS: Final = 8
_ADDRESS: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,189}", re.ASCII)


class UnknownChannel(NotFound):
    """The operator has no such channel."""

    code = "unknown-notice-channel"


class ChannelState(Conflict):
    """The channel is in that state already."""

    code = "notice-channel-state"


@dataclass(frozen=True, slots=True, repr=False)
class Chosen:
    """A channel, and the new secret of a webhook, which is shown this once. Has no readable ``repr``."""

    channel: Channel
    secret: Secret | None


def choose(
    session: Session,
    *,
    operator: str,
    kind: str,
    address: str,
    root: TrustRoot,
    sealer: Sealer,
    actor: str,
    now: datetime,
    secret: Secret | None = None,
) -> Chosen:
    """Tell ``operator`` at ``address`` from now on, instead of wherever it was.

    A webhook gets ``secret``, which was shown already, or a new one. A mail address is sent a code first.
    The caller looked a webhook's address up (``Places.read``) before the unit. Raises ``InvalidInput`` naming the
    field.
    """
    if all(each.id != operator for each in root.operators):
        raise InvalidInput("not an operator of the trust root", field="operator")
    expect_address(kind, address)
    secret = secret or Secret.fresh()
    row = session.get(ChannelRow, (operator, kind), with_for_update=True)
    if row is None:
        row = ChannelRow(operator=operator, kind=kind)
        session.add(row)
    row.secret = sealer.seal(secret, endpoint=owner_of(operator), url=address, client=None)
    row.address, row.is_on, row.changed_at, row.changed_by = address, True, now, actor
    row.confirmed_at = None if kind == MAIL else now
    # What was not sent yet is told at the new address, once that counts.
    of = and_(WAITING, MessageRow.operator == operator, MessageRow.kind == kind)
    drop(session, session.execute(select(MessageRow).where(of).with_for_update()).scalars().all(), is_to_be_told=True)
    if kind == MAIL:
        session.add(_sending_code(operator, now))
    session.flush()
    _note(session, row, "chosen", actor, now)
    return Chosen(channel_of(row), None if kind == MAIL else secret)


def expect_code(session: Session, *, operator: str, kind: str, code: str, sealer: Sealer) -> ChannelRow:
    """The channel that ``code`` was sent to. Raises ``UnknownChannel``, ``ChannelState``, and ``InvalidInput``."""
    row = _row(session, operator, kind)
    if row.confirmed_at is not None:
        raise ChannelState("the address is confirmed already", field="channel")
    if row.secret is None:
        raise ChannelState("no code was sent there; choose the channel again", field="channel")
    secret = sealer.open(row.secret, endpoint=owner_of(operator), url=row.address, client=None)
    if not hmac.compare_digest("".join(code.split()).encode(), code_of(secret).encode()):
        raise InvalidInput(
            f"not the code that was sent to this address; accepted are its {_DIGITS} digits", field="code"
        )
    return row


def confirm(
    session: Session, *, operator: str, kind: str, code: str, sealer: Sealer, actor: str, now: datetime
) -> Channel:
    """Whoever reads what arrives there says so: what waits is told there from now on. Raises as ``expect_code``."""
    row = expect_code(session, operator=operator, kind=kind, code=code, sealer=sealer)
    row.confirmed_at, row.changed_at, row.changed_by = now, now, actor
    session.flush()
    _note(session, row, "confirmed", actor, now)
    return channel_of(row)


def code_of(secret: Secret) -> str:
    """The digits that confirm an address: by them nobody learns the secret."""
    digest = hmac.digest(secret.shared, b"custody/notice-code/v1", "sha256")
    return f"{int.from_bytes(digest[:8], 'big') % 10**_DIGITS:0{_DIGITS}d}"


def switch(session: Session, *, operator: str, kind: str, is_on: bool, actor: str, now: datetime) -> Channel:
    """Tell the operator there no more, or again. Raises ``UnknownChannel`` and ``ChannelState``."""
    row = _row(session, operator, kind)
    if row.is_on == is_on:
        raise ChannelState(f"the channel is {'on' if is_on else 'off'} already", field="channel")
    if is_on and row.secret is None:
        raise ChannelState("nobody ever confirmed the address; choose the channel again", field="channel")
    if is_on and row.confirmed_at is None:
        session.add(_sending_code(operator, now))
    row.is_on, row.changed_at, row.changed_by = is_on, now, actor
    session.flush()
    _note(session, row, "switched_on" if is_on else "switched_off", actor, now)
    return channel_of(row)


def expect_address(kind: str, address: str) -> None:
    """Whether the channel can have it. Raises ``InvalidInput`` saying what is accepted."""
    if fields.one_of(kind, CHANNELS, field="channel") != MAIL:
        read_url(address, field="address")
    elif _ADDRESS.fullmatch(address) is None:
        raise InvalidInput("not a mail address; accepted is name@host in ASCII", field="address")


def owner_of(operator: str) -> str:
    """What a secret is sealed to beside its address: who writes to the database has nothing signed for elsewhere."""
    return f"notices:{operator}"


def _row(session: Session, operator: str, kind: str) -> ChannelRow:
    row = session.get(ChannelRow, (operator, fields.one_of(kind, CHANNELS, field="channel")), with_for_update=True)
    if row is None:
        raise UnknownChannel("the operator has no such channel", field="channel")
    return row


def _sending_code(operator: str, now: datetime) -> MessageRow:
    return MessageRow(
        id=new_id("ntc", now),
        operator=operator,
        kind=MAIL,
        state="waiting",
        says=CODE,
        intents=0,
        attempts=0,
        due_at=now,
        created_at=now,
    )


def _note(session: Session, row: ChannelRow, event: str, actor: str, now: datetime) -> None:
    facts = {"operator": row.operator, "channel": row.kind, "on": row.is_on}
    audit.record(session, event=f"notice_channel.{event}", subject=row.operator, actor=actor, now=now, facts=facts)
