"""One line per mistake, the right exit code, no secret in an argument, help at once."""

from __future__ import annotations

import ast
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from custody.cli import environment
from custody.cli.exits import INTERRUPTED, INVALID, UNREACHABLE, run
from custody.cli.main import app
from custody.cli.showing import table
from tests.cosigner.builders import World

DEMO = Path(__file__).parents[3] / "policies/documents/demo.yaml"
HEAVY = {
    "sqlalchemy",
    "psycopg",
    "alembic",
    "fastapi",
    "pydantic",
    "celery",
    "bitcoin",
    "embit",
    "bdkpython",
    "cryptography",
    "coincurve",
    "rich",
    "httpx2",
    "web3",
    "yaml",
    "z3",
}


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("CUSTODY_DATABASE_URL", "CUSTODY_ENV_FILE", "CUSTODY_API_URL", "CUSTODY_NETWORK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def one_line(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = run(app, list(arguments))
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1, said
    return code, said[0]


@pytest.mark.parametrize("arguments", [["--help"], ["withdrawal", "--help"], ["withdrawal", "create", "--help"]])
def test_shows_help_without_importing_anything_heavy(arguments: list[str]) -> None:
    """What makes help slow is what is imported for it: no library of the list, and little of our own."""
    program = f"""
import sys
from custody.cli.exits import run
from custody.cli.main import app
assert run(app, {arguments!r}) == 0
print("MODULES", *sys.modules)"""
    loaded = python("-c", program).rpartition("MODULES ")[2].split()
    # Typer itself asks for pydantic where a group's help is shown.
    slow = HEAVY if arguments == ["--help"] else HEAVY - {"pydantic"}
    assert slow & {name.partition(".")[0] for name in loaded} == set()
    ours = {name.split(".")[1] for name in loaded if name.startswith("custody.")}
    assert ours <= {"cli", "kernel"}


def python(*arguments: str) -> str:
    program = [sys.executable, *arguments]
    return subprocess.run(program, capture_output=True, text=True, check=True, cwd=DEMO.parents[2]).stdout


def test_names_a_missing_option(capsys: pytest.CaptureFixture[str]) -> None:
    code, said = one_line(capsys, "address", "list")
    assert (code, said) == (INVALID, "error: client: missing")


@pytest.mark.parametrize("arguments", [["nonsense"], ["client", "nonsense"], ["reconcile", "--nonsense"]])
def test_says_in_one_line_what_it_does_not_know(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    code, said = one_line(capsys, *arguments)
    assert code == INVALID
    assert said.startswith("error: ")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CUSTODY_NETWORK", "moon"),
        ("CUSTODY_DATABASE_URL", "mysql://x"),
        ("CUSTODY_SEAL_KEY", "zz"),
        ("CUSTODY_STOCK_TARGET", "-1"),
        ("CUSTODY_BITCOIN_RPC_URL", "http://127.0.0.1:1"),
        ("CUSTODY_DATABASE_URL", "postgresql+psycopg://u@h:x/d"),
        ("CUSTODY_CHAINS_FILE", "/nonexistent"),
    ],
)
def test_names_the_setting_that_is_garbage(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    good = {
        "CUSTODY_NETWORK": "regtest",
        "CUSTODY_DATABASE_URL": "postgresql+psycopg://u:hunter2@127.0.0.1:1/d",
        "CUSTODY_BROKER_URL": "redis://127.0.0.1:1",
        "CUSTODY_BITCOIN_RPC_URL": "http://u:p@127.0.0.1:1",
        "CUSTODY_SEAL_KEY": "00" * 32,
    }
    for key, text in (good | {name: value}).items():
        monkeypatch.setenv(key, text)
    code, said = one_line(capsys, "client", "list")
    assert code == INVALID
    assert said.startswith(f"error: {name}: ")
    assert "hunter2" not in said


def test_says_that_the_database_does_not_answer(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for key, text in {
        "CUSTODY_NETWORK": "regtest",
        "CUSTODY_DATABASE_URL": "postgresql+psycopg://u:hunter2@127.0.0.1:1/d",
        "CUSTODY_BROKER_URL": "redis://127.0.0.1:1",
        "CUSTODY_BITCOIN_RPC_URL": "http://u:p@127.0.0.1:1",
        "CUSTODY_SEAL_KEY": "00" * 32,
    }.items():
        monkeypatch.setenv(key, text)
    assert one_line(capsys, "client", "list") == (UNREACHABLE, "error: Postgres does not answer")


def test_ctrl_c_is_said_in_one_line_too(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("custody.cli.meta.show", interrupted)
    assert one_line(capsys, "exit-codes") == (INTERRUPTED, "error: interrupted")


def test_refuses_a_descriptor_with_a_wrong_checksum(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    found = World().branch(7)
    export = {
        "vault": "kst_demo/7",
        "chain": World().keyset.chain,
        "clients": ["Acme"],
        "descriptor": found.text,
        "receive": found.receive_text,
        "change": found.change_text,
        "highest_receive": 3,
        "highest_change": None,
    }
    path = tmp_path / "vaults.json"
    path.write_text(json.dumps([export]))
    assert run(app, ["vault", "verify", str(path)]) == 0
    wrong = found.receive_text[:-1] + ("q" if found.receive_text[-1] != "q" else "p")
    path.write_text(json.dumps([export | {"receive": wrong}]))
    code, said = one_line(capsys, "vault", "verify", str(path))
    assert code == INVALID
    assert said.startswith("error: export.0.receive: ")


def test_refuses_a_private_key_in_a_descriptor_without_repeating_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    found = World().branch(7)
    private = (
        "tprv8ZgxMBicQKsPd7Uf69XL1XwhmjHopUGep8GuEiJDZmbQz6o58LninorQA"
        "fcKZWARbtRtfnLcJ5MQ2AtHcQJCCRUcMRvmDUjyEmNUWwx8UbK"
    )
    export: dict[str, object] = {
        "vault": "kst_demo/7",
        "chain": World().keyset.chain,
        "clients": [],
        "descriptor": f"wsh(sortedmulti(1,{private}/<0;1>/*))",
        "receive": found.receive_text,
        "change": found.change_text,
        "highest_receive": None,
        "highest_change": None,
    }
    path = tmp_path / "vaults.json"
    path.write_text(json.dumps([export]))
    code, said = one_line(capsys, "vault", "verify", str(path))
    assert code == INVALID
    assert private[:12] not in said


def test_names_a_file_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert one_line(capsys, "policy", "check", "nowhere.yaml") == (
        INVALID,
        "error: nowhere.yaml: No such file or directory",
    )


def test_explains_a_request(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    facts = {"kind": "client_opening", "requester": "exchange", "now": "2026-11-22T12:00:00Z", "client": "cli_1"}
    path = tmp_path / "facts.json"
    path.write_text(json.dumps(facts))
    assert run(app, ["policy", "explain", str(DEMO), "--request", str(path)]) == 0
    assert "operators" in capsys.readouterr().out


def test_passes_the_shipped_cases(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(app, ["policy", "check", str(DEMO)]) == 0
    assert run(app, ["policy", "test", str(DEMO)]) == 0
    assert "cases are as expected" in capsys.readouterr().out


@pytest.mark.parametrize("content", ["", "not a key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_refuses_a_key_file_without_repeating_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: str
) -> None:
    key, token = tmp_path / "key.pem", tmp_path / "token"
    key.write_text(content)
    token.write_text("t" * 32)
    arguments = ["--client", "c", "--amount", "0.1", "--max-fee", "0.0001", "--purpose", "p", "--network", "regtest"]
    to = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
    code, said = one_line(
        capsys, "withdrawal", "create", *arguments, "--to", to, "--key", str(key), "--token-file", str(token)
    )
    assert code == INVALID
    assert said.startswith("error: key: not an Ed25519 private key")


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("amount", {"--amount": "-1"}),
        ("amount", {"--amount": "0"}),
        ("amount", {"--amount": "1e-3"}),
        ("amount", {"--amount": "0.123456789"}),
        ("max-fee", {"--max-fee": "free"}),
        ("to", {"--to": "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"}),
        ("to", {"--to": "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt08"}),
        ("asset", {"--asset": "DOGE"}),
        ("network", {"--network": "moon"}),
    ],
)
def test_names_the_field_of_a_request_that_is_wrong(
    capsys: pytest.CaptureFixture[str], field: str, changes: dict[str, str]
) -> None:
    given = {
        "--client": "cli_1",
        "--amount": "0.1",
        "--max-fee": "0.0001",
        "--purpose": "p",
        "--network": "regtest",
        "--to": "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080",
        "--key": "k",
        "--token-file": "t",
    } | changes
    code, said = one_line(capsys, "withdrawal", "create", *(text for pair in given.items() for text in pair))
    assert code == INVALID
    assert said.startswith(f"error: {field}: ")


def test_takes_no_secret_as_an_argument() -> None:
    names = {name for command in commands(app) for name in options(command)}
    assert "--token-file" in names
    assert not {name for name in names if name.strip("-") in {"token", "password", "passphrase", "secret", "mnemonic"}}


def test_gives_an_example_with_every_command() -> None:
    for name, command in named_commands(app, "custody"):
        assert name in " ".join((command.help or "").split()), name


def test_reads_settings_from_a_file_below_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "env"
    path.write_text("# ours\n\nCUSTODY_NETWORK=regtest\nCUSTODY_LOG_FORMAT=text\nPATH=/nowhere\n")
    monkeypatch.setenv("CUSTODY_NETWORK", "signet")
    monkeypatch.setenv("CUSTODY_ENV_FILE", str(path))
    environment.prepare("")
    assert (os.environ["CUSTODY_NETWORK"], os.environ["CUSTODY_LOG_FORMAT"]) == ("signet", "text")
    assert os.environ["PATH"] != "/nowhere"
    environment.prepare(str(path))
    assert os.environ["CUSTODY_NETWORK"] == "regtest"
    monkeypatch.delenv("CUSTODY_LOG_FORMAT")
    path.write_text("garbage")
    assert one_line(capsys, "--env", str(path), "client", "list")[1].startswith("error: env: line 1 ")


def test_aligns_numbers_to_the_right() -> None:
    rows = [{"name": "a", "units": "5"}, {"name": "long", "units": "-1200"}]
    assert table(rows, ("name", "units")) == "NAME  UNITS\na         5\nlong  -1200"


def commands(of: typer.Typer) -> list[typer.core.TyperCommand]:
    return [command for _, command in named_commands(of, "custody")]


def named_commands(of: typer.Typer, prefix: str) -> Iterator[tuple[str, typer.core.TyperCommand]]:
    group = typer.main.get_command(of)
    yield from _walk(group, prefix)


def _walk(command: object, name: str) -> Iterator[tuple[str, typer.core.TyperCommand]]:
    below = getattr(command, "commands", None)
    if below is None:
        assert isinstance(command, typer.core.TyperCommand)
        yield name, command
        return
    for word, child in below.items():
        yield from _walk(child, f"{name} {word}")


def options(command: typer.core.TyperCommand) -> list[str]:
    return [name for parameter in command.params for name in parameter.opts]


def test_reads_a_document_from_standard_input(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`-` is standard input wherever a document is read; where nothing is piped in, that is said."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(DEMO.read_bytes())))
    assert run(app, ["policy", "check", "-"]) == 0
    assert "demo" in capsys.readouterr().out
    piped = io.TextIOWrapper(io.BytesIO(b"[]"))
    monkeypatch.setattr("sys.stdin", piped)
    assert run(app, ["vault", "verify", "-"]) == 0
    assert capsys.readouterr().out.startswith("0 vaults")
    monkeypatch.setattr(piped, "isatty", lambda: True)
    assert one_line(capsys, "vault", "verify", "-")[1].startswith("error: file: - reads standard input")


def test_every_document_is_read_where_standard_input_can_be_one() -> None:
    """No other file of these rooms reads files but those of secrets, settings and our own contract."""
    reading = {
        path.name
        for path in (DEMO.parents[2] / "custody/cli").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in ("read_text", "read_bytes")
    }
    assert reading == {"inputs.py", *SECRETS, "environment.py", "openapi.py"}


SECRETS = ("api.py", "credential.py", "database.py", "keys.py")
