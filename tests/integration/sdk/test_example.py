"""The ten lines of docs/integrate.md pay a withdrawal, word for word, over HTTP to the API as a process."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.cosigner.builders import key_id, person_key
from tests.integration.api.server import REPOSITORY, Server, plain_environment
from tests.integration.api.signing import call_key, row
from tests.support.servers import FreshDatabase
from tests.support.world import BTC, House

PAGES = ("README.md", "docs/integrate.md")


def example(page: str) -> str:
    """The first program on the page that makes a client."""
    programs = re.findall(r"```python\n(.*?)```", (REPOSITORY / page).read_text(), re.DOTALL)
    return next(program for program in programs if "Client.from_env()" in program)


@pytest.mark.parametrize("page", PAGES)
def test_the_example_is_ten_lines_at_most(page: str) -> None:
    assert len([line for line in example(page).splitlines() if line.strip()]) <= 10


@pytest.mark.parametrize("page", PAGES)
def test_the_example_pays_a_withdrawal(page: str, database: FreshDatabase, tmp_path: Path) -> None:
    house = House.found(database)
    house.open_client("acme", branch=0)
    house.credit("acme", BTC)
    callers = tmp_path / "callers.json"
    narrowed = {"scopes": ["read", "withdraw:request"], "clients": ["acme"], "networks": ["127.0.0.0/8"]}
    callers.write_text(json.dumps({"callers": [row("shop", **narrowed)]}))
    server = Server.on(house, tmp_path, api_tokens_file=callers).start()
    try:
        environment = keys_of(tmp_path) | {
            "CUSTODY_API_URL": f"http://127.0.0.1:{server.port}",
            "CUSTODY_TRUST_ROOT": house.ceremony.root.hash,
        }
        ran = run(example(page), environment)
        assert ran.returncode == 0, ran.stderr
        paid = house.withdrawals()
        assert [(each.client, each.units, each.state.value) for each in paid] == [("acme", BTC // 100, "approved")]
        assert ran.stdout.split()[:2] == ["approved", "nobody"]
        # Run again, it is the same payment: its order number is its key.
        assert run(example(page), environment).stdout == ran.stdout
        assert len(house.withdrawals()) == 1

        # The server itself believes no header about where a call comes from, not even from this machine.
        callers.write_text(json.dumps({"callers": [row("shop", networks=["192.0.2.0/24"])]}))
        asked = server.http.get(
            f"http://127.0.0.1:{server.port}/v1/assets",
            headers={"X-Forwarded-For": "192.0.2.7", "Authorization": "Bearer nobody's"},
        )
        assert asked.status_code == 401
        refused = run(example(page), environment)
        assert "network-refused" in refused.stderr
    finally:
        server.stop()
        house.close()


def test_the_api_does_not_start_beside_a_mainnet_with_a_bearer_requester(
    database: FreshDatabase, tmp_path: Path
) -> None:
    house = House.found(database)
    token = hashlib.sha256(b"a token").hexdigest()
    callers = tmp_path / "callers.json"
    callers.write_text(json.dumps({"callers": [{"name": "exchange", "role": "requester", "token_sha256": token}]}))
    server = Server.on(house, tmp_path, api_tokens_file=callers, network="mainnet")
    server.child.start()
    assert server.child.wait(30)
    assert server.child.exit_code() == 2
    assert "exchange asks for payments with a bearer token beside a mainnet" in server.log_text()
    house.close()


def keys_of(folder: Path) -> dict[str, str]:
    """The two keys of an exchange in files, and the variables that name them."""
    pem = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "call.pem").write_bytes(call_key("shop").key.private_bytes(*pem))
    (folder / "request.pem").write_bytes(person_key("exchange").private_bytes(*pem))
    return {
        "CUSTODY_API_KEY": call_key("shop").id,
        "CUSTODY_API_KEY_FILE": str(folder / "call.pem"),
        "CUSTODY_REQUESTER": "exchange",
        "CUSTODY_REQUEST_KEY": key_id("exchange"),
        "CUSTODY_REQUEST_KEY_FILE": str(folder / "request.pem"),
    }


def run(program: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """The program in a process of its own."""
    chosen = {**plain_environment(), **environment, "PYTHONPATH": os.fspath(REPOSITORY)}
    return subprocess.run(
        [sys.executable, "-c", program], env=chosen, capture_output=True, text=True, timeout=60, check=False
    )
