"""Registered tokens that say odd things of themselves, on a real node: registry data counts and no worker falls."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from custody.audit import queries as audit
from custody.cli.exits import run
from custody.cli.main import app
from custody.movements import queries as movements
from demo.servers import Anvil
from tests.integration.vaults.safe_keysets import ANVIL
from tests.support.evm import deploy
from tests.support.oracle import plays
from tests.support.servers import FreshDatabase
from tests.support.several import CONTRACT, TOKEN, Several
from tests.support.world import environment
from workers import unit as shapes
from workers.tasks.assets import check as check_assets
from workers.tasks.chain import scan_chain

ODD = {"OldNamedToken": "OLD", "LongNamedToken": "L" * 16, "NamelessToken": None}


@pytest.fixture
def house(database: FreshDatabase, anvil: Anvil, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Several]:
    house = Several.stand(database, tmp_path, funded=False, anvil_rpc_url=anvil.url, anvil_start_height=anvil.height())
    monkeypatch.setattr(shapes, "runtime", lambda: house.runtime)
    settings = environment(
        database, network="", chains="regtest,anvil", anvil_rpc_url=anvil.url, assets_file=tmp_path / "assets.toml"
    )
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    yield house
    structlog.reset_defaults()
    house.close()


def place(anvil: Anvil, name: str) -> None:
    """Let the registered address have this contract's code."""
    anvil.rpc("anvil_setCode", CONTRACT, anvil.rpc("eth_getCode", deploy(anvil, name).address, "latest"))


def follow(house: Several, anvil: Anvil) -> None:
    """What workers do: look at the assets, and read the chain with them."""
    check_assets.run()
    scan_chain.run(chain="anvil")
    with house.db.unit() as unit:
        tip = movements.tip(unit.session, chain=ANVIL.chain)
    assert tip is not None
    assert tip.height == anvil.height()


def alarms(house: Several) -> list[tuple[str, str]]:
    with house.db.unit() as unit:
        return [(alarm.kind, alarm.why) for alarm in audit.alarms(unit.session)]


@plays("P-016")
def test_p016_odd_names_and_silent_decimals_leave_registry_data_in_force(
    house: Several, anvil: Anvil, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, shown in ODD.items():
        place(anvil, name)
        follow(house, anvil)
        capsys.readouterr()
        assert run(app, ["assets", "check", "--chain", "anvil", "--format", "json"]) == 0
        ether, token = json.loads(capsys.readouterr().out)
        assert (ether["sound"], token["registered"], token["calls_itself"]) == (True, TOKEN.decimals, shown)
    assert alarms(house) == []
    place(anvil, "Parrot")
    follow(house, anvil)
    assert run(app, ["assets", "check", "--chain", "anvil"]) == 2
    assert "TST: does not say what an address has: not a token" in capsys.readouterr().out
    assert alarms(house) == [("asset-in-doubt", "TST does not say what an address has: not a token")]
    house.expect_whole()
