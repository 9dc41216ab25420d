"""How commands behave for scripts and people: one house, every read in every format, tables of 80, no word too many."""

from __future__ import annotations

import csv
import io
import json
import os
import shlex
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from custody.cli.exits import MEANINGS, program
from custody.cli.main import app
from tests.integration.cli.conftest import Command
from tests.integration.reconciliation.stage import Stage
from tests.support.status import state_status
from tests.unit.cli.test_command_line import named_commands

READS = (
    "account show available acme BTC",
    "address list --client acme",
    "address show 1",
    "audit list --limit 5",
    "assets list",
    "balance list --client acme",
    "break list --all",
    "client list",
    "client show acme",
    "deposit list",
    "deposit show {deposit}",
    "destination held",
    "destination list --client acme",
    "entry list",
    "entry show 1",
    "event list",
    "exit-codes",
    "freeze list --all",
    "freezes",
    "health",
    "invariants check",
    "listing list",
    "notice list",
    "notice list --sent",
    "payer list",
    "people groups",
    "people list",
    "pledge list",
    "policy show",
    "price list",
    "queue --as alice",
    "reconciliation coverage",
    "reconciliation list",
    "reconciliation show",
    "strays",
    "strays returned",
    "stuck",
    "table",
    "trust log",
    "trust show",
    "vault keysets",
    "vault list",
    "vault show {vault}",
    "whoami",
    "withdrawal list",
    "withdrawal show {withdrawal}",
    "audit verify",
    "config show",
    "doctor",
)
WITH_FIELDS = frozenset(READS[::4])
"""Reads that are asked for fields: what gives them is one thing for all."""
OF_THE_MOMENT = ("doctor", "health", "whoami", "queue --as alice", "stuck", "reconciliation show")
"""What tells ages and clocks is another a moment later."""


def test_every_read_prints_every_format(command: Command, stage: Stage) -> None:
    stage.open("acme")
    stage.fund("acme")
    paid = stage.request("acme", 10_000_000)
    (deposit,) = json.loads(command("deposit", "list", "--format", "json").out)
    command("reconcile")
    state_status(stage.db)
    named = {"withdrawal": paid.id, "deposit": deposit["id"], "vault": stage.vault("acme")}
    codes = {}
    for words in (line.format(**named).split() for line in READS):
        plain = command(*words)
        codes[" ".join(words)] = plain.code
        name = " ".join(words)
        assert [line for line in plain.out.splitlines() if is_too_long(line)] == [], name
        told = command(*words, "--format", "json")
        assert (told.code, bool(told.out)) == (plain.code, True), (name, told.err)
        found = json.loads(told.out)
        rows = found if isinstance(found, list) else [found]
        lines = [json.loads(line) for line in command(*words, "--format", "jsonl").out.splitlines()]
        if name not in OF_THE_MOMENT:
            assert lines == rows, name
        table = list(csv.reader(io.StringIO(command(*words, "--format", "csv").out)))
        assert len(table) == len(rows) + 1, name
        if rows and name in WITH_FIELDS:
            some = next(iter(rows[0]))
            only = json.loads(command(*words, "--format", "json", "--fields", some).out)
            assert (only if isinstance(only, list) else [only])[0].keys() == {some}
            wrong = command(*words, "--fields", "nonsense")
            assert wrong.err.splitlines()[-1].startswith("error: fields: no field nonsense; accepted are "), name
            assert wrong.code == 2
        assert "\x1b" not in plain.out + plain.err
    assert {name: code for name, code in codes.items() if code} == {"doctor": 1}


def is_too_long(line: str) -> bool:
    """More than 80 columns, and not for the sake of one address, hash, descriptor or path, which nothing cuts."""
    return len(line) > 80 and max(map(len, line.split())) <= 40


def test_follows_a_withdrawal_to_its_end(command: Command, stage: Stage, api: str, tokens: dict[str, str]) -> None:
    stage.open("acme")
    stage.fund("acme")
    paid = stage.request("acme", 10_000_000)
    waiting = command("withdrawal", "watch", paid.id, "--wait", "1")
    assert (waiting.code, waiting.err.startswith(f"{paid.id} is pending_approval")) == (8, True)
    told: Any = command("balance", "list", "--client", "acme", "--format", "json").json
    assert [hold["withdrawal"] for hold in told[0]["holds"]] == [paid.id]
    command("withdrawal", "cancel", paid.id, "--token-file", tokens["exchange"], "--yes")
    ended = command("withdrawal", "watch", paid.id, "--format", "json")
    assert ended.code == 1
    assert [json.loads(line)["to"] for line in ended.out.splitlines()] == ["pending_approval", "cancelled"]
    assert command("withdrawal", "watch", "wdr_" + "0" * 26).code == 3


def test_a_dry_run_of_a_withdrawal_is_what_the_policy_says(
    command: Command, stage: Stage, api: str, tokens: dict[str, str], tmp_path: Path
) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    from tests.cosigner.builders import address, person_key

    stage.open("acme")
    stage.fund("acme")
    key = tmp_path / "exchange.pem"
    key.write_bytes(person_key("exchange").private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    before = stage.dump()
    answer = command(
        *("withdrawal", "create", "--client", "acme", "--amount", "0.1", "--to", address("x"), "--max-fee", "0.0001"),
        *("--purpose", "order 17", "--key", str(key), "--token-file", tokens["exchange"], "--dry-run"),
        *("--format", "json"),
    )
    assert answer.code == 0, answer.err
    assert "operators" in answer.out
    assert stage.dump() == before


def test_objects_are_those_of_the_api(command: Command, stage: Stage, api: str, tokens: dict[str, str]) -> None:
    from custody.cli.service import Service

    stage.open("acme")
    stage.fund("acme")
    paid = stage.request("acme", 10_000_000)
    service = Service(api, tokens["alice"])
    assert command("withdrawal", "show", paid.id, "--format", "json").json == service.get("withdrawals", paid.id)
    assert command("client", "list", "--format", "json").json == service.get("clients")["clients"]
    whole = service.get("clients", "acme")
    shown: Any = command("client", "show", "acme", "--format", "json").json
    assert shown == {name: whole[name] for name in shown}
    addresses: Any = command("address", "list", "--client", "acme", "--format", "json").json
    assert addresses == whole["addresses"]
    (deposit,) = service.get("deposits")["deposits"]
    assert command("deposit", "show", deposit["id"], "--format", "json").json == deposit
    assert command("deposit", "list", "--status", "credited", "--format", "json").json == [deposit]
    assert command("deposit", "list", "--status", "seen", "--format", "json").json == []
    assert command("deposit", "list", "--status", "lost").err.startswith("error: status: ")
    assert command("freezes", "--format", "json").json == service.get("freezes")["freezes"]
    shown = command("address", "show", addresses[0]["address"], "--format", "json").json
    assert (shown["derived"], shown["client"], shown["uses"]) == ("equal", "acme", 1)
    assert command("address", "show", "bcrt1qnobody").code == 3


def test_books_and_log_are_read_a_page_at_a_time(command: Command, stage: Stage, tmp_path: Path) -> None:
    """A running balance that adds up, pages that meet, and an export whose chain anybody can walk."""
    stage.open("acme")
    stage.fund("acme", 5_000_000)
    stage.request("acme", 1_000_000)
    read: Any = command("account", "show", "available", "acme", "BTC", "--format", "json").json
    assert int(read[-1]["own"]["after"]["base_units"]) == 5_000_000
    assert int(read[0]["own"]["after"]["base_units"]) <= 4_000_000, "the amount is held, and the fee"
    for row in read:
        own = {part: int(row["own"][part]["base_units"]) for part in ("before", "change", "after")}
        assert own["before"] + own["change"] == own["after"]
    assert command("account", "show", "available", "acme", "DOGE").err.startswith("error: asset: not the code of")
    assert command("account", "show", "pocket", "acme", "BTC").err.startswith("error: account: accepted is KIND")
    every: Any = command("entry", "list", "--format", "json").json
    first = command("entry", "list", "--limit", "1", "--format", "json")
    rest = command("entry", "list", "--after", first.err.split()[-1], "--format", "json")
    assert json.loads(first.out) + json.loads(rest.out) == every
    log: Any = command("audit", "list", "--format", "json").json
    out = tmp_path / "audit.jsonl"
    told = command("audit", "export", "--out", str(out))
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert told.err.strip() == f"{len(lines)} events written to {out}"
    assert list(reversed(lines))[: len(log)] == log
    assert all(late["previous_hash"] == early["hash"] for early, late in pairwise(lines))
    assert command("audit", "export", "--out", str(out)).code == 2, "a file that is there is kept"
    wanted = {"--actor": log[0]["actor"], "--event": log[0]["event"]}
    refused = command("audit", "list", *(word for pair in wanted.items() for word in pair))
    assert refused.err.startswith("error: event: ")
    about: Any = command("audit", "list", "--event", log[0]["event"], "--format", "json").json
    assert about == [row for row in log if row["event"] == log[0]["event"]]


def test_a_break_is_told_side_by_side(command: Command, stage: Stage) -> None:
    stage.open("acme")
    stage.fund("acme")
    stage.steal("acme")
    stage.mine()
    compared = command("reconcile")
    assert compared.code == 2
    breaks: Any = command("break", "list", "--format", "json").json
    found = breaks[0]
    shown: Any = command("break", "show", found["id"], "--format", "json").json
    assert (shown["vault"], shown["check"]) == (stage.vault("acme"), found["check"])
    assert {stop["subject"] for stop in shown["stops"]} == {stage.vault("acme")}
    words = command("break", "show", found["id"]).out
    assert all(side in words for side in ("chain", "index", "books", "stopped since"))
    vault: Any = command("vault", "show", stage.vault("acme"), "--format", "json").json
    assert (vault["frozen_cause"], len(vault["keyset"]["cosigners"])) == ("break", 3)
    runs: Any = command("reconciliation", "list", "--format", "json").json
    assert runs[0]["result"] == "break"
    assert " 0.00%" in command("reconciliation", "list").out
    health: Any = command("health", "--format", "json")
    assert (health.code, {row["name"]: row["state"] for row in health.json}["reconciliation"]) == (1, "down")


def test_says_where_it_stands_and_what_is_wrong(
    command: Command, stage: Stage, monkeypatch: pytest.MonkeyPatch, database: Any
) -> None:
    stage.open("acme")
    found = {row["check"]: row for row in json.loads(command("doctor", "--format", "json").out)}
    well = ("settings", "database", "role", "schema", "clock", "trust root")
    assert {name: found.get(name) for name in well if found.get(name, {}).get("level") != "ok"} == {}
    assert found["broker"]["level"] == "fail"
    assert "nothing is lost" in found["broker"]["fix"]
    assert all(row["fix"] for row in found.values() if row["level"] != "ok")
    monkeypatch.setenv("CUSTODY_DATABASE_URL", database.owner_url)
    found = {row["check"]: row for row in json.loads(command("doctor", "--format", "json").out)}
    assert "role" in found, found["database"]
    assert (found["role"]["level"], "owns tables" in found["role"]["found"]) == ("fail", True)
    shown = command("config", "show").out
    assert os.environ["CUSTODY_SEAL_KEY"] not in shown
    assert "********@" in shown
    assert {row["setting"] for row in json.loads(command("config", "show", "--format", "json").out)} >= {
        "CUSTODY_NETWORK",
        "CUSTODY_API_PORT",
    }
    assert "regtest · demo" in command("whoami").out


def test_a_rehearsal_sends_nothing(
    command: Command, stage: Stage, api: str, tokens: dict[str, str], tmp_path: Path
) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    from tests.cosigner.builders import person_key

    stage.open("acme")
    key = tmp_path / "alice.pem"
    key.write_bytes(person_key("alice").private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    before = stage.dump()
    answer = command(
        *("freeze", "client", "acme", "--as", "alice", "--key", str(key), "--token-file", tokens["alice"]),
        *("--purpose", "drill", "--yes", "--dry-run"),
    )
    assert answer.code == 0, answer.err
    assert answer.err.startswith("regtest · 127.0.0.1:")
    told = json.loads(answer.out)
    assert told["would_send"] == "POST /v1/intents"
    assert "signature" not in answer.out
    assert stage.dump() == before


def test_every_example_in_help_is_a_command_line_that_parses() -> None:
    """Each line of help that begins with the program's name is read as it would be, and nothing is run."""
    tree, tried = program(app), 0
    for name, command in named_commands(app, "custody"):
        for example in examples(command.help or ""):
            words = shlex.split(example)[1:]
            parse(tree, words)
            tried += 1
        assert examples(command.help or ""), name
    assert tried >= 60


def examples(help_text: str) -> list[str]:
    """Command lines in a help text, with what is carried over to the next line."""
    found: list[str] = []
    is_open = False
    for line in help_text.splitlines():
        text = line.strip()
        start = text.find("custody ")
        if start == 0 or (start > 0 and text[:start].rstrip().split(" ")[-1].partition("=")[0].isupper()):
            found.append(text[start:])
            is_open = True
        elif text and is_open:
            found[-1] += f" {text}"
        else:
            is_open = False
    return [example.split(" > ")[0] for example in found]


def parse(command: Any, words: list[str]) -> None:
    """As it would be read; raises what that raises, also for what is missing."""
    while getattr(command, "commands", None) is not None and words and words[0] in command.commands:
        command, words = command.commands[words[0]], words[1:]
    assert command.make_context(command.name, list(words)) is not None


def test_exit_codes_are_the_ones_of_the_documents() -> None:
    text = (Path(__file__).parents[3] / "docs/operate/command-line.md").read_text()
    assert all(f"| {code} | {meaning} |" in text for code, meaning in MEANINGS.items())
