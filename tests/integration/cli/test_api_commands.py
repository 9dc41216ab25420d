"""Commands that speak to the API with keys of their own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from custody.withdrawals.states import State
from tests.cosigner.builders import person_key
from tests.integration.api.signing import call_key, row
from tests.integration.cli.conftest import Command
from tests.integration.reconciliation.stage import Stage

pytestmark = pytest.mark.usefixtures("api")


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, str]:
    found = {}
    for name in ("exchange", "alice", "bob", "carol"):
        path = tmp_path / f"{name}.pem"
        path.write_bytes(person_key(name).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        found[name] = str(path)
    return found


def ask(
    command: Command, stage: Stage, keys: dict[str, str], tokens: dict[str, str], amount: str, *more: str
) -> dict[str, Any]:
    to = stage.node.wallet("elsewhere").new_address()
    answer = command(
        *("withdrawal", "create", "--token-file", tokens["exchange"], "--key", keys["exchange"]),
        *("--client", "acme", "--amount", amount, "--to", to, "--max-fee", "0.0002", "--purpose", "order 17"),
        *("--format", "json", "--yes", *more),
    )
    assert answer.code == 0, answer.err
    found: dict[str, Any] = json.loads(answer.out)
    return found


def without_audit(stage: Stage) -> dict[str, Any]:
    """Everything there is, but for the log in which a refused verdict leaves its reason."""
    return {name: part for name, part in json.loads(stage.dump()).items() if name != "audit"}


def as_person(name: str, keys: dict[str, str], tokens: dict[str, str]) -> tuple[str, ...]:
    return ("--key", keys[name], "--as", name, "--token-file", tokens[name])


def test_asks_approves_and_sees_it_approved(
    command: Command, stage: Stage, keys: dict[str, str], tokens: dict[str, str]
) -> None:
    stage.open("acme")
    stage.fund("acme")
    asked = ask(command, stage, keys, tokens, "0.1", "--reference", "invoice 17/b")
    assert asked["status"] == "pending_approval"
    for called, ids in (("invoice 17/b", [asked["id"]]), ("invoice 17", [])):
        listed = json.loads(command("withdrawal", "list", "--reference", called, "--format", "json").out)
        assert [each["id"] for each in listed] == ids
    first = command(
        "approve", asked["id"], "--key", keys["alice"], "--as", "alice", "--token-file", tokens["alice"], "--yes"
    )
    assert (first.code, "missing 1 of operators" in first.out) == (0, True)
    assert "Pay 0.10000000 BTC to " in first.err
    digest = asked["intent_digest"]
    second = command("approve", digest, *as_person("bob", keys, tokens), "--yes")
    assert (second.code, second.out) == (0, f"{digest}: approved\n")


def test_rejects_with_a_verdict_of_ones_own(
    command: Command, stage: Stage, keys: dict[str, str], tokens: dict[str, str]
) -> None:
    stage.open("acme")
    stage.fund("acme")
    asked = ask(command, stage, keys, tokens, "0.1")
    answer = command(
        "reject", asked["id"], "--key", keys["carol"], "--as", "carol", "--token-file", tokens["carol"], "--yes"
    )
    assert (answer.code, answer.out) == (0, f"{asked['intent_digest']}: rejected\n")


def test_refuses_a_verdict_signed_with_another_persons_key(
    command: Command, stage: Stage, keys: dict[str, str], tokens: dict[str, str]
) -> None:
    stage.open("acme")
    stage.fund("acme")
    asked = ask(command, stage, keys, tokens, "0.1")
    before = without_audit(stage)
    answer = command(
        "approve", asked["id"], "--key", keys["bob"], "--as", "alice", "--token-file", tokens["alice"], "--yes"
    )
    assert answer.code == 1
    assert answer.err.splitlines()[-1].startswith("error: approval.signature")
    assert without_audit(stage) == before


def test_a_verdict_is_written_on_one_machine_and_handed_in_on_another(
    command: Command, stage: Stage, keys: dict[str, str], tokens: dict[str, str], tmp_path: Path
) -> None:
    stage.open("acme")
    stage.fund("acme")
    asked = ask(command, stage, keys, tokens, "0.1")
    digest = asked["intent_digest"]
    (waits,) = json.loads(command("queue", "--token-file", tokens["alice"], "--format", "json").out)
    intent, verdict = tmp_path / "intent.json", tmp_path / "alice.verdict"
    intent.write_text(json.dumps(waits))
    mine = ("--key", keys["alice"], "--as", "alice", "--yes")
    said = command("approve", str(intent), *mine, "--out", str(verdict))
    assert (said.code, said.out) == (0, f"{digest}: approve written to {verdict}\n")
    assert "Pay 0.10000000 BTC to " in said.err
    assert command("approve", str(intent), *mine, "--out", str(verdict)).code == 2
    handed = command("verdict", "hand-in", str(verdict), "--token-file", tokens["bob"])
    assert (handed.code, handed.out) == (0, f"{digest}: pending, missing 1 of operators\n")

    altered = json.loads(intent.read_text())
    altered["document"]["request"]["amount"] = "1"
    intent.write_text(json.dumps(altered))
    refused = command("approve", str(intent), *mine, "--out", str(tmp_path / "other"))
    assert (refused.code, refused.err) == (
        1,
        "error: file.digest: the document in it is another one than its digest names\n",
    )
    neither = command("approve", digest, *mine)
    assert neither.err == "error: token-file: missing, and there is no such file to read instead\n"


def test_the_queue_names_who_is_missing(
    command: Command, stage: Stage, keys: dict[str, str], tokens: dict[str, str]
) -> None:
    stage.open("acme")
    stage.fund("acme")
    asked = ask(command, stage, keys, tokens, "0.1")
    command("approve", asked["id"], *as_person("alice", keys, tokens), "--yes")
    head, row = command("queue", "--token-file", tokens["bob"]).out.splitlines()
    assert head.split() == ["CODE", "STATE", "MISSING", "DELAY_LEFT_S", "WHAT"]
    assert row.startswith(asked["digest_code"])
    assert "operators=1" in row
    assert "Pay 0.10000000" in row
    assert max(len(head), len(row)) <= 80
    wide = command("queue", "--token-file", tokens["bob"], "--wide").out.splitlines()[1]
    assert "Pay 0.10000000 BTC to " in wide
    assert "operators: bob, carol" in wide


def test_asks_before_it_signs_where_there_is_a_terminal_and_nowhere_else(
    command: Command, stage: Stage, keys: dict[str, str], tokens: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.open("acme")
    stage.fund("acme")
    asked = ask(command, stage, keys, tokens, "0.1")
    before = stage.dump()
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    answer = command("approve", asked["id"], "--key", keys["alice"], "--as", "alice", "--token-file", tokens["alice"])
    assert (answer.code, answer.err.splitlines()[-1]) == (2, "error: yes: there is no terminal to ask at; say --yes")
    assert stage.dump() == before


def test_cancels_what_nobody_can_have_signed(
    command: Command, stage: Stage, keys: dict[str, str], tokens: dict[str, str]
) -> None:
    stage.open("acme")
    stage.fund("acme")
    asked = ask(command, stage, keys, tokens, "0.1")
    assert command("withdrawal", "cancel", asked["id"], "--token-file", tokens["exchange"], "--yes").code == 0
    assert stage.get(asked["id"]).state is State.CANCELLED
    answer = command("withdrawal", "bump", asked["id"], "--fee-rate", "9", "--token-file", tokens["alice"], "--yes")
    assert (answer.code, answer.err.splitlines(keepends=True)[-1]) == (
        1,
        "error: withdrawal.state: the withdrawal is cancelled\n",
    )


def test_says_who_refused_and_what_is_not_there(
    command: Command, keys: dict[str, str], tokens: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = "wdr_" + "0" * 26
    answer = command("withdrawal", "cancel", missing, "--token-file", tokens["exchange"], "--yes")
    assert (answer.code, answer.err.splitlines(keepends=True)[-1]) == (3, "error: withdrawal: no such withdrawal\n")
    Path(tokens["bob"]).write_text("wrong")
    answer = command("withdrawal", "cancel", missing, "--token-file", tokens["bob"], "--yes")
    assert (answer.code, "wrong" in answer.err) == (4, False)
    monkeypatch.setenv("CUSTODY_API_PORT", "1")
    answer = command("withdrawal", "cancel", missing, "--token-file", tokens["exchange"], "--yes")
    assert (answer.code, answer.err.splitlines(keepends=True)[-1]) == (
        5,
        "error: api: does not answer, or answers no sense\n",
    )


def test_signs_its_calls_where_the_file_holds_a_call_key(
    command: Command, stage: Stage, keys: dict[str, str], tokens: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """So a requester works beside a mainnet, where no token of one is taken."""
    callers = Path(tokens["exchange"]).parent / "callers.json"
    given = json.loads(callers.read_text())
    given["callers"].append(row("till"))
    callers.write_text(json.dumps(given))
    pem = call_key("till").key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    Path(tokens["exchange"]).write_bytes(pem)
    stage.open("acme")
    stage.fund("acme")
    unnamed = command("intent", "list", "--token-file", tokens["exchange"])
    assert (unnamed.code, "token-file: holds a key" in unnamed.err) == (2, True)
    monkeypatch.setenv("CUSTODY_API_KEY", "till-call")
    asked = ask(command, stage, keys, tokens, "0.1")
    assert command("withdrawal", "cancel", asked["id"], "--token-file", tokens["exchange"], "--yes").code == 0
    monkeypatch.setenv("CUSTODY_API_KEY", "nobodys-call")
    refused = command("intent", "list", "--token-file", tokens["exchange"])
    assert (refused.code, "keyid" in refused.err) == (4, True)


def test_asks_before_it_pays_or_cancels(
    command: Command, stage: Stage, keys: dict[str, str], tokens: dict[str, str]
) -> None:
    stage.open("acme")
    stage.fund("acme")
    asked = ask(command, stage, keys, tokens, "0.1")
    before = stage.dump()
    to = stage.node.wallet("elsewhere").new_address()
    unsaid = command(
        *("withdrawal", "create", "--token-file", tokens["exchange"], "--key", keys["exchange"]),
        *("--client", "acme", "--amount", "0.1", "--to", to, "--max-fee", "0.0002", "--purpose", "order 18"),
    )
    for answer in (unsaid, command("withdrawal", "cancel", asked["id"], "--token-file", tokens["exchange"])):
        assert (answer.code, answer.err.splitlines()[-1]) == (
            2,
            "error: yes: there is no terminal to ask at; say --yes",
        )
    assert stage.dump() == before
