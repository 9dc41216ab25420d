"""The stage: real servers and every process of the daemon under one supervisor, and the settings they share."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import signal
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import coincurve
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from config.settings import load
from custody.bootstrap import Runtime, assemble
from custody.chains.ethereum.offline.ecdsa import address_of_key
from custody.db.migrations.run import upgrade
from custody.evidence.passkeys import Console
from custody.kernel.money import Asset
from custody.ledger import queries as ledger
from custody.relaying import queries as relaying
from custody.relaying.states import CarriageState
from demo.ceremony import KEEPER
from demo.child import free_port, write_secret
from demo.evm import contracts
from demo.people import Api, Cosigner, StatusKeeper, call_key_name, credential_of
from demo.postgres import clear_outside
from demo.running import LEFT
from demo.servers import Anvil, Bitcoind, Broker, Postgres
from demo.supervisor import Service, Supervisor, listening, says

WORKERS = 2
DATABASE = "custody"
COSIGNERS = {
    **dict.fromkeys(("north", "south", "west"), "regtest"),
    **dict.fromkeys(("north-safe", "south-safe", "west-safe"), "anvil"),
}
"""Name to network. A keyholder's key for another chain is another key, on a device and under a name of its own."""
TOKEN_CODE, TOKEN_DECIMALS = "DEMO", 6
ROLES = {
    "exchange": "requester",
    "alice": "operator",
    "bob": "operator",
    "carol": "operator",
    **dict.fromkeys(COSIGNERS, "cosigner"),
    KEEPER: "service",
}
QUICK = {
    "SCAN_SECONDS": "1",
    "LOG_FORMAT": "json",
    "LEASE_SECONDS": "5",
    "WEBHOOK_INSIDE": "127.0.0.0/8",
    "API_SANDBOX": "on",
    "VISIBILITY_SECONDS": "5",
    "STOCK_TARGET": "12",
    "STOCK_LOW_MARK": "4",
    "RECONCILE_SECONDS": "60",
}


@dataclass
class Stage:
    """Everything that runs, and how to speak to it."""

    supervisor: Supervisor
    home: Path
    postgres: Postgres
    broker: Broker
    bitcoind: Bitcoind
    anvil: Anvil
    token: Asset
    """The example token, a contract on the second chain."""
    payer: str
    """The account that pays to carry spends out on the second chain; it has no authority over any of them."""
    environment: dict[str, str]
    tokens: dict[str, str]
    """Of each caller, what lies in its file."""
    api_port: int
    runtime: Runtime
    workers: list[Service]

    def api(self, caller: str) -> Api:
        """The API as ``caller``."""
        return Api(f"http://127.0.0.1:{self.api_port}", credential_of(caller, self.tokens[caller]))

    @property
    def bitcoin(self) -> Asset:
        """The first chain's own asset."""
        return self.runtime.chosen("regtest").addressing.native

    @property
    def ether(self) -> Asset:
        """The second chain's own asset."""
        return self.runtime.chosen("anvil").addressing.native

    @property
    def assets(self) -> tuple[Asset, ...]:
        """Everything the trust root registers."""
        return (self.bitcoin, self.ether, self.token)

    def payer_is_booked(self) -> bool:
        """Whether everything the payer carried is confirmed, and the books say what it has."""
        chain, states = self.ether.chain, (CarriageState.BUILT, CarriageState.SENT, CarriageState.MINED)
        with self.runtime.database.unit() as unit:
            waiting = relaying.carriages(unit.session, chain=chain, account=self.payer, states=states)
            known = relaying.payer(unit.session, chain=chain, account=self.payer)
            books = [
                total.onchain for total in ledger.vault_totals(unit.session) if known and total.vault == known.vault
            ]
        return not waiting and sum(books) == self.anvil.balance_wei(self.payer)

    @property
    def console(self) -> Console:
        """Where passkeys may be used: browsers take plain http for safe on this name alone."""
        return Console(f"http://localhost:{self.api_port}", "localhost")

    @property
    def process_environment(self) -> dict[str, str]:
        """Of a command on this stage's house."""
        return {**os.environ, **self.environment}

    def token_file(self, caller: str) -> Path:
        """Where ``caller`` keeps its token or key."""
        return self.home / "tokens" / caller


def start_servers(supervisor: Supervisor) -> Stage:
    """Postgres, the broker and both nodes, side by side; then an empty, migrated database and the settings."""
    home = supervisor.home
    _forget(home)
    postgres, broker, bitcoind, anvil = Postgres(home), Broker(home), Bitcoind(home), Anvil(home)
    supervisor.afterwards(lambda: clear_outside(home))
    supervisor.start(postgres, broker, bitcoind, anvil)
    with ThreadPoolExecutor(max_workers=1) as pool:
        placing = pool.submit(_place_contracts, anvil)
        postgres.drop_database(DATABASE)
        owner_url, app_url = postgres.create_database(DATABASE)
        upgrade(owner_url)
        token = placing.result()
    tokens = _tokens(home)
    port = free_port()
    payer_key = secrets.token_bytes(32)
    write_secret(home / "keys" / "payer", payer_key.hex())
    (home / "assets.toml").write_text(_listed(token))
    environment = {
        "CUSTODY_CHAINS": "regtest,anvil",
        "CUSTODY_DATABASE_URL": app_url,
        "CUSTODY_OWNER_URL": owner_url,
        "CUSTODY_BROKER_URL": broker.url,
        "CUSTODY_BITCOIN_RPC_URL": bitcoind.url,
        "CUSTODY_BITCOIN_ZMQ_URL": bitcoind.zmq_url,
        "CUSTODY_ANVIL_RPC_URL": anvil.url,
        "CUSTODY_ANVIL_START_HEIGHT": str(anvil.height()),
        "CUSTODY_ANVIL_PAYER_KEY_FILE": str(home / "keys" / "payer"),
        "CUSTODY_ASSETS_FILE": str(home / "assets.toml"),
        "CUSTODY_API_TOKENS_FILE": str(home / "tokens.json"),
        "CUSTODY_API_PORT": str(port),
        "CUSTODY_SEAL_KEY": secrets.token_hex(32),
        **{f"CUSTODY_{name}": value for name, value in QUICK.items()},
    }
    write_secret(home / "env", "".join(f"{name}={value}\n" for name, value in environment.items()))
    runtime = assemble(load(environment))
    payer = address_of_key(coincurve.PrivateKey(payer_key).public_key.format())
    return Stage(
        supervisor, home, postgres, broker, bitcoind, anvil, token, payer, environment, tokens, port, runtime, []
    )


def _place_contracts(anvil: Anvil) -> Asset:
    """Safe's contracts where they are on mainnet, and the example token, all of which the faucet holds."""
    contracts.place(anvil)
    address = contracts.token(anvil, TOKEN_CODE, TOKEN_DECIMALS)
    chain = f"eip155:{anvil.chain_id}"
    return Asset(f"{chain}/erc20:{address}", TOKEN_CODE, TOKEN_DECIMALS, chain)


def _listed(token: Asset) -> str:
    """The allow-list with one asset in it, written as ``config/assets.toml`` is."""
    return (
        f'[[asset]]\nid = "{token.id}"\ncode = "{token.code}"\ndecimals = {token.decimals}\ndust_units = 10_000\n'
        "[[asset.tier]]\nconfirmations = 2\n"
    )


def start_daemon(stage: Stage, *, workers: int = WORKERS, extra: Mapping[str, str] | None = None) -> None:
    """The API, the workers, beat and the relay, side by side."""
    environment = {**os.environ, **stage.environment, **(extra or {})}
    python = sys.executable
    stage.workers = [_worker(stage, number, environment) for number in range(1, workers + 1)]
    beat_state = stage.home / "beat-schedule"
    stage.supervisor.start(
        stage.supervisor.service(
            "api",
            [python, "-m", "custody.api"],
            is_ready=listening(stage.api_port),
            env=environment,
            port=stage.api_port,
        ),
        *stage.workers,
        stage.supervisor.service(
            "beat",
            [python, "-m", "celery", "-A", "workers.app", "beat", "-l", "INFO", "--schedule", beat_state],
            is_ready=says(stage.supervisor.logs / "beat.log", "maxinterval"),
            env=environment,
        ),
        stage.supervisor.service(
            "relay",
            [python, "-m", "workers.relay"],
            is_ready=says(stage.supervisor.logs / "relay.log", "relay ready"),
            env=environment,
        ),
        stage.supervisor.service(
            "pusher",
            [python, "-m", "workers.pusher"],
            is_ready=says(stage.supervisor.logs / "pusher.log", "pusher ready"),
            env=environment,
        ),
    )


def start_keeper(stage: Stage, keeper: StatusKeeper) -> None:
    """The status service; ready when the daemon has its first statement."""
    api = f"http://127.0.0.1:{stage.api_port}"
    token = stage.token_file(KEEPER)
    stage.supervisor.start(
        stage.supervisor.service(
            "status service",
            keeper.argv("serve", "--api", api, "--token-file", token, "--interval", "5", "--lifetime", "60"),
            is_ready=says(stage.supervisor.logs / "status service.log", "was taken"),
        )
    )


def start_cosigners(stage: Stage, cosigners: list[Cosigner]) -> None:
    """Each keyholder's own program, looking for bundles."""
    api = f"http://127.0.0.1:{stage.api_port}"
    services = [
        stage.supervisor.service(
            f"cosigner {one.name}",
            one.argv(
                *("fetch", "--api", api, "--token-file", stage.token_file(one.name)),
                *("--watch", "--interval", "0.3", "--yes", *one.passphrase()),
            ),
            is_ready=lambda: True,
        )
        for one in cosigners
    ]
    stage.supervisor.start(*services, called="the cosigners' programs are up")


def _forget(home: Path) -> None:
    """Every story begins anew: the last one's keys, tokens and chain go; the servers' programs and Postgres stay."""
    (home / LEFT).unlink(missing_ok=True)
    for name in ("anvil", "bitcoind", "ceremony", "cosigners", "keys", "status", "tokens"):
        shutil.rmtree(home / name, ignore_errors=True)
    (home / "keys").mkdir()


def _worker(stage: Stage, number: int, environment: Mapping[str, str]) -> Service:
    name = f"worker{number}"
    return stage.supervisor.service(
        name,
        [
            *(sys.executable, "-m", "celery", "-A", "workers.app", "worker", "-n", f"{name}@demo"),
            *("-P", "solo", "-l", "WARNING", "--without-gossip", "--without-mingle", "--without-heartbeat"),
        ],
        is_ready=says(stage.supervisor.logs / f"{name}.log", "worker ready"),
        env=environment,
        stop_signal=signal.SIGQUIT,
        death_signal=signal.SIGQUIT,
    )


def _tokens(home: Path) -> dict[str, str]:
    """A call key for who asks for payments, a bearer token for the others: the daemon has only what checks them."""
    (home / "tokens").mkdir(exist_ok=True)
    tokens, callers = {}, []
    for caller, role in ROLES.items():
        if role == "requester":
            key = Ed25519PrivateKey.generate()
            tokens[caller] = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
            public = {"key": call_key_name(caller), "ed25519": key.public_key().public_bytes_raw().hex()}
        else:
            tokens[caller] = secrets.token_urlsafe(32)
            public = {"token_sha256": hashlib.sha256(tokens[caller].encode()).hexdigest()}
        write_secret(home / "tokens" / caller, tokens[caller])
        callers.append({"name": caller, "role": role, **public})
    write_secret(home / "tokens.json", json.dumps({"callers": callers}))
    return tokens
