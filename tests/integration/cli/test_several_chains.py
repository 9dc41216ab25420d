"""The command line of a house with two chains: assets by code, amounts in their decimals, bad input refused."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import structlog
import uvicorn
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from custody.api.app import application
from custody.api.auth import Callers
from custody.cli.exits import run
from custody.cli.main import app
from custody.relaying.tables import PayerRow
from custody.vaults import operations as vaults
from demo.child import free_port
from tests.cosigner.builders import person_key
from tests.integration.api.callers import TOKENS
from tests.integration.cli.conftest import Answer
from tests.support.processes import wait_until
from tests.support.servers import FreshDatabase
from tests.support.several import CONTRACT, TOKEN, Several
from tests.support.world import SILENT_NODE, address, environment, write_tokens

SOMEBODY = "0x52908400098527886E0F7030069857D2E4169EE7"


@dataclass
class Shell:
    """A house, its API, and what one types."""

    house: Several
    folder: Path
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str) -> Answer:
        self.capsys.readouterr()
        code = run(app, list(arguments))
        said = self.capsys.readouterr()
        return Answer(code, said.out, said.err)

    def create(self, **changes: str) -> Answer:
        chosen = {
            "client": "birch",
            "amount": "1.5",
            "to": SOMEBODY,
            "max-fee": "0.01",
            "purpose": "order 17",
            "asset": "TST",
            "key": str(self.folder / "exchange.pem"),
            "token-file": str(self.folder / "exchange.token"),
            "format": "json",
            **changes,
        }
        return self(
            "withdrawal", "create", *(part for name, value in chosen.items() for part in (f"--{name}", value)), "--yes"
        )


@pytest.fixture
def shell(
    database: FreshDatabase, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Iterator[Shell]:
    house = Several.stand(database, tmp_path)
    monkeypatch.chdir(tmp_path)
    port = free_port()
    settings = environment(
        database,
        network="",
        chains="regtest,anvil",
        anvil_rpc_url=SILENT_NODE,
        assets_file=tmp_path / "assets.toml",
        api_port=port,
    )
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    for name in ("exchange", "alice"):
        (tmp_path / f"{name}.token").write_text(TOKENS[name][1])
        key = person_key(name).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (tmp_path / f"{name}.pem").write_bytes(key)
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    callers = Callers.load(write_tokens(tmp_path / "callers.json", TOKENS))
    server = uvicorn.Server(
        uvicorn.Config(application(house.runtime, callers), host="127.0.0.1", port=port, log_config=None)
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started)
    yield Shell(house, tmp_path, capsys)
    server.should_exit = True
    thread.join(timeout=10)
    house.close()


def test_asks_for_a_token_by_its_code_or_id_and_shows_it_in_its_decimals(shell: Shell) -> None:
    first = shell.create()
    assert first.code == 0, first.err
    assert TOKEN.id in first.err
    found = json.loads(first.out)
    assert (found["amount"]["base_units"], found["max_fee"]["base_units"]) == ("1500000", str(10**16))
    by_id = shell.create(asset=TOKEN.id, amount="0.000001")
    assert by_id.code == 0, by_id.err
    ether = shell.create(asset="ETH", amount="0.000000000000000001")
    assert ether.code == 0, ether.err

    listed = json.loads(shell("withdrawal", "list", "--format", "json").out)
    assert [(row["amount"]["decimal"], row["asset"]["code"]) for row in listed] == [
        ("1.500000", "TST"),
        ("0.000001", "TST"),
        ("0.000000000000000001", "ETH"),
    ]
    shown = json.loads(shell("client", "show", "birch", "--format", "json").out)
    assert {row["asset"]["code"]: row["held"]["decimal"] for row in shown["balances"]} == {
        "ETH": "0.000000000000000001",
        "TST": "1.500001",
    }
    assets = shell("assets", "list", "--format", "json").json
    assert [(row["asset"], row["chain"]) for row in assets] == [("BTC", "regtest"), ("ETH", "anvil"), ("TST", "anvil")]


BAD = (
    ({"amount": "0.0000001"}, "amount: "),
    ({"amount": "0"}, "amount: "),
    ({"amount": "1e18"}, "amount: "),
    ({"amount": f"{2**256 // 10**6 + 1}"}, "amount: more than there will ever be"),
    ({"asset": "ETH", "amount": "0." + "0" * 18 + "1"}, "amount: "),
    ({"asset": "ETH", "amount": f"{2**128 // 10**18 + 1}"}, "amount: more than there will ever be"),
    ({"max-fee": f"{2**128 // 10**18 + 1}"}, "max-fee: more than there will ever be"),
    ({"to": CONTRACT.swapcase().replace("0X", "0x")}, "to: wrong EIP-55 checksum"),
    ({"to": "0x" + "00" * 20}, "to: the zero address"),
    ({"to": address("somebody")}, "to: "),
    ({"to": SOMEBODY, "asset": "BTC"}, "to: "),
    ({"to": CONTRACT}, "request.destination: the contract of an asset"),
    ({"asset": "DOGE"}, "asset: not known here; accepted is BTC, ETH, TST"),
    ({"asset": ""}, "asset: missing; accepted is BTC, ETH, TST"),
    ({"asset": TOKEN.id.replace(CONTRACT, SOMEBODY)}, "asset: not known here"),
    ({"asset": TOKEN.id, "network": "regtest"}, "asset: is of another chain"),
    ({"asset": "TST", "network": "regtest"}, "asset: not known here; accepted is BTC"),
)


def test_bad_input_is_one_line_that_names_the_field_and_nothing_is_written(shell: Shell) -> None:
    before = shell.house.row_counts()
    for changes, said in BAD:
        answer = shell.create(**changes)
        assert (answer.code, answer.out) == (2, ""), (changes, answer)
        assert answer.err.splitlines()[-1].startswith(f"error: {said}"), (changes, answer.err)
        assert shell.house.row_counts() == before


def test_what_asks_a_node_says_which_chain_and_which_does_not_answer(shell: Shell) -> None:
    for command in ("reconcile", "assets"):
        arguments = [command] if command == "reconcile" else [command, "check"]
        assert shell(*arguments, "--chain", "anvil").code == 5
        answer = shell(*arguments, "--chain", "moon")
        assert (answer.code, answer.err.splitlines()[-1]) == (
            2,
            "error: chain: not a chain this house serves; accepted is regtest, anvil",
        )
    assert shell("assets", "check", "--chain", "regtest").code == 0


def test_a_registered_asset_without_rules_is_said_before_anything_else(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "empty.toml").write_text("")
    monkeypatch.setenv("CUSTODY_ASSETS_FILE", str(tmp_path / "empty.toml"))
    answer = shell("client", "list")
    assert (answer.code, answer.err) == (
        2,
        f"error: CUSTODY_ASSETS_FILE: has no rules for {TOKEN.id}, which the trust root registers as TST\n",
    )


def test_a_stopped_payer_goes_on_when_a_person_has_looked(shell: Shell) -> None:
    with shell.house.db.unit() as unit:
        vaults.open_house(unit.session, vault="payer:eip155:31337", chain="eip155:31337", actor="test", now=unit.now)
        unit.session.add(
            PayerRow(
                chain="eip155:31337",
                account=SOMEBODY,
                vault_id="payer:eip155:31337",
                next_number=7,
                change_id=0,
                registered_at=unit.now,
                stopped_at=unit.now,
                stopped_reason="somebody else used its key",
            )
        )
    shown = shell("payer", "list", "--format", "json")
    assert (json.loads(shown.out)[0]["next_number"], "somebody else" in shown.out) == (7, True)
    behind = shell("payer", "resume", SOMEBODY, "--chain", "anvil", "--next-number", "6")
    assert (behind.code, "next_number" in behind.err) == (1, True)
    unknown = shell("payer", "resume", "0x" + "11" * 20, "--chain", "anvil", "--next-number", "9")
    assert (unknown.code, "account" in unknown.err) == (3, True)
    done = shell("payer", "resume", SOMEBODY, "--chain", "anvil", "--next-number", "9")
    assert (done.code, "goes on with number 9" in done.err) == (0, True)
    row = json.loads(shell("payer", "list", "--format", "json").out)[0]
    assert (row["next_number"], row["stopped"]) == (9, "")
