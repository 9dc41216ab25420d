"""A real worker that is rung for notices sends what waits, and keeping house deletes what is old."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from celery import Celery

from custody.evidence.codes import digest_code
from custody.notices import queries
from custody.notices.model import MAIL
from demo.child import Child
from demo.servers import Broker
from tests.integration.api.server import REPOSITORY, plain_environment
from tests.integration.notices.conftest import Office, office
from tests.support.processes import wait_until
from tests.support.rows import write
from tests.support.world import environment

__all__ = ["office"]

QUIET = ("--without-gossip", "--without-mingle", "--without-heartbeat")


@pytest.fixture
def bell(office: Office, broker: Broker, tmp_path: Path) -> Iterator[Celery]:
    """Rings a worker that speaks to the office's mail server; nothing else rings it."""
    mail = {"mail_url": f"smtp://127.0.0.1:{office.mailbox.port}", "mail_from": "custody@example.com"}
    env = plain_environment() | environment(office.house.database, broker_url=broker.url, notices_kept_days=30, **mail)
    program = [sys.executable, "-m", "celery", "-A", "workers.app", "worker", "-P", "solo", "-l", "WARNING", *QUIET]
    worker = Child("worker", program, tmp_path / "worker.log", env=env, cwd=REPOSITORY)
    worker.start()
    bell = Celery(broker=broker.url)
    yield bell
    bell.close()
    worker.stop(what=signal.SIGQUIT)


def test_a_ring_sends_what_waits_and_another_deletes_what_is_old(office: Office, bell: Celery) -> None:
    office.choose("alice")
    digest = office.ask()
    old = "INSERT INTO notice_messages (id, operator, kind, state, intents, attempts, due_at, created_at) VALUES "
    for name, days in (("old", 31), ("young", 29)):
        write(office.house, f"{old} ('{name}', 'bob', 'mail', 'sent', 1, 1, now(), now() - interval '{days} days')")
    bell.send_task("notices.tell", queue="custody")
    wait_until(lambda: any(each.state == "sent" and each.operator == "alice" for each in office.messages()), seconds=60)
    (mail,) = office.mailbox.came
    with office.house.db.unit() as unit:
        (message,) = queries.messages(unit.session, limit=10, operator="alice")
    assert (mail.to, message.kind, message.attempts) == (("alice@example.com",), MAIL, 1)
    assert digest_code(digest) in mail.text
    bell.send_task("notices.tell", queue="custody")
    bell.send_task("housekeeping", queue="custody")
    wait_until(lambda: "old" not in {each.id for each in office.messages()}, seconds=60)
    assert {each.id for each in office.messages()} == {"young", message.id}
    assert len(office.mailbox.came) == 1
