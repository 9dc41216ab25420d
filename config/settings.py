"""The daemon's settings, from the environment: ``CUSTODY_X`` or, for secrets, ``CUSTODY_X_FILE`` naming a file.

Read once, by the composition root. Errors are one line naming the setting, what is wrong and what is accepted;
a secret's value never appears in one.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from ipaddress import ip_network
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from config.assets import AssetConfig, load_assets
from config.chains import BITCOIN_NETWORKS, NETWORKS, OWN_NETWORKS, TEST_NETWORKS, ChainConfig, ConfigError, load_chains
from config.mail import MailSettings, read_mail
from config.readout import read_sizes

PREFIX: Final = "CUSTODY_"
READ_OUT_FROM: Final = "CUSTODY_READ_OUT_FROM"
HERE: Final = Path(__file__).parent
SHORTEST_TOKEN: Final = 32
LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")
"""By which the API's own machine knows it, on the API's port."""
_AUTHORITY: Final = re.compile(r"([a-z0-9-]+(\.[a-z0-9-]+)*|\[[0-9a-f:]+\])(:[0-9]{1,5})?", re.ASCII)


@dataclass(frozen=True, slots=True, repr=False)
class ChainSettings:
    """One chain this house serves: its block, and where its node is. Has no readable ``repr``: urls hold passwords."""

    block: ChainConfig
    rpc_url: str
    rpc_setting: str
    """The setting that ``rpc_url`` was read from, for whoever cannot use it."""
    second_rpc_url: str | None
    doorbell_url: str
    """Empty where nobody listens for the node's notices."""
    start_height: int
    payer_key: bytes | None
    """The secret key of whoever pays to carry spends out, where a vault does not bear its own fees."""

    @property
    def network(self) -> str:
        """The network's short name."""
        return self.block.name


@dataclass(frozen=True, slots=True, repr=False)
class MetricsSettings:
    """Where metrics are read, and with which token. Has no readable ``repr``."""

    host: str
    port: int
    token: str


@dataclass(frozen=True, slots=True, repr=False)
class Settings:
    """What one process of the daemon runs with. Has no readable ``repr``: it holds passwords."""

    chains: tuple[ChainSettings, ...]
    """In the order they were named; one at least."""
    assets: Mapping[str, AssetConfig]
    """The allow-list beside each chain's own asset, by CAIP-19 id."""
    database_url: str
    broker_url: str
    api_tokens_file: Path
    seal_key: bytes
    api_host: str
    api_port: int
    metrics: MetricsSettings | None
    """None where nobody reads metrics of this process."""
    api_proxies: tuple[str, ...]
    """Networks of the proxies in front of the API, whose word on where a call comes from is taken."""
    api_names: tuple[str, ...]
    """What callers may call this house, as their Host header says it: a signed call names one of these."""
    api_sandbox: bool
    """Whether the API tells nodes to mine, pay and reorganise: on networks of one's own alone."""
    log_format: str
    clock_offset: timedelta
    stock_target: int
    stock_low_mark: int
    lease_seconds: int
    visibility_seconds: int
    scan_seconds: int
    reconcile_seconds: int
    webhook_inside: str
    """Networks that webhooks may go to although they are not on the internet; empty: none."""
    webhook_lease_seconds: int
    webhook_ca_file: str
    """Certificates trusted for receivers beside the system's; empty: none."""
    read_out: Mapping[str, Decimal]
    """From which amount on who approves the first payment to an address reads it from what the client sent: by the
    asset's code, in whole units."""
    mail: MailSettings | None
    """Where notices leave by mail; None where none do."""
    notices_kept_days: int
    """How long messages to operators can be looked up once they are over."""

    @property
    def networks(self) -> tuple[str, ...]:
        """The short names of the chains."""
        return tuple(chain.network for chain in self.chains)

    @property
    def is_mainnet(self) -> bool:
        """Whether what is kept here is worth anything."""
        return any(not chain.block.is_test for chain in self.chains)


def load(environment: Mapping[str, str] | None = None) -> Settings:
    """Read every setting. Raises ``ConfigError`` naming the first that is missing or wrong."""
    read = _Reader(os.environ if environment is None else environment)
    networks = _networks(read)
    port = read.whole("API_PORT", default=8080, low=1, high=65535)
    return Settings(
        chains=_chains(read, networks),
        assets=_assets(read),
        database_url=read.url("DATABASE_URL", ("postgresql+psycopg",)),
        broker_url=read.url("BROKER_URL", ("redis",)),
        api_tokens_file=Path(read.text("API_TOKENS_FILE", default="/dev/null")),
        seal_key=read.key("SEAL_KEY"),
        api_host=read.text("API_HOST", default="127.0.0.1"),
        api_port=port,
        metrics=_metrics(read),
        api_proxies=read.networks_of_addresses("API_PROXIES"),
        api_names=(*read.authorities("API_NAMES"), *(f"{name}:{port}" for name in LOOPBACK)),
        api_sandbox=_sandbox(read, networks),
        log_format=read.one_of("LOG_FORMAT", ("json", "text"), default="json"),
        clock_offset=_clock_offset(read, networks),
        stock_target=read.whole("STOCK_TARGET", default=50, low=1, high=10_000),
        stock_low_mark=read.whole("STOCK_LOW_MARK", default=10, low=0, high=10_000),
        lease_seconds=read.whole("LEASE_SECONDS", default=30, low=1, high=600),
        visibility_seconds=read.whole("VISIBILITY_SECONDS", default=60, low=1, high=3600),
        scan_seconds=read.whole("SCAN_SECONDS", default=5, low=1, high=600),
        reconcile_seconds=read.whole("RECONCILE_SECONDS", default=600, low=1, high=86_400),
        webhook_inside=read.networks_inside("WEBHOOK_INSIDE"),
        webhook_lease_seconds=read.whole("WEBHOOK_LEASE_SECONDS", default=60, low=20, high=600),
        webhook_ca_file=read.text("WEBHOOK_CA_FILE", default=""),
        read_out=read_sizes(read.text("READ_OUT_FROM", default=""), setting=READ_OUT_FROM),
        mail=read_mail(
            read.text("MAIL_URL", default=""),
            sender=read.text("MAIL_FROM", default=""),
            ca_file=read.text("MAIL_CA_FILE", default=""),
            is_test=set(networks) <= set(TEST_NETWORKS),
            prefix=PREFIX,
        ),
        notices_kept_days=read.whole("NOTICES_KEPT_DAYS", default=90, low=1, high=3_650),
    )


def listed_assets(environment: Mapping[str, str] | None = None) -> dict[str, AssetConfig]:
    """The allow-list alone, for whoever has no other setting. Raises ``ConfigError``."""
    return _assets(_Reader(os.environ if environment is None else environment))


def named_networks(environment: Mapping[str, str] | None = None) -> tuple[str, tuple[str, ...]]:
    """The setting that names networks, and the names, known or not: for whoever can say why one is not served.

    Raises ``ConfigError`` where none is named, or in two ways.
    """
    return _Reader(os.environ if environment is None else environment).networks()


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
        # Asked with its default, so that whoever lists the settings hears of that too.
        return self._environment.get(key, default)

    def networks(self) -> tuple[str, tuple[str, ...]]:
        """The setting, and the names in ``CHAINS`` or the one in ``NETWORK``."""
        many, one = self.text("CHAINS", default=""), self.text("NETWORK", default="")
        if many and one:
            raise ConfigError(f"{PREFIX}NETWORK", f"set beside {PREFIX}CHAINS; accepted is one of both")
        if not many and not one:
            accepted = f"names out of {', '.join(NETWORKS)}"
            raise ConfigError(f"{PREFIX}CHAINS", f"missing; accepted is a list such as mainnet,ethereum of {accepted}")
        if many:
            return f"{PREFIX}CHAINS", tuple(name.strip() for name in many.split(","))
        return f"{PREFIX}NETWORK", (one,)

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

    def web_url(self, name: str, *, default: str | None = None) -> str:
        """An address as providers give it: a key may be in its path."""
        value = self.text(name, default=default)
        try:
            parts = urlsplit(value)
            good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            good = False
        if not good or not value.isascii() or any(sign.isspace() for sign in value):
            raise ConfigError(
                PREFIX + name, "not an address; accepted begins with http:// or https:// and names a host"
            )
        return value

    def has(self, name: str) -> bool:
        """Whether it is set, here or in a file."""
        key = PREFIX + name
        return key in self._environment or key + "_FILE" in self._environment

    def networks_of_addresses(self, name: str) -> tuple[str, ...]:
        """CIDR ranges with commas between them; none where it is not set."""
        found = [each.strip() for each in self.text(name, default="").split(",") if each.strip()]
        for each in found:
            try:
                ipaddress.ip_network(each)
            except ValueError:
                accepted = "networks such as 10.0.0.0/8 or 127.0.0.1/32, with commas between them"
                raise ConfigError(PREFIX + name, f"not a network; accepted are {accepted}") from None
        return tuple(found)

    def authorities(self, name: str) -> tuple[str, ...]:
        """Hosts as a Host header names them, with commas between them; none where it is not set."""
        found = [each.strip() for each in self.text(name, default="").split(",") if each.strip()]
        if not all(_AUTHORITY.fullmatch(each) for each in found):
            accepted = "custody.example.com or custody.internal:8443, in lower case, with commas between them"
            raise ConfigError(PREFIX + name, f"not names of hosts; accepted are such as {accepted}")
        return tuple(found)

    def whole(self, name: str, *, default: int, low: int, high: int) -> int:
        value = self.text(name, default=str(default))
        if not (value.isascii() and value.isdigit() and low <= int(value) <= high):
            raise ConfigError(PREFIX + name, f"not a whole number from {low} to {high}")
        return int(value)

    def networks_inside(self, name: str) -> str:
        """Networks separated by commas."""
        value = self.text(name, default="")
        try:
            for part in filter(None, (part.strip() for part in value.split(","))):
                ip_network(part)
        except ValueError:
            raise ConfigError(PREFIX + name, "not networks; accepted is a list such as 10.1.2.0/24, ::1/128") from None
        return value

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


def _networks(read: _Reader) -> tuple[str, ...]:
    """Known names, each once, which can stand side by side in one house."""
    setting, names = read.networks()
    for name in names:
        if name not in NETWORKS:
            raise ConfigError(setting, f"not known; accepted are {', '.join(NETWORKS)}")
    if len(set(names)) != len(names):
        raise ConfigError(setting, "a network is named twice")
    bitcoin = [name for name in names if name in BITCOIN_NETWORKS]
    if len(bitcoin) > 1:
        raise ConfigError(setting, f"{' and '.join(bitcoin)} side by side; accepted is one Bitcoin network")
    tests = [name for name in names if name in TEST_NETWORKS]
    if tests and len(tests) != len(names):
        real = next(name for name in names if name not in TEST_NETWORKS)
        raise ConfigError(setting, f"{real} beside {tests[0]}; accepted are mainnets alone, or test networks alone")
    return names


def _chains(read: _Reader, networks: tuple[str, ...]) -> tuple[ChainSettings, ...]:
    blocks = _blocks(read.text("CHAINS_FILE", default=str(HERE / "chains.toml")))
    for name in networks:
        if name not in blocks:
            raise ConfigError(f"{PREFIX}CHAINS_FILE", f"has no block for {name}")
    return tuple(
        _bitcoin(read, blocks[name]) if name in BITCOIN_NETWORKS else _ethereum(read, blocks[name]) for name in networks
    )


def _bitcoin(read: _Reader, block: ChainConfig) -> ChainSettings:
    return ChainSettings(
        block=block,
        rpc_url=read.node_url("BITCOIN_RPC_URL"),
        rpc_setting=f"{PREFIX}BITCOIN_RPC_URL",
        second_rpc_url=None,
        doorbell_url=read.text("BITCOIN_ZMQ_URL", default=""),
        start_height=read.whole("START_HEIGHT", default=0, low=0, high=10**8),
        payer_key=None,
    )


def _ethereum(read: _Reader, block: ChainConfig) -> ChainSettings:
    """Every setting has the network's name in front of it."""
    own = block.name.upper().replace("-", "_") + "_"
    rpc_url = read.web_url(f"{own}RPC_URL")
    second = read.web_url(f"{own}SECOND_RPC_URL") if read.has(f"{own}SECOND_RPC_URL") else None
    if second == rpc_url:
        raise ConfigError(f"{PREFIX}{own}SECOND_RPC_URL", "the same as the first; accepted is another node")
    # Without a setting the node itself is asked for its newest block; `none` leaves it to the schedule.
    doorbell = read.text(f"{own}DOORBELL_URL", default=rpc_url)
    return ChainSettings(
        block=block,
        rpc_url=rpc_url,
        rpc_setting=f"{PREFIX}{own}RPC_URL",
        second_rpc_url=second,
        doorbell_url="" if doorbell in ("", "none") else read.web_url(f"{own}DOORBELL_URL", default=rpc_url),
        start_height=read.whole(f"{own}START_HEIGHT", default=0, low=0, high=10**9),
        payer_key=read.key(f"{own}PAYER_KEY") if read.has(f"{own}PAYER_KEY") else None,
    )


def _blocks(path: str) -> dict[str, ChainConfig]:
    return load_chains(_text_of(path, f"{PREFIX}CHAINS_FILE"))


def _metrics(read: _Reader) -> MetricsSettings | None:
    """A port alone opens nothing: it takes a token, which no other caller has."""
    if not read.has("METRICS_PORT"):
        return None
    token = read.text("METRICS_TOKEN")
    if len(token) < SHORTEST_TOKEN or not token.isascii() or not token.isprintable() or " " in token:
        accepted = f"accepted are {SHORTEST_TOKEN} characters or more of printable ASCII without a space"
        raise ConfigError(f"{PREFIX}METRICS_TOKEN", f"not a token; {accepted}")
    return MetricsSettings(
        host=read.text("METRICS_HOST", default="127.0.0.1"),
        port=read.whole("METRICS_PORT", default=9464, low=1, high=65535),
        token=token,
    )


def _assets(read: _Reader) -> dict[str, AssetConfig]:
    return load_assets(_text_of(read.text("ASSETS_FILE", default=str(HERE / "assets.toml")), f"{PREFIX}ASSETS_FILE"))


def _text_of(path: str, setting: str) -> str:
    try:
        return Path(path).read_text()
    except (OSError, UnicodeDecodeError):
        raise ConfigError(setting, "cannot be read as text") from None


def _sandbox(read: _Reader, networks: tuple[str, ...]) -> bool:
    is_on = read.one_of("API_SANDBOX", ("off", "on"), default="off") == "on"
    strange = [name for name in networks if name not in OWN_NETWORKS]
    if is_on and strange:
        accepted = f"off beside {strange[0]}; on is for {' and '.join(OWN_NETWORKS)} alone"
        raise ConfigError(f"{PREFIX}API_SANDBOX", f"accepted is {accepted}")
    return is_on


def _clock_offset(read: _Reader, networks: tuple[str, ...]) -> timedelta:
    """An offset is for tests only, and never where real money is (I17)."""
    seconds = read.text("CLOCK_OFFSET_SECONDS", default="0")
    if not seconds.removeprefix("-").isdigit():
        raise ConfigError(f"{PREFIX}CLOCK_OFFSET_SECONDS", "not a whole number of seconds")
    if int(seconds) and not set(networks) <= set(TEST_NETWORKS):
        raise ConfigError(f"{PREFIX}CLOCK_OFFSET_SECONDS", "refused where a mainnet is configured")
    return timedelta(seconds=int(seconds))
