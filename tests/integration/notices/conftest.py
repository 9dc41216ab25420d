"""A house whose operators are told over loopback, turn by turn."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from custody.notices import choosing, operations, queries
from custody.notices.choosing import Chosen
from custody.notices.model import MAIL, WEBHOOK, Letter, Message
from custody.notices.sending import MailServer, Postman
from custody.trust.operations import in_force
from custody.webhooks.places import Places
from custody.webhooks.signing import Sealer
from custody.webhooks.wire import Wire
from tests.cosigner.builders import BTC
from tests.integration.notices.mailbox import Mailbox
from tests.integration.webhooks.conftest import LOOPBACK
from tests.integration.webhooks.receiver import Receiver
from tests.support.servers import FreshDatabase
from tests.support.world import House

LARGE, SMALL = 6_000_000, 1_000_000
"""What takes two of three operators, and what takes none."""


@dataclass
class Office:
    """``ahead`` is how far its clock is ahead of the database's."""

    house: House
    mailbox: Mailbox
    receiver: Receiver
    wire: Wire
    sealer: Sealer
    ahead: timedelta = timedelta(0)
    mail: dict[str, Any] = field(default_factory=dict)
    tls: ssl.SSLContext = field(default_factory=ssl.create_default_context)

    @property
    def postman(self) -> Postman:
        told = {"scheme": "smtp", "host": "127.0.0.1", "port": self.mailbox.port, "user": "", "password": ""}
        return Postman(MailServer(**{**told, "sender": "custody@example.com", **self.mail}), self.tls, self.wire)

    def choose(self, operator: str, kind: str = MAIL, address: str = "") -> Chosen:
        """Chosen, and a mail address confirmed: no code is sent."""
        made = self.name(operator, kind, address)
        if kind == MAIL:
            with self.house.db.unit() as unit:
                unit.session.execute(text("DELETE FROM notice_messages WHERE says = 'code'"))
                unit.session.execute(text("UPDATE notice_channels SET confirmed_at = now() WHERE kind = 'mail'"))
        return made

    def name(self, operator: str, kind: str = MAIL, address: str = "") -> Chosen:
        where = address or (self.receiver.url if kind == WEBHOOK else f"{operator}@example.com")
        with self.house.db.unit() as unit:
            return choosing.choose(
                unit.session,
                operator=operator,
                kind=kind,
                address=where,
                root=in_force(unit.session).root,
                sealer=self.sealer,
                actor="test",
                now=unit.now,
            )

    def ask(self, amount: int = LARGE, **changes: Any) -> str:
        return self.house.withdraw(self.house.withdrawal_request("acme", amount, **changes)).digest

    def collect(self) -> int:
        with self.house.db.unit() as unit:
            return operations.collect(unit.session, trust=in_force(unit.session), now=unit.now + self.ahead)

    def claim(self) -> list[Letter]:
        with self.house.db.unit() as unit:
            trust = in_force(unit.session)
            now = unit.now + self.ahead
            return operations.claim(unit.session, trust=trust, sealer=self.sealer, limit=10, now=now)

    def turn(self) -> int:
        """Collect, send, settle."""
        self.collect()
        letters = self.claim()
        outcomes = self.postman.deliver(letters)
        with self.house.db.unit() as unit:
            operations.settle(unit.session, outcomes=outcomes, now=unit.now + self.ahead)
        return len(letters)

    def later(self, **times: int) -> int:
        """The clock goes on, and a turn is taken."""
        self.ahead += timedelta(**times)
        return self.turn()

    def messages(self) -> list[Message]:
        with self.house.db.unit() as unit:
            return queries.messages(unit.session, limit=100)


@pytest.fixture
def office(database: FreshDatabase) -> Iterator[Office]:
    house = House.found(database)
    house.open_client("acme", branch=1)
    house.credit("acme", 100 * BTC)
    with Mailbox() as mailbox, Receiver() as receiver, Wire(Places(LOOPBACK), timeout_seconds=2.0) as wire:
        yield Office(house, mailbox, receiver, wire, Sealer(house.runtime.seal_key))
    house.close()
