"""Jobs worked off without workers."""

from __future__ import annotations

from datetime import timedelta

import workers.tasks  # noqa: F401 - registers them
from custody.addresses.operations import StockEmpty
from custody.outbox import operations as outbox
from tests.support.world import House
from workers.unit import DELIVERIES


def work_off(house: House, *, ahead: timedelta = timedelta(0)) -> None:
    """Deliver what waits of jobs, as workers do."""
    while True:
        with house.db.unit() as unit:
            leased = outbox.lease(unit.session, now=unit.now + ahead, length=timedelta(seconds=0), limit=100)
        waiting = [message for message in leased if message.topic == "jobs.advance"]
        if not waiting:
            return
        for message in waiting:
            try:
                DELIVERIES["jobs.advance"](house.runtime, message.id)
            except StockEmpty as error:  # the worker postpones it
                with house.db.unit() as unit:
                    until = unit.now + timedelta(minutes=1)
                    outbox.postpone(unit.session, message_id=message.id, until=until, why=str(error))
                return
