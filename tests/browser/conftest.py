"""One browser for all tests here, and a house whose trust root names this machine as its console."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from custody.evidence.passkeys import Console
from custody.operators import entering
from demo.child import free_port
from tests.browser.chromium import Person, chromium
from tests.browser.serving import serving
from tests.cosigner.builders import BTC
from tests.support import passkeys
from tests.support.passkeys import Passkey
from tests.support.road import Road, btc
from tests.support.servers import Bitcoind, FreshDatabase
from tests.support.world import House


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One process; each person has a profile of their own in it."""
    with chromium() as browser:
        yield browser


@dataclass
class Stage:
    """A house, and where its console is."""

    house: House
    console: Console
    browser: Browser

    @property
    def origin(self) -> str:
        """What stands in front of every path."""
        return self.console.origin

    def person(self, name: str) -> Person:
        """An operator who has signed in at a browser of their own, with the passkey that the trust root names."""
        person = Person.at(self.browser, self.origin)
        person.hold(Passkey(name, self.console))
        person.sign_in()
        return person

    def later(self, **passed: int) -> None:
        """Move the house's clock on."""
        self.house.db._offset += timedelta(**passed)

    def invitation(self, name: str) -> str:
        """A link by which ``name`` may make a passkey."""
        with self.house.db.unit() as unit:
            secret = entering.invite(unit.session, operator=name, actor="test", now=unit.now)
        return f"{self.origin}/console/invitation#{secret}"

    def digest(self, amount_sat: int = BTC // 10) -> str:
        """A withdrawal that needs two of three operators."""
        return self.house.withdraw(self.house.withdrawal_request("acme", amount_sat)).digest


@dataclass
class RoadStage(Stage):
    """The same of a house that pays: with node and cosigners."""

    house: Road


@contextmanager
def playing(stage: Stage, folder: Path) -> Iterator[None]:
    """Serve the house's console until it is left; then nobody looks any more, and the house is closed."""
    try:
        with serving(stage.house, int(stage.origin.rpartition(":")[2]), folder):
            yield
            # Before the server is: it waits for whoever still listens to a page's stream.
            for context in stage.browser.contexts:
                context.close()
    finally:
        stage.house.close()


def a_console() -> Console:
    """On this machine, at a port nobody has."""
    return Console(f"http://localhost:{free_port()}", "localhost")


def on_the_road(
    database: FreshDatabase, node: Bitcoind, browser: Browser, folder: Path, **world: str
) -> Iterator[RoadStage]:
    """A house with node and cosigners, whose operators' passkeys version 1 names, and a client that has half a coin."""
    console = a_console()
    node.fund()
    house = Road.build(database, node, folder, ceremony=passkeys.world(console=console, **world))
    house.open("acme")
    house.deposit("acme", btc("0.5"))
    stage = RoadStage(house, console, browser)
    with playing(stage, folder):
        yield stage


def at_home(database: FreshDatabase, browser: Browser, folder: Path, **settings: str) -> Iterator[Stage]:
    """A house with one client that has 10 BTC in the books and whose operators have a passkey each."""
    console = a_console()
    house = House.found(database, ceremony=passkeys.world(console=console), **settings)
    house.open_client("acme", branch=1)
    house.credit("acme", 10 * BTC)
    stage = Stage(house, console, browser)
    with playing(stage, folder):
        yield stage


@pytest.fixture
def stage(database: FreshDatabase, browser: Browser, tmp_path: Path) -> Iterator[Stage]:
    """The same under the settings of every house."""
    yield from at_home(database, browser, tmp_path)


@pytest.fixture
def road_stage(database: FreshDatabase, bitcoind: Bitcoind, browser: Browser, tmp_path: Path) -> Iterator[RoadStage]:
    """A house that pays, under the demo's policy."""
    yield from on_the_road(database, bitcoind, browser, tmp_path)
