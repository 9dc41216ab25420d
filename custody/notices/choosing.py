"""By which ways an operator is told: set, switched off and on, each with its address and secret."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from custody.audit import operations as audit
from custody.evidence import fields
from custody.evidence.trust_root import TrustRoot
from custody.kernel.errors import Conflict, InvalidInput, NotFound
from custody.notices.model import CHANNELS, MAIL, Channel
from custody.notices.queries import channel_of
from custody.notices.tables import ChannelRow
from custody.webhooks.places import read_url
from custody.webhooks.signing import Sealer, Secret

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

    A webhook gets ``secret``, which was shown already, or a new one.
    The caller looked a webhook's address up (``Places.read``) before the unit. Raises ``InvalidInput`` naming the
    field.
    """
    if all(each.id != operator for each in root.operators):
        raise InvalidInput("not an operator of the trust root", field="operator")
    expect_address(kind, address)
    secret = None if kind == MAIL else secret or Secret.fresh()
    sealed = None if secret is None else sealer.seal(secret, endpoint=owner_of(operator), url=address, client=None)
    row = session.get(ChannelRow, (operator, kind), with_for_update=True)
    if row is None:
        row = ChannelRow(operator=operator, kind=kind)
        session.add(row)
    row.address, row.secret, row.is_on, row.changed_at, row.changed_by = address, sealed, True, now, actor
    session.flush()
    _note(session, row, "chosen", actor, now)
    return Chosen(channel_of(row), secret)


def switch(session: Session, *, operator: str, kind: str, is_on: bool, actor: str, now: datetime) -> Channel:
    """Tell the operator there no more, or again. Raises ``UnknownChannel`` and ``ChannelState``."""
    row = session.get(ChannelRow, (operator, fields.one_of(kind, CHANNELS, field="channel")), with_for_update=True)
    if row is None:
        raise UnknownChannel("the operator has no such channel", field="channel")
    if row.is_on == is_on:
        raise ChannelState(f"the channel is {'on' if is_on else 'off'} already", field="channel")
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


def _note(session: Session, row: ChannelRow, event: str, actor: str, now: datetime) -> None:
    facts = {"operator": row.operator, "channel": row.kind, "on": row.is_on}
    audit.record(session, event=f"notice_channel.{event}", subject=row.operator, actor=actor, now=now, facts=facts)
