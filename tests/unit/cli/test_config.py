"""``config show``: where each setting comes from, and no secret in any of what it prints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from custody.cli.exits import DONE, INVALID, run
from custody.cli.main import app
from custody.cli.showing import Format

SECRETS = ("hunter2", "c0ffee" * 10 + "beef", "projectid17", "mail-pass-9", "t" * 40, "opens-everything")
GIVEN = {
    "CUSTODY_CHAINS": "regtest,anvil",
    "CUSTODY_DATABASE_URL": f"postgresql+psycopg://house:{SECRETS[0]}@127.0.0.1:5432/custody",
    "CUSTODY_BROKER_URL": f"redis://:{SECRETS[0]}@127.0.0.1:6379/0",
    "CUSTODY_BITCOIN_RPC_URL": f"http://house:{SECRETS[0]}@127.0.0.1:18443",
    "CUSTODY_ANVIL_RPC_URL": f"https://node.example.com/v3/{SECRETS[2]}",
    "CUSTODY_ANVIL_SECOND_RPC_URL": f"https://other.example.com:8545?key={SECRETS[2]}",
    "CUSTODY_MAIL_URL": f"smtps://house:{SECRETS[3]}@mail.example.com:465",
    "CUSTODY_MAIL_FROM": "house@example.com",
    "CUSTODY_SEAL_KEY": SECRETS[1],
    "CUSTODY_METRICS_TOKEN": SECRETS[4],
    "CUSTODY_METRICS_PORT": "9000",
    "CUSTODY_OWNER_URL": f"not-even-an-address:{SECRETS[0]}@here",
    "CUSTODY_STATUS_PASSPHRASE": SECRETS[5],
}


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("CUSTODY_ENV_FILE", "CUSTODY_NETWORK", "CUSTODY_API_PORT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in GIVEN.items():
        monkeypatch.setenv(name, value)


def shown(capsys: pytest.CaptureFixture[str], *before: str) -> dict[str, dict[str, Any]]:
    capsys.readouterr()
    assert run(app, [*before, "config", "show", "--format", "json"]) == DONE
    return {row["setting"]: row for row in json.loads(capsys.readouterr().out)}


def test_says_where_each_value_comes_from(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Named on the command line, in the environment, in a file, or nowhere: the first of these is in force."""
    (tmp_path / "house").write_text("CUSTODY_API_PORT=9001\nCUSTODY_SCAN_SECONDS=7\n")
    monkeypatch.setenv("CUSTODY_ENV_FILE", "house")
    monkeypatch.setenv("CUSTODY_SCAN_SECONDS", "9")
    found = shown(capsys)
    assert {name: (found[name]["value"], found[name]["from"]) for name in STANDS} == STANDS
    # What a file gave stays in the environment of this process; another one that is named goes before it.
    (tmp_path / "other").write_text("CUSTODY_SCAN_SECONDS=11\n")
    row = shown(capsys, "--env", "other")["CUSTODY_SCAN_SECONDS"]
    assert (row["value"], row["from"]) == ("11", "--env other")
    for name in ("CUSTODY_API_PORT", "CUSTODY_SCAN_SECONDS"):
        monkeypatch.delenv(name, raising=False)
    secret = tmp_path / "seal"
    secret.write_text(SECRETS[1])
    monkeypatch.delenv("CUSTODY_SEAL_KEY")
    monkeypatch.setenv("CUSTODY_SEAL_KEY_FILE", str(secret))
    row = shown(capsys)["CUSTODY_SEAL_KEY"]
    assert (row["value"], row["from"]) == (None, "the file in CUSTODY_SEAL_KEY_FILE")


STANDS = {
    "CUSTODY_API_PORT": ("9001", "house"),
    "CUSTODY_SCAN_SECONDS": ("9", "environment"),
    "CUSTODY_STOCK_TARGET": ("50", "default"),
    "CUSTODY_WEBHOOK_INSIDE": (None, "not set"),
    "CUSTODY_DATABASE_URL": ("postgresql+psycopg://********@127.0.0.1:5432/custody", "environment"),
    "CUSTODY_ANVIL_RPC_URL": ("https://node.example.com/********", "environment"),
    "CUSTODY_ANVIL_DOORBELL_URL": ("https://node.example.com/********", "default"),
    "CUSTODY_MAIL_FROM": ("house@example.com", "environment"),
}


@pytest.mark.parametrize("chosen", list(Format))
@pytest.mark.parametrize(
    "wrong", [{}, {"CUSTODY_STOCK_TARGET": "-1"}, {"CUSTODY_DATABASE_URL": "postgresql+psycopg://u:a/hunter2@h:1/d"}]
)
def test_shows_no_secret_in_any_format(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, chosen: Format, wrong: dict[str, str]
) -> None:
    """Also where a setting is of no use, which is said below."""
    for name, value in wrong.items():
        monkeypatch.setenv(name, value)
    assert run(app, ["config", "show", "--format", chosen.value, "--wide"]) == (INVALID if wrong else DONE)
    said = capsys.readouterr()
    assert "CUSTODY_SEAL_KEY" in said.out
    assert [secret for secret in SECRETS if secret in said.out + said.err] == []
