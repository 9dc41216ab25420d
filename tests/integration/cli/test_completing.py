"""Completion: ids out of the database in 200 ms, or nothing, and never a word about why."""

from __future__ import annotations

import os
import threading
from typing import Any

import pytest

from custody.cli import completing, house
from tests.integration.cli.conftest import Command
from tests.integration.reconciliation.stage import Stage


def test_completes_ids_that_are_there(
    command: Command, stage: Stage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stage.open("acme")
    stage.fund("acme")
    paid = stage.request("acme", 1_000_000)
    # How long a busy machine takes is not the matter here.
    monkeypatch.setattr(completing, "SECONDS", 30.0)
    deposits: Any = command("deposit", "list", "--format", "json").json
    assert completing.client_ids("ac") == ["acme"]
    assert completing.deposit_ids("dep_") == [deposits[0]["id"]]
    assert completing.vault_ids("") == [stage.vault("acme")]
    assert completing.withdrawal_ids("wdr_") == [paid.id]
    assert completing.withdrawal_ids("wdr_nothing") == []


def test_a_server_that_is_slow_completes_nothing(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever presses the key gets the prompt back while the server has not answered."""
    asked, go_on = threading.Event(), threading.Event()

    def slow() -> Any:
        asked.set()
        assert go_on.wait(60)
        raise ConnectionError

    monkeypatch.setattr(house, "reading", slow)
    try:
        assert completing.client_ids("") == []
        assert not go_on.is_set()
    finally:
        go_on.set()
    assert asked.wait(60)


def test_a_house_that_is_not_there_completes_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in os.environ if name.startswith("CUSTODY_")]:
        monkeypatch.delenv(name)
    assert completing.vault_ids("kst") == []
    assert capsys.readouterr() == ("", "")
