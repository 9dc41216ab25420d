"""The composition root: settings in, a ``Runtime`` out. The only place that knows which parts are real."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import timedelta

from config import settings as configuration
from config.chains import ChainConfig
from config.logging import configure
from config.settings import Settings
from custody.chains.addressing import Addressing
from custody.chains.port import ChainNode
from custody.chains.registry import NodeAddress, addressing, chain_named, open_chain, spending
from custody.chains.spending import SpendRules, Terms
from custody.db import Database
from custody.deposits.model import AssetRules, DepositRules, Tier
from custody.reconciliation.stuck import Deadlines
from custody.restore import operations as restore

CANNOT_USE_NODE_IN_TIME = 10.0
"""Seconds a node may take for an ordinary question before it counts as silent."""


@dataclass(frozen=True, slots=True, repr=False)
class Runtime:
    """Everything one process works with. Has no readable ``repr``: its settings hold passwords."""

    settings: Settings
    database: Database
    node: ChainNode
    addressing: Addressing
    spend_rules: SpendRules
    deposit_rules: DepositRules
    deadlines: Deadlines

    @property
    def chain(self) -> str:
        """CAIP-2 id of the one chain this runtime serves."""
        return self.addressing.chain

    @property
    def assets(self) -> frozenset[str]:
        """CAIP-19 ids of what movements are recorded of: every asset with rules."""
        return self.deposit_rules.assets

    @property
    def terms(self) -> dict[str, Terms]:
        """Each chain's terms of spending, by its CAIP-2 id."""
        return {self.chain: self.spend_rules.terms}

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
    settings = configuration.load()
    configure(settings.log_format, process=process)
    return assemble(settings, pool_size=pool_size)


def assemble(settings: Settings, *, pool_size: int = 5) -> Runtime:
    """The parts for ``settings``; nothing is connected to yet."""
    where = addressing(chain_named(settings.network))
    return Runtime(
        settings=settings,
        database=Database(settings.database_url, pool_size=pool_size, clock_offset=settings.clock_offset),
        node=open_chain(where.chain, NodeAddress(settings.bitcoin_rpc_url, timeout_seconds=CANNOT_USE_NODE_IN_TIME)),
        addressing=where,
        spend_rules=spend_rules(where.chain, settings.chain, stock_low_mark=settings.stock_low_mark),
        deposit_rules=DepositRules({where.native.id: deposit_rules(settings.chain)}),
        deadlines=Deadlines(**asdict(settings.chain.deadlines)),
    )


def notice_restored(runtime: Runtime) -> None:
    """Every process asks as it starts whether this is the database that ran before (custody.restore)."""
    with runtime.database.unit() as unit:
        restore.notice(unit.session, now=unit.now)


def spend_rules(chain: str, block: ChainConfig, *, stock_low_mark: int) -> SpendRules:
    """The chain's block as spends reads it."""
    return SpendRules(
        terms=spending(chain).terms(asdict(block)),
        coinbase_maturity=block.coinbase_maturity,
        tiers=tuple((tier.below_sat, tier.confirmations) for tier in block.tiers),
        stock_low_mark=stock_low_mark,
    )


def deposit_rules(chain: ChainConfig) -> AssetRules:
    """The chain's block as deposits of the chain's own asset read it."""
    return AssetRules(
        dust_units=chain.dust_sat,
        coinbase_maturity=chain.coinbase_maturity,
        tiers=tuple(Tier(tier.below_sat, tier.confirmations) for tier in chain.tiers),
    )
