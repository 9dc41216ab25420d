"""A stage, and the command line pointed at it."""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
import structlog
import uvicorn

from config import settings as configuration
from custody import bootstrap
from custody.api.app import application
from custody.api.auth import Callers
from custody.bootstrap import Runtime
from custody.cli import exits
from custody.cli.exits import program, run
from custody.cli.main import app
from demo.child import free_port
from demo.servers import Bitcoind
from tests.integration.reconciliation.stage import SEAL, Stage
from tests.support.processes import wait_until
from tests.support.servers import FreshDatabase


@dataclass
class Answer:
    """What a command left."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> object:
        return json.loads(self.out)


Command = Callable[..., Answer]


@pytest.fixture
def stage(database: FreshDatabase, chain: Bitcoind) -> Stage:
    found = Stage(database.db, chain)
    found.hold_ceremony()
    return found


@pytest.fixture
def command(
    stage: Stage,
    database: FreshDatabase,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> Command:
    """Run one command of the house the stage stands on."""
    monkeypatch.chdir(tmp_path)
    # Half of what a command takes is putting the tree of commands together, which is the same for all of them.
    monkeypatch.setattr(exits, "program", cache(program))
    for name, value in {
        "CUSTODY_NETWORK": "regtest",
        "CUSTODY_DATABASE_URL": database.app_url,
        "CUSTODY_BROKER_URL": "redis://127.0.0.1:1",
        "CUSTODY_BITCOIN_RPC_URL": stage.node.url,
        "CUSTODY_SEAL_KEY": SEAL.hex(),
        "CUSTODY_START_HEIGHT": str(stage.start_height),
        "CUSTODY_LOG_FORMAT": "text",
    }.items():
        monkeypatch.setenv(name, value)

    return running(capsys)


def running(capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs commands, and keeps what they say."""

    def act(*arguments: str) -> Answer:
        capsys.readouterr()
        code = run(app, list(arguments))
        said = capsys.readouterr()
        return Answer(code, said.out, said.err)

    return act


@pytest.fixture
def tokens(tmp_path: Path) -> dict[str, str]:
    """A token file per caller."""
    found = {}
    for name in ("exchange", "alice", "bob", "carol"):
        path = tmp_path / f"{name}.token"
        path.write_text(f"token-of-{name}\n")
        found[name] = str(path)
    return found


@pytest.fixture(autouse=True)
def _quiet_afterwards() -> Iterator[None]:
    """Commands configure logging for their process; tests share one, so it is put back."""
    yield
    structlog.reset_defaults()
    root = logging.getLogger()
    for handler in [item for item in root.handlers if type(item) is logging.StreamHandler]:
        root.removeHandler(handler)


@pytest.fixture
def api(command: Command, tokens: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The API, served by a thread of ours; its address."""
    # The port comes first: it stands in the names that this house answers to.
    monkeypatch.setenv("CUSTODY_API_PORT", str(free_port()))
    settings = configuration.load()
    runtime = bootstrap.assemble(settings)
    with served(runtime, tokens, tmp_path, port=settings.api_port) as port:
        yield f"http://127.0.0.1:{port}"
    runtime.database.dispose()


@contextmanager
def served(runtime: Runtime, tokens: Mapping[str, str], folder: Path, *, port: int | None = None) -> Iterator[int]:
    """The API of ``runtime`` in a thread, for callers by their token files; its port."""
    callers = [
        {
            "name": name,
            "role": "requester" if name == "exchange" else "operator",
            "token_sha256": hashlib.sha256(Path(path).read_text().strip().encode()).hexdigest(),
        }
        for name, path in tokens.items()
    ]
    file = folder / "callers.json"
    file.write_text(json.dumps({"callers": callers}))
    port = port or free_port()
    # A test's captured streams close before the server's last line.
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    server = uvicorn.Server(
        uvicorn.Config(application(runtime, Callers.load(file)), host="127.0.0.1", port=port, log_config=None)
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started)
    yield port
    server.should_exit = True
    thread.join(timeout=10)
