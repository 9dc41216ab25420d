"""One browser for all tests here, and a house whose trust root names this machine as its console."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
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
from tests.support.servers import FreshDatabase
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
    origin: str
    browser: Browser

    def person(self, name: str) -> Person:
        """An operator who has signed in at a browser of their own, with the passkey that the trust root names."""
        person = Person.at(self.browser, self.origin)
        person.hold(Passkey(name, Console(self.origin, "localhost")))
        person.sign_in()
        return person

    def invitation(self, name: str) -> str:
        """A link by which ``name`` may make a passkey."""
        with self.house.db.unit() as unit:
            secret = entering.invite(unit.session, operator=name, actor="test", now=unit.now)
        return f"{self.origin}/console/invitation#{secret}"

    def digest(self, amount_sat: int = BTC // 10) -> str:
        """A withdrawal that needs two of three operators."""
        return self.house.withdraw(self.house.withdrawal_request("acme", amount_sat)).digest


@pytest.fixture
def stage(database: FreshDatabase, browser: Browser, tmp_path: Path) -> Iterator[Stage]:
    """A house with one client that has 10 BTC in the books and whose operators have a passkey each."""
    port = free_port()
    origin = f"http://localhost:{port}"
    house = passkeys.found(database, console=Console(origin, "localhost"))
    house.open_client("acme", branch=1)
    house.credit("acme", 10 * BTC)
    with serving(house, port, tmp_path):
        yield Stage(house, origin, browser)
    for context in browser.contexts:
        context.close()
    house.close()
