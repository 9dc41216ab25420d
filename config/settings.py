"""The daemon's settings, from the environment: ``CUSTODY_X`` or, for secrets, ``CUSTODY_X_FILE`` naming a file.

Read once, by the composition root. Errors are one line naming the setting, what is wrong and what is accepted;
a secret's value never appears in one.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from config.chains import BITCOIN_NETWORKS, ChainConfig, ConfigError, load_chains

PREFIX: Final = "CUSTODY_"
HERE: Final = Path(__file__).parent


@dataclass(frozen=True, slots=True, repr=False)
class Settings:
    """What one process of the daemon runs with. Has no readable ``repr``: it holds passwords."""

    network: str
    database_url: str
    broker_url: str
    bitcoin_rpc_url: str
    bitcoin_zmq_url: str
    api_tokens_file: Path
    seal_key: bytes
    api_host: str
    api_port: int
    chain: ChainConfig
    log_format: str
    clock_offset: timedelta
    stock_target: int
    stock_low_mark: int
    start_height: int
    lease_seconds: int
    visibility_seconds: int
    scan_seconds: int
    reconcile_seconds: int


def load(environment: Mapping[str, str] | None = None) -> Settings:
    """Read every setting. Raises ``ConfigError`` naming the first that is missing or wrong."""
    read = _Reader(os.environ if environment is None else environment)
    network = read.one_of("NETWORK", BITCOIN_NETWORKS)
    return Settings(
        network=network,
        database_url=read.url("DATABASE_URL", ("postgresql+psycopg",)),
        broker_url=read.url("BROKER_URL", ("redis",)),
        bitcoin_rpc_url=read.node_url("BITCOIN_RPC_URL"),
        bitcoin_zmq_url=read.text("BITCOIN_ZMQ_URL", default=""),
        api_tokens_file=Path(read.text("API_TOKENS_FILE", default="/dev/null")),
        seal_key=read.key("SEAL_KEY"),
        api_host=read.text("API_HOST", default="127.0.0.1"),
        api_port=read.whole("API_PORT", default=8080, low=1, high=65535),
        chain=_chain(network, read.text("CHAINS_FILE", default=str(HERE / "chains.toml"))),
        log_format=read.one_of("LOG_FORMAT", ("json", "text"), default="json"),
        clock_offset=_clock_offset(read, network),
        stock_target=read.whole("STOCK_TARGET", default=50, low=1, high=10_000),
        stock_low_mark=read.whole("STOCK_LOW_MARK", default=10, low=0, high=10_000),
        start_height=read.whole("START_HEIGHT", default=0, low=0, high=10**8),
        lease_seconds=read.whole("LEASE_SECONDS", default=30, low=1, high=600),
        visibility_seconds=read.whole("VISIBILITY_SECONDS", default=60, low=1, high=3600),
        scan_seconds=read.whole("SCAN_SECONDS", default=5, low=1, high=600),
        reconcile_seconds=read.whole("RECONCILE_SECONDS", default=600, low=1, high=86_400),
    )


class _Reader:
    """One environment; every method names the setting in its error."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def text(self, name: str, *, default: str | None = None) -> str:
        key = PREFIX + name
        if key in self._environment:
            return self._environment[key]
        if key + "_FILE" in self._environment:
            return self._from_file(key + "_FILE")
        if default is None:
            raise ConfigError(key, f"missing; accepted is a value, or {key}_FILE naming a file that holds it")
        return default

    def one_of(self, name: str, accepted: tuple[str, ...], *, default: str | None = None) -> str:
        value = self.text(name, default=default)
        if value not in accepted:
            raise ConfigError(PREFIX + name, f"not known; accepted are {', '.join(accepted)}")
        return value

    def url(self, name: str, schemes: tuple[str, ...]) -> str:
        value = self.text(name)
        accepted = f"{' or '.join(schemes)}://[user:password@]host:port"
        try:
            parts = urlsplit(value)
            good = parts.scheme in schemes and bool(parts.hostname) and parts.port is not None
        except ValueError:
            good = False
        if not good:
            raise ConfigError(PREFIX + name, f"not an address; accepted is {accepted}")
        return value

    def node_url(self, name: str) -> str:
        value = self.url(name, ("http",))
        if not urlsplit(value).password:
            raise ConfigError(PREFIX + name, "has no password; accepted is http://user:password@host:port")
        return value

    def whole(self, name: str, *, default: int, low: int, high: int) -> int:
        value = self.text(name, default=str(default))
        if not (value.isascii() and value.isdigit() and low <= int(value) <= high):
            raise ConfigError(PREFIX + name, f"not a whole number from {low} to {high}")
        return int(value)

    def key(self, name: str) -> bytes:
        value = self.text(name)
        try:
            key = bytes.fromhex(value)
        except ValueError:
            key = b""
        if len(key) != 32:
            raise ConfigError(PREFIX + name, "not a key; accepted are 32 bytes of hex")
        return key

    def _from_file(self, key: str) -> str:
        try:
            return Path(self._environment[key]).read_text().strip()
        except OSError as error:
            raise ConfigError(key, f"cannot be read: {error.strerror}") from None


def _chain(network: str, path: str) -> ChainConfig:
    try:
        text = Path(path).read_text()
    except (OSError, UnicodeDecodeError):
        raise ConfigError(f"{PREFIX}CHAINS_FILE", "cannot be read as text") from None
    chains = load_chains(text)
    if network not in chains:
        raise ConfigError(f"{PREFIX}CHAINS_FILE", f"has no block for {network}")
    return chains[network]


def _clock_offset(read: _Reader, network: str) -> timedelta:
    """An offset is for tests only, and never where real money is (I17)."""
    seconds = read.text("CLOCK_OFFSET_SECONDS", default="0")
    if not seconds.removeprefix("-").isdigit():
        raise ConfigError(f"{PREFIX}CLOCK_OFFSET_SECONDS", "not a whole number of seconds")
    if int(seconds) and network == "mainnet":
        raise ConfigError(f"{PREFIX}CLOCK_OFFSET_SECONDS", "refused where a mainnet is configured")
    return timedelta(seconds=int(seconds))
