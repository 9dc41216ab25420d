"""The composition root: settings in, a ``Runtime`` out. The only place that knows which parts are real."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from config import settings as configuration
from config.chains import TEST_NETWORKS, ChainConfig, ConfigError
from config.logging import configure
from config.settings import ChainSettings, Settings
from custody.chains.addressing import Addressing
from custody.chains.carrying import CarrierNode, PayerKey, PayerRules
from custody.chains.inspecting import HasCode, Inspect
from custody.chains.port import ChainNode
from custody.chains.registry import (
    NodeAddress,
    addressing,
    chain_named,
    code_reader,
    inspector,
    open_carrier,
    open_chain,
    payer,
    spending,
)
from custody.chains.registry import sandbox as sandboxed
from custody.chains.sandbox import Sandbox
from custody.chains.spending import Finality, SpendRules, Terms
from custody.db import Database
from custody.deposits.model import AssetRules, DepositRules, Tier
from custody.kernel.errors import InvalidInput, Unavailable
from custody.kernel.money import Asset
from custody.reconciliation.stuck import Deadlines
from custody.restore import operations as restore
from custody.restore.replay import Followed
from custody.telemetry import tracing
from custody.telemetry.nodes import Nodes
from custody.telemetry.readings import ChainLimits
from custody.telemetry.ready import Ready
from custody.trust.assets import registered_assets

if TYPE_CHECKING:
    from custody.telemetry.page import Page

CANNOT_USE_NODE_IN_TIME: Final = 10.0
"""Seconds a node may take for an ordinary question before it counts as silent."""


ASSETS_FILE: Final = "CUSTODY_ASSETS_FILE"


class ChainNotServed(Unavailable):
    """A chain that is not in the settings: what is to be done there waits for a process that serves it."""

    code = "chain-not-served"


@dataclass(frozen=True, slots=True, repr=False)
class Carrier:
    """Who pays to carry spends out, and by which rules. Has no readable ``repr``."""

    node: CarrierNode
    key: PayerKey
    rules: PayerRules


@dataclass(frozen=True, slots=True, repr=False)
class ServedChain:
    """One chain this process serves. Has no readable ``repr``: its node's address may hold a password."""

    addressing: Addressing
    node: ChainNode
    spend_rules: SpendRules
    deposit_rules: DepositRules
    deadlines: Deadlines
    start_height: int
    compare_every: int
    """Blocks after which balances are compared at the latest, where the node shows a part of what moves."""
    doorbell_url: str
    """Where the node tells that it has news; empty where nobody listens."""
    inspect: Inspect
    """Asks the node about a registered asset."""
    has_code: HasCode
    """Asks the node whether code lives at a place."""
    carrier: Carrier | None
    """Who carries spends out; None where the vault bears its fees, or where this process has not the payer's key."""
    is_carried: bool
    """Whether spends of this chain are carried by somebody who pays for it."""
    client_bears_fees: bool
    """Whether the network's fee is the client's: out of its vault, or owed to the house that paid it."""

    @property
    def chain(self) -> str:
        """CAIP-2 id."""
        return self.addressing.chain

    @property
    def name(self) -> str:
        """The network's short name."""
        return self.addressing.name

    @property
    def assets(self) -> frozenset[str]:
        """CAIP-19 ids of what movements are recorded of: every asset with rules."""
        return self.deposit_rules.assets

    @property
    def followed(self) -> Followed:
        """As it is read again after a restore."""
        return Followed(self.node, self.chain, self.assets, self.start_height)


@dataclass(frozen=True, slots=True, repr=False)
class Runtime:
    """Everything one process works with. Has no readable ``repr``: its settings hold passwords."""

    settings: Settings
    database: Database
    chains: Mapping[str, ServedChain]
    """By CAIP-2 id, in the order of the settings; one at least."""
    registered: tuple[Asset, ...] | None = None
    """What the trust root registers; None before there is one: then each chain's own asset counts alone."""

    @property
    def is_mainnet(self) -> bool:
        """Whether any of the chains is one where money is worth something."""
        return any(each.name not in TEST_NETWORKS for each in self.chains.values())

    def of(self, chain: str) -> ServedChain:
        """The chain of this CAIP-2 id. Raises ``ChainNotServed``."""
        if chain not in self.chains:
            raise ChainNotServed("not a chain this house serves", field="chain", chain=chain)
        return self.chains[chain]

    def chosen(self, name: str | None, *, field: str = "chain") -> ServedChain:
        """The chain people mean by a short name or CAIP-2 id; without one, the only chain. Raises ``InvalidInput``."""
        for served in self.chains.values():
            if name in (served.name, served.chain) or (not name and len(self.chains) == 1):
                return served
        accepted = ", ".join(served.name for served in self.chains.values())
        problem = "not a chain this house serves" if name else "missing where several chains are served"
        raise InvalidInput(f"{problem}; accepted is {accepted}", field=field)

    @property
    def only(self) -> ServedChain:
        """The one chain of a house that serves one. Raises ``InvalidInput`` where it serves several."""
        return self.chosen(None)

    @property
    def terms(self) -> dict[str, Terms]:
        """Each chain's terms of spending, by its CAIP-2 id."""
        return {chain: served.spend_rules.terms for chain, served in self.chains.items()}

    @property
    def deadlines(self) -> dict[str, Deadlines]:
        """Each chain's deadlines, by its CAIP-2 id."""
        return {chain: served.deadlines for chain, served in self.chains.items()}

    @property
    def seal_key(self) -> bytes:
        """The key under which addresses are sealed; it is not in the database."""
        return self.settings.seal_key

    @property
    def lease(self) -> timedelta:
        """How long a message may be on the broker before it is published again."""
        return timedelta(seconds=self.settings.lease_seconds)


def start(*, process: str, pool_size: int = 5) -> Runtime:
    """Read the settings, configure logging and put the parts together. Raises ``ConfigError``."""
    settings = read_settings()
    configure(settings.log_format, process=process)
    tracing.start(process)
    return assemble(settings, pool_size=pool_size)


def read_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """The settings; a network that is known and not served is refused by name. Raises ``ConfigError``."""
    setting, names = configuration.named_networks(environment)
    for name in names:
        try:
            chain_named(name)
        except InvalidInput as unknown:
            raise ConfigError(setting, unknown.message) from None
    return configuration.load(environment)


def assemble(settings: Settings, *, pool_size: int = 5) -> Runtime:
    """The parts for ``settings``; nothing is connected to yet. Raises ``ConfigError``."""
    chains = _serve_all(settings, ())
    _expect_known(settings, chains)
    return Runtime(
        settings=settings,
        database=Database(
            settings.database_url,
            pool_size=pool_size,
            clock_offset=settings.clock_offset,
            around=tracing.unit,
        ),
        chains=chains,
    )


def _expect_known(settings: Settings, chains: Mapping[str, ServedChain]) -> None:
    """A size of what nobody is ever paid would ask for nothing, and say nothing of it. Raises ``ConfigError``."""
    known = {
        *(each.addressing.native.code for each in chains.values()),
        *(asset.code for asset in settings.assets.values()),
    }
    for code in settings.read_out:
        if code not in known:
            accepted = ", ".join(sorted(known))
            raise ConfigError(configuration.READ_OUT_FROM, f"no asset here is called {code}; accepted are {accepted}")


def with_registered(runtime: Runtime) -> Runtime:
    """The runtime with what the trust root registers on its chains, as far as one is in force.

    Raises ``ConfigError`` where a registered asset has no rules in the list, or is listed as something else.
    """
    with runtime.database.unit() as unit:
        registered = registered_assets(unit.session)
    if registered is None:
        return runtime
    return replace(runtime, chains=_serve_all(runtime.settings, registered), registered=registered)


def nodes(runtime: Runtime) -> Nodes:
    """Every node of this process, to be asked where it stands."""
    return Nodes({chain: served.node for chain, served in runtime.chains.items()})


def sandbox(runtime: Runtime, chain: str) -> Sandbox:
    """The node of that network of one's own, to be told what to do; nothing is asked yet. Raises ``InvalidInput``."""
    (url,) = [each.rpc_url for each in runtime.settings.chains if each.network == runtime.of(chain).name]
    return sandboxed(chain, NodeAddress(url, timeout_seconds=CANNOT_USE_NODE_IN_TIME))


def readiness(runtime: Runtime, asked: Nodes) -> Ready:
    """Whether this process can do its work, to be asked by anybody."""
    names = {chain: served.name for chain, served in runtime.chains.items()}
    return Ready(runtime.database, asked, names=names, broker_url=runtime.settings.broker_url)


def metrics_page(runtime: Runtime, asked: Nodes) -> Page:
    """The page of metrics of this house, with what this process counts of itself."""
    from custody.telemetry.page import Page, Watched

    blocks = {settings.network: settings.block for settings in runtime.settings.chains}
    limits = {
        chain: ChainLimits.of(
            served.name,
            block_interval_seconds=blocks[served.name].block_interval_seconds,
            is_test=blocks[served.name].is_test,
        )
        for chain, served in runtime.chains.items()
    }
    every = timedelta(seconds=runtime.settings.reconcile_seconds)
    return Page(Watched(runtime.database, asked, limits, runtime.deadlines, every))


def _serve_all(settings: Settings, registered: Sequence[Asset]) -> dict[str, ServedChain]:
    served = [_serve(chain, settings, registered) for chain in settings.chains]
    return {chain.chain: chain for chain in served}


def notice_restored(runtime: Runtime) -> None:
    """Every process asks as it starts whether this is the database that ran before (custody.restore)."""
    with runtime.database.unit() as unit:
        restore.notice(unit.session, now=unit.now)


def _serve(chain: ChainSettings, settings: Settings, registered: Sequence[Asset]) -> ServedChain:
    where = addressing(chain_named(chain.network))
    rules = {where.native.id: deposit_rules(chain.block)}
    rules |= {asset.id: _rules_of(asset, settings, chain.block) for asset in _beside(where, registered)}
    terms = _carrying(where.chain, chain.block)
    address = NodeAddress(
        chain.rpc_url,
        second_url=chain.second_rpc_url,
        assets=tuple(rules),
        timeout_seconds=CANNOT_USE_NODE_IN_TIME,
    )
    try:
        node = open_chain(where.chain, address)
    except ValueError:
        raise ConfigError(chain.rpc_setting, "accepted is http://USER:PASSWORD@HOST:PORT") from None
    return ServedChain(
        addressing=where,
        node=node,
        spend_rules=replace(
            spend_rules(where.chain, chain.block, stock_low_mark=settings.stock_low_mark),
            asset_tiers={asset: _tiers(found.tiers) for asset, found in rules.items()},
        ),
        deposit_rules=DepositRules(rules, Finality(chain.block.finality)),
        deadlines=Deadlines(**asdict(chain.block.deadlines)),
        start_height=chain.start_height,
        compare_every=chain.block.compare_every,
        doorbell_url=chain.doorbell_url,
        inspect=inspector(where.chain, address),
        has_code=code_reader(where.chain, address),
        carrier=_carrier(where.chain, chain, address, terms),
        is_carried=terms is not None,
        client_bears_fees=terms is None or terms.fees_billed,
    )


def _carrying(chain: str, block: ChainConfig) -> PayerRules | None:
    """By which rules spends are carried; None where the vault bears its fees."""
    who = payer(chain)
    return None if who is None else who.rules(asdict(block), required_depth=block.tiers[-1].confirmations)


def _carrier(chain: str, settings: ChainSettings, address: NodeAddress, terms: PayerRules | None) -> Carrier | None:
    """Who carries, where spends are carried and the key is in this process's settings. Raises ``ConfigError``."""
    who = payer(chain)
    if who is None or terms is None or settings.payer_key is None:
        return None
    try:
        key = who.open_key(settings.payer_key.hex())
    except InvalidInput as error:
        raise ConfigError(f"{settings.network}.payer_key", error.message) from None
    return Carrier(open_carrier(chain, address), key, terms)


def _beside(where: Addressing, registered: Sequence[Asset]) -> list[Asset]:
    """What is registered on the chain beside its own asset, which must be registered as what it is."""
    here = [asset for asset in registered if asset.chain == where.chain]
    for asset in here:
        if asset.id == where.native.id and asset != where.native:
            raise _differs("trust_root.assets", asset, where.native.code, where.native.decimals)
        try:
            where.most_units(asset.id)
        except InvalidInput as none:
            raise ConfigError("trust_root.assets", f"{asset.id}: {none.message}") from None
    return [asset for asset in here if asset.id != where.native.id]


def _rules_of(asset: Asset, settings: Settings, block: ChainConfig) -> AssetRules:
    listed = {each.lower(): found for each, found in settings.assets.items()}.get(asset.id.lower())
    if listed is None:
        raise ConfigError(ASSETS_FILE, f"has no rules for {asset.id}, which the trust root registers as {asset.code}")
    if listed.id != asset.id:
        raise ConfigError(ASSETS_FILE, f"{listed.id} is written {asset.id} in the trust root")
    if (listed.code, listed.decimals) != (asset.code, asset.decimals):
        raise _differs(ASSETS_FILE, asset, listed.code, listed.decimals)
    return AssetRules(
        dust_units=listed.dust_units,
        coinbase_maturity=block.coinbase_maturity,
        tiers=tuple(Tier(tier.below_units, tier.confirmations) for tier in listed.tiers),
        fee_on_transfer=listed.fee_on_transfer,
    )


def _tiers(tiers: Sequence[Tier]) -> tuple[tuple[int | None, int], ...]:
    return tuple((tier.below_units, tier.confirmations) for tier in tiers)


def _differs(setting: str, asset: Asset, code: str, decimals: int) -> ConfigError:
    said = f"{asset.code} with {asset.decimals} decimals in the trust root, {code} with {decimals} here"
    return ConfigError(setting, f"{asset.id} is {said}")


def spend_rules(chain: str, block: ChainConfig, *, stock_low_mark: int) -> SpendRules:
    """The chain's block as spends reads it."""
    return SpendRules(
        terms=spending(chain).terms(asdict(block)),
        coinbase_maturity=block.coinbase_maturity,
        tiers=tuple((tier.below_units, tier.confirmations) for tier in block.tiers),
        stock_low_mark=stock_low_mark,
        finality=Finality(block.finality),
    )


def deposit_rules(chain: ChainConfig) -> AssetRules:
    """The chain's block as deposits of the chain's own asset read it."""
    return AssetRules(
        dust_units=chain.dust_units,
        coinbase_maturity=chain.coinbase_maturity,
        tiers=tuple(Tier(tier.below_units, tier.confirmations) for tier in chain.tiers),
    )
