"""Answers that are held open: each caller has so many at once, and is told so plainly."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx2
import pytest

from custody.api import holding
from custody.evidence.passkeys import Console
from custody.operators import operations as operators
from demo.child import free_port
from tests.browser.serving import serving as on_a_port
from tests.integration.api.callers import As, expect_problem
from tests.support import passkeys
from tests.support.processes import wait_until
from tests.support.servers import FreshDatabase
from tests.support.world import House

FEW = 2


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holding, "STREAMS_EACH", FEW)
    monkeypatch.setattr(holding, "WAITS_EACH", FEW)


@contextmanager
def stream(http: httpx2.Client, cookie: str) -> Iterator[int]:
    """An open page's stream, from its first line to where this is left."""
    with http.stream("GET", "/console/live", headers={"Cookie": cookie}) as answer:
        # Kept until the end: an iterator that nobody has any more closes the answer.
        said = answer.iter_text()
        if answer.status_code == 200:
            next(said)
        yield answer.status_code


@pytest.mark.usefixtures("few")
def test_one_person_has_so_many_pages_open_and_no_more(database: FreshDatabase, tmp_path: Path) -> None:
    port = free_port()
    house = passkeys.found(database, console=Console(f"http://localhost:{port}", "localhost"))
    with house.db.unit() as unit:
        alice, again, bob = (
            f"custody={operators.sign_in(unit.session, operator=name, now=unit.now)}"
            for name in ("alice", "alice", "bob")
        )
    here = f"http://127.0.0.1:{port}"
    with on_a_port(house, port, tmp_path), httpx2.Client(base_url=here, timeout=30) as http:
        with ExitStack() as pages:
            assert [pages.enter_context(stream(http, alice)) for _ in range(FEW)] == [200] * FEW
            for cookie in (alice, again):
                with stream(http, cookie) as status:
                    assert status == 429
            with stream(http, bob) as others:
                assert others == 200

        def opens() -> bool:
            with stream(http, again) as status:
                return status == 200

        wait_until(opens, seconds=20)
    house.close()


@pytest.mark.usefixtures("few")
def test_one_credential_has_so_many_reads_waiting_and_no_more(request: pytest.FixtureRequest) -> None:
    house: House = request.getfixturevalue("house")
    call_as: As = request.getfixturevalue("call_as")
    exchange, auditor = call_as("exchange"), call_as("auditor")
    newest = exchange.get("/v1/events?after=newest").json()["cursor"]
    waiting = f"/v1/events?after={newest}&wait="
    heard: list[int] = []

    def wait() -> None:
        """Whoever looks below whether all places are taken has one of them for a second."""
        while (status := exchange.get(f"{waiting}30").status_code) == 429:
            pass
        heard.append(status)

    threads = [threading.Thread(target=wait, daemon=True) for _ in range(FEW)]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: exchange.get(f"{waiting}1").status_code == 429, seconds=20)
        refused = exchange.get(f"{waiting}1")
        expect_problem(refused, 429, "too-many-calls")
        assert int(refused.headers["retry-after"]) > 0
        assert [exchange.get(f"{waiting}0").status_code, auditor.get(f"{waiting}1").status_code] == [200, 200]
    finally:
        # Whoever waits hears of it, and the server can end.
        house.open_client("acme", branch=1)
        for thread in threads:
            thread.join(20)
    assert heard == [200] * FEW
    assert exchange.get(f"{waiting}1").status_code == 200
