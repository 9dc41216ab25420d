"""Every runbook an alert names is short, and its commands are run as they stand, on a house that has the trouble."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import httpx2
import psycopg
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from sqlalchemy import text

from custody.approvals import queries as intents
from custody.cosigner.main import main as cosigner
from custody.evidence.words import digest_code
from custody.restore.queries import current
from custody.statuskeeper.main import main as keeper
from ops.alerts import ALERTS
from tests.architecture.pages import REPOSITORY
from tests.cosigner.builders import PASSPHRASE, REGTEST, person_key
from tests.integration.cli.conftest import Command
from tests.integration.reconciliation.stage import Stage
from tests.integration.reconciliation.test_resolving import found
from tests.support.governing import carry_out
from tests.support.servers import FreshDatabase

RUNBOOKS = REPOSITORY / "docs" / "runbooks"
MOST_STEPS = 7
BLOCK = re.compile(r"^( *)```sh\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
EXERCISED = (
    "node-down",
    "stuck-withdrawal",
    "break-found",
    "reorg",
    "cosigner-lost",
    "restore",
    "daemon-down",
    "notices",
)
ENDING = ("payer", "rotation", "rules-changed", "freezing")
"""Whose commands are those that show how it ended."""


def steps(page: str) -> list[str]:
    """The numbered steps before the first further heading."""
    text = (RUNBOOKS / page).read_text().split("\n## ")[0]
    return re.findall(r"^(\d)\. ", text, re.MULTILINE)


def commands(page: str) -> list[str]:
    """What a reader pastes, in order."""
    return [
        line.strip() for _, block in BLOCK.findall((RUNBOOKS / f"{page}.md").read_text()) for line in block.splitlines()
    ]


class Reader:
    """Whoever was woken, pasting one command after the other."""

    def __init__(self, command: Command, api: str, names: dict[str, str]) -> None:
        self.command, self.api, self.names = command, api, names
        self.said: dict[str, tuple[int, str]] = {}

    def follow(self, page: str, between: Callable[[str], None] = lambda _line: None) -> dict[str, tuple[int, str]]:
        """Paste all of a page; the exit code and output of each. ``between`` hears of each before it is pasted."""
        for line in commands(page):
            between(line)
            self.said[line] = self._paste(line)
        return self.said

    def _paste(self, line: str) -> tuple[int, str]:
        for name, value in self.names.items():
            line = re.sub(rf"\b{name}\b", value, line)
        program, *words = shlex.split(line)
        if program == "curl":
            answer = httpx2.get(words[-1].replace("http://127.0.0.1:$CUSTODY_API_PORT", self.api), timeout=30)
            return answer.status_code, answer.text
        if program == "custody-cosigner":
            return cosigner(words), ""
        if program == "custody-status":
            return keeper(words), ""
        said = self.command(*words)
        return said.code, said.out + said.err


@pytest.fixture
def reader(
    command: Command,
    api: str,
    tmp_path: Path,
    tokens: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    database: FreshDatabase,
) -> Reader:
    for name in tokens:
        key = person_key(name).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (tmp_path / f"{name}.pem").write_bytes(key)
    monkeypatch.setenv("CUSTODY_OWNER_URL", database.owner_url)
    return Reader(command, api, {})


def test_a_runbook_has_few_steps_and_says_how_it_ends() -> None:
    pages = {alert.runbook for alert in ALERTS} & {f"{name}.md" for name in EXERCISED} | {"status-silent.md"}
    for page in sorted(pages):
        assert 0 < len(steps(page)) <= MOST_STEPS, page
        assert "**How you know it worked.**" in (RUNBOOKS / page).read_text(), page
        assert commands(page.removesuffix(".md")), page
    for name in ENDING:
        ended = (RUNBOOKS / f"{name}.md").read_text().rpartition("```sh\n")[2]
        assert "```\n\n**How you know it worked.**" in ended.replace("   ```", "```"), name


def test_a_node_that_is_down(stage: Stage, reader: Reader) -> None:
    stage.open("acme")
    stage.fund("acme")
    said = list(reader.follow("node-down").values())
    assert json.loads(said[0][1])["parts"]["regtest"] in ("ok", "late")
    assert said[-1][0] == 0


def test_a_withdrawal_that_waits_for_people(stage: Stage, reader: Reader) -> None:
    stage.open("acme")
    stage.fund("acme")
    asked = stage.request("acme", 10_000_000)
    reader.names["WITHDRAWAL"] = asked.id
    said = reader.follow("stuck-withdrawal")
    assert {code for code, _ in said.values()} <= {0}, said
    with stage.db.unit() as unit:
        assert [each.statement.approver for each in intents.given(unit.session, digest=asked.digest)] == ["bob"]


def test_a_break_is_explained(stage: Stage, reader: Reader) -> None:
    stage.open("acme")
    stage.fund("acme")
    found(stage, stage.vault("acme"))

    def between(line: str) -> None:
        with stage.db.unit() as unit:
            broken = unit.session.execute(text("SELECT id FROM breaks")).scalars().all()
            waiting = intents.waiting(unit.session)
        reader.names["BREAK"] = broken[0]
        if line.startswith("custody approve"):
            (reader.names["DIGEST"],) = (each.digest for each in waiting)

    said = reader.follow("break-found", between)
    failed = {line: answer for line, answer in said.items() if answer[0] and "reconcile" not in line}
    assert failed == {}


def test_a_reorganisation(stage: Stage, reader: Reader) -> None:
    stage.open("acme")
    stage.fund("acme")
    reader.names["CLIENT"] = "acme"
    said = reader.follow("reorg")
    assert {code for code, _ in said.values()} <= {0}, said


def test_a_database_that_was_restored(stage: Stage, reader: Reader) -> None:
    stage.open("acme")
    stage.fund("acme")
    said = reader.follow("restore")
    assert {code for code, _ in said.values()} <= {0}, said
    with stage.db.unit() as unit:
        assert current(unit.session) is not None


def test_a_cosigner_that_is_lost(reader: Reader, tmp_path: Path) -> None:
    home, passphrase = tmp_path / "home", tmp_path / "passphrase"
    passphrase.write_text(PASSPHRASE)
    made = ["init", "--name", "north", "--network", "regtest", "--backup-file", str(tmp_path / "words")]
    assert cosigner(["--home", str(home), *made, "--passphrase-file", str(passphrase), "--scrypt-log2n", "12"]) == 0
    reader.names["HOME"] = str(home)
    said = reader.follow("cosigner-lost")
    assert {code for code, _ in said.values()} <= {0}, said


def test_a_part_that_stands_still(stage: Stage, reader: Reader) -> None:
    stage.open("acme")
    stage.fund("acme")
    said = list(reader.follow("daemon-down").values())
    assert json.loads(said[0][1])["parts"]["broker"] == "down"
    assert [code for code, _ in said[1:]] == [0, 0]


def test_operators_that_are_not_told(stage: Stage, reader: Reader) -> None:
    stage.open("acme")
    stage.fund("acme")
    stage.request("acme", 10_000_000)
    said = reader.follow("notices")
    assert {code for code, _ in said.values()} <= {0}, said
    assert "bob@example.com" in reader.follow("notices")["custody notice list"][1]


def test_a_client_that_was_stopped_and_let_go(stage: Stage, reader: Reader) -> None:
    stage.open("acme")
    put = ("--purpose", "stolen laptop", "--as", "alice", "--key", "alice.pem", "--token-file", "alice.token", "--yes")
    assert reader.command("freeze", "client", "acme", *put).code == 0
    assert stops_told(reader) == ["people"]
    digest = str(json.loads(reader.command("unfreeze", "client", "acme", *put, "--format", "json").out)["digest"])
    assert digest_code(digest) in reader.follow("freezing")["custody queue"][1]
    stage.approve(digest, "bob", "carol")
    carry_out(stage.db, digest)
    assert stops_told(reader) == []
    assert digest_code(digest) not in reader.follow("freezing")["custody queue"][1]


def stops_told(reader: Reader) -> list[str]:
    """The causes that the page's own command lists."""
    return re.findall(r"\b(people|rules|break|reorg)\b", reader.follow("freezing")["custody freeze list"][1])


_TROUBLE = """
    SET session_replication_role = replica;
    INSERT INTO stops (scope, subject, cause, reason, digest, since) VALUES
      ('vault', %(vault)s, 'rules', 'an owner is another one', NULL, now());
    INSERT INTO payers (chain, account, vault_id, next_number, change_id, stopped_reason, stopped_at, registered_at)
      VALUES (%(chain)s, '0xpayer', 'hse', 0, 0, 'numbers that we did not give', now(), now())
"""
_MENDED = """
    SET session_replication_role = replica;
    DELETE FROM stops;
    DELETE FROM payers
"""


def test_a_payer_and_a_vault_that_go_on(stage: Stage, reader: Reader, database: FreshDatabase) -> None:
    stage.open("acme")
    stage.fund("acme")
    _as_superuser(database, _TROUBLE, vault=stage.vault("acme"), chain=REGTEST.chain)
    # The reason ends where the terminal does: how much of it is there depends on the vault's name.
    assert "an owner is" in reader.follow("rules-changed")["custody freeze list"][1]
    assert "numbers that we did not give" in reader.follow("payer")["custody payer list --wide"][1]
    _as_superuser(database, _MENDED)
    ended = {**reader.follow("rules-changed"), **reader.follow("payer")}
    assert {line: answer for line, answer in ended.items() if answer[0]} == {}
    assert not [words for _, words in ended.values() if "an owner is" in words or "did not give" in words]


def _as_superuser(database: FreshDatabase, statements: str, **values: str) -> None:
    with psycopg.connect(database.superuser_url.replace("+psycopg", ""), autocommit=True) as connection:
        for statement in statements.split(";"):
            connection.execute(statement, values if "%(" in statement else None)
