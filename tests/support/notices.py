"""A mail channel that waits for its code, and the code as it is in the mail."""

from __future__ import annotations

from custody.db import Database
from custody.notices import choosing
from custody.notices.model import MAIL
from custody.notices.tables import ChannelRow
from custody.trust.operations import in_force
from custody.webhooks.signing import Sealer
from tests.support.world import House


def named(house: House, operator: str) -> str:
    """Have ``operator`` told by mail from now on; returns the code."""
    with house.db.unit() as unit:
        choosing.choose(
            unit.session,
            operator=operator,
            kind=MAIL,
            address=f"{operator}@example.com",
            root=in_force(unit.session).root,
            sealer=Sealer(house.runtime.seal_key),
            actor=operator,
            now=unit.now,
        )
    return mailed_code(house.db, house.runtime.seal_key, operator)


def mailed_code(db: Database, seal_key: bytes, operator: str) -> str:
    """What was sent to the operator's address."""
    with db.unit() as unit:
        row = unit.session.get_one(ChannelRow, (operator, MAIL))
        owner = choosing.owner_of(operator)
        sealer = Sealer(seal_key)
        return choosing.code_of(sealer.open(row.secret or b"", endpoint=owner, url=row.address, client=None))
