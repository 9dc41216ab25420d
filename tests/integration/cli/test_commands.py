"""Reading commands, and the ones that write to the database."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from tests.cosigner.builders import cosigner_key
from tests.integration.cli.conftest import Command
from tests.integration.reconciliation.stage import Stage
from tests.support.servers import FreshDatabase


def test_prints_the_invariants_and_says_which_only_tests_show(command: Command, stage: Stage) -> None:
    stage.open("acme")
    stage.fund("acme")
    answer = command("invariants", "check")
    assert answer.code == 0, answer.out
    assert "only tests show I9, I12, I14, I17" in answer.out
    told: Any = command("invariants", "check", "--format", "json").json
    assert set(told["checked"].values()) == {True}
    assert len(told["checked"]) == 15


def test_exits_with_one_when_an_invariant_does_not_hold(
    command: Command, stage: Stage, database: FreshDatabase
) -> None:
    stage.open("acme")
    stage.fund("acme")
    tamper(database, "UPDATE ledger_accounts SET balance = balance + 1 WHERE kind = 'available'")
    answer = command("invariants", "check")
    assert answer.code == 1
    assert "no" in answer.out


def test_dumps_the_same_bytes_for_the_same_state(command: Command, stage: Stage) -> None:
    stage.open("acme")
    stage.fund("acme")
    first = stage.dump()
    assert first == stage.dump()
    assert json.loads(command("state", "dump").out) == json.loads(first)
    stage.request("acme", 1_000_000)
    assert first != stage.dump()


def test_reconciles_and_exits_with_two_on_a_break(command: Command, stage: Stage) -> None:
    stage.open("acme")
    stage.fund("acme")
    answer = command("reconcile")
    assert (answer.code, answer.out.splitlines()[-1].split()[0]) == (0, "balanced")
    assert command("reconcile", "--ranged").code == 0
    stage.steal("acme")
    stage.mine()
    answer = command("reconcile", "--format", "json")
    told: Any = answer.json
    assert (answer.code, told["balanced"]) == (2, False)
    assert {found["vault"] for found in told["breaks"]} == {stage.vault("acme")}


def test_shows_who_there_is_and_what_they_have(command: Command, stage: Stage) -> None:
    stage.open("acme")
    stage.fund("acme", 5_000_000)
    assert "segregated" in command("client", "list").out
    assert re.search(r"BTC +0\.05000000 ", command("client", "show", "acme").out)
    rows: Any = command("address", "list", "--client", "acme", "--format", "json").json
    assert rows[0]["address"].startswith("bcrt1q")
    (deposit,) = list(command("deposit", "list", "--format", "json").json)  # type: ignore[call-overload]
    assert (deposit["amount"]["base_units"], deposit["status"]) == ("5000000", "credited")
    paid = stage.request("acme", 1_000_000)
    assert paid.id in command("withdrawal", "list").out
    shown: Any = command("withdrawal", "show", paid.id, "--format", "json").json
    assert shown["steps"][-1]["to"] == "approved"
    assert command("table").code == 0
    assert command("stuck").code == 0
    assert command("strays", "--format", "json").json == []
    assert command("audit", "verify").code == 0
    assert "demo" in command("trust", "show").out
    assert stage.vault("acme") in command("vault", "list").out


def test_exports_what_it_verifies(command: Command, stage: Stage, tmp_path: Path) -> None:
    stage.open("acme")
    stage.fund("acme")
    path = tmp_path / "vaults.json"
    assert command("vault", "export", "--out", str(path)).code == 0
    (found,) = json.loads(path.read_text())
    assert (found["clients"], found["highest_receive"], found["highest_change"]) == (["Acme"], 0, None)
    assert command("vault", "verify", str(path)).code == 0

    vault, other = stage.vault("acme"), tmp_path / "acme.txt"
    descriptor = command("vault", "export", vault).out
    assert descriptor.splitlines() == [found["descriptor"], found["receive"], found["change"]]
    assert command("vault", "export", vault, "--format", "coldcard", "--out", str(other)).code == 0
    keyset, _, branch = vault.partition("/")
    assert other.read_text().startswith(f"Name: {keyset}-{branch}\nPolicy: 2 of 3\n")
    told = command("vault", "export", vault, "--format", "specter", "--label", "cold", "--since", "5")
    assert {"label": "cold", "blockheight": 5}.items() <= json.loads(told.out).items()
    assert command("vault", "export", vault, "--format", "electrum").code == 2
    assert command("vault", "export", "kst_none/1").code == 3


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("client", "show", "nobody"), 3, "error: client: no such client"),
        (("address", "list", "--client", "nobody"), 3, "error: client: no such client"),
        (("withdrawal", "show", "nonsense"), 2, "error: withdrawal: not an id of this kind"),
        (("withdrawal", "show", "wdr_" + "0" * 26), 3, "error: withdrawal: no such withdrawal"),
        (("trust", "install", "--root", "nowhere", "--policy", "p", "--consents", "c"), 2, "error: nowhere: No such"),
    ],
)
def test_answers_bad_input_in_one_line_and_writes_nothing(
    command: Command, stage: Stage, arguments: tuple[str, ...], code: int, said: str
) -> None:
    before = stage.dump()
    answer = command(*arguments)
    assert (answer.code, answer.out) == (code, "")
    (line,) = answer.err.splitlines()
    assert line.startswith(said)
    assert stage.dump() == before


def test_installs_the_ceremony_once_and_refuses_an_unsigned_one(command: Command, stage: Stage, tmp_path: Path) -> None:
    from custody.evidence.keysets import keyset_consent_message

    world = stage.world
    root, policy, consents = tmp_path / "root.json", tmp_path / "demo.yaml", tmp_path / "consents.json"
    policy.write_text(world.policy)
    message = keyset_consent_message(world.keyset)
    consents.write_text(
        json.dumps([{"key": name, "signature": cosigner_key(name).sign_statement(message)} for name in world.cosigners])
    )
    arguments = ("trust", "install", "--root", str(root), "--policy", str(policy), "--consents", str(consents))
    root.write_text(json.dumps(world.signed_root.to_json()))
    before = stage.dump()
    assert command(*arguments).code == 0
    assert stage.dump() == before
    root.write_text(json.dumps(world.signed_root.to_json() | {"signatures": []}))
    answer = command(*arguments)
    assert (answer.code, answer.out) == (1, "")
    assert stage.dump() == before


def test_says_what_is_missing_where_there_is_no_schema(
    command: Command, monkeypatch: pytest.MonkeyPatch, database: FreshDatabase
) -> None:
    tamper(database, "ALTER TABLE clients RENAME TO gone")
    answer = command("client", "list")
    assert (answer.code, answer.err) == (5, "error: the database has no schema of ours; run custody db upgrade\n")


def test_upgrades_the_schema_as_its_owner(
    command: Command, monkeypatch: pytest.MonkeyPatch, database: FreshDatabase
) -> None:
    assert command("db", "upgrade").code == 2
    monkeypatch.setenv("CUSTODY_OWNER_URL", database.owner_url)
    assert command("db", "upgrade").code == 0


def tamper(database: FreshDatabase, statement: str) -> None:
    """As somebody with the superuser's password would, past every trigger."""
    engine = create_engine(database.superuser_url)
    with engine.begin() as connection:
        connection.execute(text("SET session_replication_role = replica"))
        connection.execute(text(statement))
    engine.dispose()


def test_replays_what_was_asked_for_under_a_document(command: Command, stage: Stage) -> None:
    stage.open("acme")
    demo = str(Path(__file__).parents[3] / "policies/documents/demo.yaml")
    answer = command("policy", "simulate", demo, "--since", "2026-01-01", "--format", "json")
    assert answer.code == 0, answer.err
    told: Any = answer.json
    assert told["requests"] == sum(told["changes"].values())
    assert answer.err == "", "so few are no long work"
    shown = command("policy", "simulate", demo, "--since", "2026-01-01", "--until", "2026-01-02")
    assert shown.out.startswith("0 requests\n")
    assert command("policy", "simulate", demo, "--since", "soon").err.startswith("error: since: not a UTC time")


def test_lists_what_assets_are_worth_and_by_whom(command: Command, stage: Stage) -> None:
    stage.open("acme")
    (found,) = command("price", "list", "--format", "json").json  # type: ignore[misc]
    assert (found["asset"], found["state"], found["usd_micros"], found["sources"]) == ("BTC", "missing", None, [])
    assert command("price", "list").out.splitlines()[0].split()[:4] == ["ASSET", "CHAIN", "STATE", "USD_MICROS"]
