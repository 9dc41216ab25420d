"""An empty house that pushes to loopback, turn by turn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from custody.db import Database
from custody.events import operations as events
from custody.events import queries as told
from custody.webhooks import operations, queries
from custody.webhooks.model import Endpoint
from custody.webhooks.operations import Made
from custody.webhooks.places import Places, read_networks
from custody.webhooks.pushing import chains, send_in_order
from custody.webhooks.signing import Sealer
from custody.webhooks.wire import Wire
from tests.integration.webhooks.receiver import Receiver
from tests.support.servers import FreshDatabase

LOOPBACK = read_networks("127.0.0.0/8, ::1/128")
SEAL_KEY = "5a" * 32
LEASE = timedelta(seconds=60)


@dataclass
class Post:
    """A post office without threads: what is due now is claimed, sent one by one, and settled."""

    database: FreshDatabase
    wire: Wire
    receiver: Receiver
    sealer: Sealer
    ahead: timedelta = timedelta(0)
    """How far the clock of claims and results is ahead of the database's."""

    @property
    def db(self) -> Database:
        return self.database.db

    def tell(self, *subjects: str, client: str | None = None, event: str = "changed") -> None:
        with self.db.unit() as unit:
            for subject in subjects:
                events.publish(
                    unit.session,
                    kind="thing",
                    subject=subject,
                    event=event,
                    data={"id": subject, "status": event},
                    client=client,
                    actor="test",
                    correlation_id="",
                    now=unit.now,
                )

    def add(self, url: str = "", **changes: Any) -> Made:
        chosen: dict[str, Any] = {"client": None, "types": ["thing"], "payload": "full", "label": "books", **changes}
        with self.db.unit() as unit:
            return operations.add(
                unit.session, url=url or self.receiver.url, sealer=self.sealer, actor="test", now=unit.now, **chosen
            )

    def push(self) -> int:
        """Send what is due, once; how many were tried."""
        with self.db.unit() as unit:
            now = unit.now + self.ahead
            operations.take_over(unit.session, now=unit.now)
            parcels = operations.claim(unit.session, sealer=self.sealer, lease=LEASE, room=100, now=now)
        outcomes = [
            outcome for chain in chains(parcels) for outcome in send_in_order(self.wire, chain, until=float("inf"))
        ]
        self.settle(outcomes)
        return sum(not outcome.is_unsent for outcome in outcomes)

    def settle(self, outcomes: Any) -> None:
        with self.db.unit() as unit:
            operations.settle(unit.session, outcomes=outcomes, now=unit.now + self.ahead)

    def endpoint(self, made: Made) -> Endpoint:
        with self.db.unit() as unit:
            return queries.get(unit.session, endpoint=made.endpoint.id)

    def events(self) -> list[Any]:
        with self.db.unit() as unit:
            return list(told.after(unit.session, cursor=0, limit=1_000).events)

    def now(self) -> datetime:
        with self.db.unit() as unit:
            return unit.now

    def count(self, table: str) -> int:
        with self.db.unit() as unit:
            return int(unit.session.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())


@pytest.fixture
def post(database: FreshDatabase) -> Iterator[Post]:
    with Receiver() as receiver, Wire(Places(LOOPBACK), timeout_seconds=2.0) as wire:
        yield Post(database, wire, receiver, Sealer(bytes.fromhex(SEAL_KEY)))
