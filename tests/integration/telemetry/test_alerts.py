"""Every alert fires on a real house when its fault is there, alone, and is silent again when it is gone."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from config import settings as configuration
from custody.bootstrap import assemble, metrics_page, nodes
from custody.db import Database
from custody.telemetry.nodes import Nodes
from custody.telemetry.page import Page, Watched
from demo.find import promtool
from demo.servers import Bitcoind
from ops.alerts import ALERTS
from tests.architecture.pages import REPOSITORY
from tests.support.alerts import firing, readings
from tests.support.road import Road, btc
from tests.support.servers import FreshDatabase
from tests.support.status import state_status
from tests.support.world import SILENT_NODE, environment

LONG_AGO = "now() - interval '40 days'"
FULL_OF_DELIVERIES = """
INSERT INTO webhook_endpoints (id, url, types, payload, label, state, secret, position, created_at, created_by)
  VALUES ('whe_1', 'https://example.com', '[]', 'full', 'a test', 'active', '', 0, now(), 'a test');
INSERT INTO webhook_deliveries (endpoint_id, sequence, event_id, kind, type, subject, state, repeat, attempts, due_at,
    created_at)
  SELECT 'whe_1', 1000000 + n, 'evt_' || n, 'withdrawal', 'w', 's' || n, 'waiting', false, 0, now(), now()
  FROM generate_series(1, 1001) n
"""
MESSAGE = "(id, operator, kind, state, intents, attempts, due_at, problem, created_at)"
FAULTS = {
    "CustodyWebhooksWait": (FULL_OF_DELIVERIES, "UPDATE webhook_deliveries SET state = 'delivered'"),
    "CustodyNoticesWait": (
        (
            f"INSERT INTO notice_messages {MESSAGE} VALUES ('ntc_1', 'alice', 'mail', 'waiting', 1, 0,"
            " now() - interval '11 minutes', NULL, now())"
        ),
        "UPDATE notice_messages SET state = 'sent'",
    ),
    "CustodyNoticesFail": (
        (
            f"INSERT INTO notice_messages {MESSAGE} VALUES ('ntc_2', 'alice', 'webhook', 'failed', 1, 9,"
            f" now(), 'answered 500', now()), ('ntc_3', 'alice', 'mail', 'failed', 1, 9, now(), 'no', {LONG_AGO})"
        ),
        "UPDATE notice_messages SET created_at = now() - interval '25 hours'",
    ),
    "CustodyReconciliationLate": (
        f"UPDATE reconciliation_runs SET finished_at = {LONG_AGO}",
        "UPDATE reconciliation_runs SET finished_at = now()",
    ),
    "CustodyReorganisedBelowCredit": (
        "UPDATE deposits SET unbacked = true",
        "UPDATE deposits SET unbacked = false",
    ),
    "CustodyWithdrawalStuck": (
        f"UPDATE withdrawals SET state_since = {LONG_AGO}",
        "UPDATE withdrawals SET state_since = now()",
    ),
    "CustodyCosignerSilent": (
        "UPDATE bundles SET opened_at = now() - interval '2 hours'",
        (
            "INSERT INTO bundle_answers (bundle_id, cosigner, verdict, signatures, at)"
            " SELECT b.id, c ->> 'id', 'signed', '{}', now() FROM bundles b JOIN keysets k ON k.id = b.keyset_id,"
            " jsonb_array_elements(k.document -> 'cosigners') c"
        ),
    ),
    "CustodyNobodySigns": (
        "UPDATE status_statements SET said_at = now() - interval '11 minutes'",
        "UPDATE status_statements SET said_at = now()",
    ),
    "CustodyMessagesWait": (
        (
            "INSERT INTO outbox (topic, payload, correlation_id, created_at, due_at)"
            " VALUES ('nothing', '{}', '', now(), now() - interval '6 minutes')"
        ),
        "UPDATE outbox SET done_at = now()",
    ),
    "CustodyPayerStopped": (
        (
            "INSERT INTO payers (chain, account, vault_id, next_number, change_id, registered_at, stopped_at,"
            " stopped_reason) VALUES ('eip155:31337', '0xabc', 'house', 0, 0, now(), now(), 'a test')"
        ),
        "DELETE FROM payers",
    ),
    "CustodyPayerLow": (
        (
            "INSERT INTO payers (chain, account, vault_id, next_number, change_id, registered_at, low_since)"
            " VALUES ('eip155:31337', '0xabc', 'house', 0, 0, now(), now())"
        ),
        "DELETE FROM payers",
    ),
    "CustodyVaultRulesChanged": (
        "INSERT INTO stops (scope, subject, cause, reason, since) VALUES ('vault', 'v', 'rules', 'a test', now())",
        "DELETE FROM stops",
    ),
    "CustodyBlocksRare": (
        f"UPDATE scan_progress SET updated_at = {LONG_AGO}",
        "UPDATE scan_progress SET updated_at = now()",
    ),
    "CustodyApprovalsStuck": (
        f"UPDATE withdrawals SET state = 'pending_approval', state_since = {LONG_AGO}",
        "UPDATE withdrawals SET state = 'awaiting_signatures', state_since = now()",
    ),
    "CustodyRestoring": (
        "INSERT INTO restorations (reason, noticed_at, tips, goals) VALUES ('a test', now(), '{}', '[]')",
        "DELETE FROM restorations",
    ),
    "CustodyBooksDiffer": (
        (
            "INSERT INTO breaks (id, run_id, vault_id, asset, check_name, expected, found, detail, opened_at)"
            " VALUES ('brk_1', 'run', 'v', 'a', 'ledger-is-the-chain', 1, 2, 'a test', now())"
        ),
        "INSERT INTO break_resolutions VALUES ('brk_1', 'd', 'explained', 'a test', now())",
    ),
}
OF_THE_NODE = {"CustodyNodeSilent", "CustodyChainBehind"}
OF_THE_DATABASE = {"CustodyNotReadable"}


@pytest.fixture
def road(database: FreshDatabase, chain: Bitcoind, tmp_path: Path) -> Iterator[Road]:
    """A house with a payment that waits for cosigners, compared just now."""
    road = Road.build(database, chain, tmp_path)
    road.open("acme")
    road.deposit("acme", btc("0.5"))
    asked = road.ask("acme", btc("0.1"))
    road.approve(asked.digest, "alice", "bob")
    road.settle(cosigners=())
    assert road.state(asked) == "awaiting_signatures"
    road.reconcile()
    state_status(road.db)
    yield road
    road.close()


@pytest.fixture
def change(database: FreshDatabase) -> Iterator[Callable[[str], None]]:
    """Changes rows as no part of the house can, past every trigger."""
    engine = create_engine(database.superuser_url)

    def apply(statement: str) -> None:
        with engine.begin() as connection:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            connection.execute(text(statement))

    yield apply
    engine.dispose()


def test_every_alert_has_a_fault_here() -> None:
    tried = {*FAULTS, *OF_THE_NODE, *OF_THE_DATABASE}
    assert {alert.name for alert in ALERTS} == tried


def test_each_fires_alone_and_clears(road: Road, change: Callable[[str], None]) -> None:
    page = metrics_page(road.runtime, nodes(road.runtime))
    assert firing(page.render()) == set()
    change(f"UPDATE intents SET not_before = {LONG_AGO}")
    for name, (fault, cure) in FAULTS.items():
        change(fault)
        assert firing(page.render()) == {name}
        change(cure)
        assert firing(page.render()) == set(), name


def test_a_silent_node_and_one_that_is_ahead_are_told_apart(road: Road) -> None:
    silent = Page(_watched(road, node_url=SILENT_NODE))
    assert firing(silent.render()) == {"CustodyNodeSilent"}
    road.node.mine(7)
    assert firing(Page(_watched(road)).render()) == {"CustodyChainBehind"}
    road.scan()
    assert firing(Page(_watched(road)).render()) == set()


def test_without_postgres_the_page_says_so_and_is_still_a_page(road: Road) -> None:
    watched = _watched(road)
    dead = Database("postgresql+psycopg://nobody@127.0.0.1:1/none")
    page = Page(Watched(dead, watched.nodes, watched.limits, watched.deadlines, watched.reconcile_every))
    assert firing(page.render()) == {"CustodyNotReadable"}
    assert {reading.metric for reading in readings(page.render())} == {"custody_readings_up"}


def test_prometheus_itself_sees_each_fire_and_clear() -> None:
    program = promtool()
    folder = REPOSITORY / "ops" / "prometheus"
    for what, name in (("check", "custody.rules.yml"), ("test", "custody.cases.yml")):
        run = subprocess.run([program, what, "rules", name], cwd=folder, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stdout + run.stderr


def _watched(road: Road, *, node_url: str = "") -> Watched:
    served = (
        assemble(configuration.load(environment(road.database, node_url=node_url))) if node_url else road.runtime
    ).chains
    asked = Nodes({chain: here.node for chain, here in served.items()})
    return metrics_page(road.runtime, asked)._watched
