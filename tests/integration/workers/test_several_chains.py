"""Workers of a house with two chains: one silent node stops no other chain, and each chain has its own deadlines."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from custody.audit import queries as audit
from custody.bootstrap import Runtime, ServedChain, assemble, with_registered
from custody.chains.inspecting import Inspected, native_inspected
from custody.chains.port import NodeUnavailable
from custody.kernel.money import Asset
from custody.reconciliation.stuck import Deadlines, stuck
from custody.restore import operations as restore
from custody.restore.operations import NotReplayed
from tests.config.test_settings import settings
from tests.integration.api.server import REPOSITORY, plain_environment
from tests.integration.vaults.safe_keysets import ANVIL
from tests.support.servers import FreshDatabase
from tests.support.several import TOKEN, Several
from tests.support.world import REGTEST, SILENT_NODE, environment, write_tokens
from workers import app as workers_app
from workers import unit as shapes
from workers.schedule import schedule
from workers.tasks.assets import check as check_assets


@pytest.fixture
def house(database: FreshDatabase, tmp_path: Path) -> Iterator[Several]:
    house = Several.stand(database, tmp_path)
    yield house
    house.close()


def test_every_chain_is_rung_by_itself() -> None:
    rings = schedule(settings())
    for task in (
        "chain.scan",
        "reconciliation.run",
        "reconciliation.ranged",
        "withdrawals.rebroadcast",
        "assets.check",
    ):
        rung = [entry["kwargs"]["chain"] for entry in rings.values() if entry["task"] == task]
        assert rung == ["regtest", "anvil"], task
    once = [entry["task"] for entry in rings.values() if "kwargs" not in entry]
    assert sorted(once) == ["housekeeping", "notices.tell", "restore.replay"]


def test_a_chain_whose_node_is_silent_stops_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    here, seen = assemble(settings()), []

    def body(_runtime: Runtime, here: ServedChain) -> None:
        seen.append(here.name)
        raise NodeUnavailable("silent")

    monkeypatch.setattr(shapes, "runtime", lambda: here)
    task = shapes.chain_task("test.silent")(body)
    for chain, told in ("", ["regtest", "anvil"]), ("anvil", ["anvil"]), (ANVIL.chain, ["anvil"]), ("moon", []):
        seen.clear()
        task.run(chain=chain)
        assert seen == told


def test_a_node_that_keeps_us_waiting_in_vain_takes_a_quarter_of_the_time_at_most(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here, clock, seen = assemble(settings()), [0.0], []

    def body(_runtime: Runtime, served: ServedChain) -> None:
        seen.append((served.name, clock[0]))
        if served.name == "anvil":
            clock[0] += 10
            raise NodeUnavailable("silent")

    monkeypatch.setattr(shapes, "runtime", lambda: here)
    monkeypatch.setattr(shapes, "monotonic", lambda: clock[0])
    monkeypatch.setattr(shapes, "_RESTS", {})
    task = shapes.chain_task("test.slow")(body)
    while clock[0] < 80:
        task.run()
        clock[0] += 5
    assert [at for name, at in seen if name == "anvil"] == [0.0, 40.0]
    assert [at for name, at in seen if name == "regtest"][:5] == [0.0, 15.0, 20.0, 25.0, 30.0]


def test_an_asset_that_is_not_what_it_is_registered_as_is_one_alarm(
    house: Several, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(asset: Asset) -> Inspected:
        return native_inspected(asset) if asset == ANVIL.asset else Inspected(asset, None, None, ("is no token",))

    here = replace(house.runtime.of(ANVIL.chain), inspect=ask)
    runtime = replace(house.runtime, chains={**house.runtime.chains, ANVIL.chain: here})
    monkeypatch.setattr(shapes, "runtime", lambda: runtime)
    check_assets.run()
    check_assets.run(chain="anvil")
    with house.db.unit() as unit:
        alarms = [(alarm.kind, alarm.subject, alarm.why) for alarm in audit.alarms(unit.session)]
    assert alarms == [("asset-in-doubt", TOKEN.id, "TST is no token")]


def test_each_chain_has_its_own_deadlines(house: Several) -> None:
    coins, accounts = (
        house.withdraw(house.withdrawal_request("acme", 10**6)),
        house.withdraw(house.asked()),
    )
    never, now = (Deadlines(*[seconds] * 7, message=9999) for seconds in (9999, -1))

    def late(**deadlines: Any) -> set[str]:
        by_chain = {{"coins": REGTEST.chain, "accounts": ANVIL.chain}[name]: found for name, found in deadlines.items()}
        with house.db.unit() as unit:
            return {row.id for row in stuck(unit.session, deadlines=by_chain, now=unit.now)}

    assert late(coins=never, accounts=now) == {accounts.id}
    assert late(coins=now, accounts=never) == {coins.id}
    assert late(coins=never, accounts=never) == set()
    assert late(coins=now) == {coins.id, accounts.id}, "a chain nobody has deadlines for has the shortest"
    assert late(accounts=never) == set()


def test_a_restoration_ends_when_every_chain_was_read(house: Several) -> None:
    with house.db.unit() as unit:
        restore.declare(unit.session, reason="a backup", actor="test", now=unit.now)
        restore.mark_watched(unit.session, now=unit.now)
    with pytest.raises(NotReplayed) as waits, house.db.unit() as unit:
        restore.finish(unit.session, heights={}, actor="test", now=unit.now)
    assert waits.value.field == "movements"


def test_a_process_takes_up_what_is_registered_once_there_is_a_trust_root(
    database: FreshDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = Several.stand(database, tmp_path)
    monkeypatch.setattr(workers_app, "_HERE", {})
    early = replace(house.runtime, registered=None, chains={})
    monkeypatch.setitem(workers_app._HERE, "runtime", early)
    found = workers_app.runtime()
    assert TOKEN.id in found.of(ANVIL.chain).assets
    assert workers_app.runtime() is found
    assert with_registered(found).registered == found.registered
    house.close()


def test_every_process_says_at_once_what_it_cannot_use(database: FreshDatabase, tmp_path: Path) -> None:
    Several.stand(database, tmp_path, funded=False).close()
    (tmp_path / "assets.toml").write_text("")
    chosen = {"network": "", "chains": "regtest,anvil", "anvil_rpc_url": SILENT_NODE}
    tokens = write_tokens(tmp_path / "tokens.json", {"exchange": ("requester", "token")})
    settings = environment(database, **chosen, assets_file=tmp_path / "assets.toml", api_tokens_file=tokens)
    worker = ["celery", "-A", "workers.app", "worker", "-P", "solo", "-l", "WARNING"]
    ended = [
        subprocess.Popen(
            [sys.executable, "-m", *module], cwd=REPOSITORY, env=plain_environment() | settings, stderr=subprocess.PIPE
        )
        for module in (worker, ["workers.relay"], ["custody.api"])
    ]
    for process in ended:
        said = process.communicate(timeout=60)[1].decode()
        assert f"error: CUSTODY_ASSETS_FILE: has no rules for {TOKEN.id}" in said
        assert process.returncode == 2
