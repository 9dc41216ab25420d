"""A process that follows an Ethereum chain: reads blocks and takes up what they brought, until there is no more.

What a worker does after each block, without a broker, so that it can be killed and forked again many times a second.
"""

from __future__ import annotations

import os
from typing import Final

from custody.chains.ethereum.adapter import EthereumAdapter
from custody.chains.ethereum.offline.network import network
from custody.chains.ethereum.rpc import Rpc
from custody.db import Database
from custody.deposits import operations as deposits
from custody.deposits.model import AssetRules, DepositRules, Tier
from custody.movements.scan import scan

NETWORK: Final = network("anvil")
CHAIN: Final = NETWORK.chain
DEPTH: Final = 12
BLOCKS_AT_ONCE: Final = 20
"""Each time the last six are read again, as after every ring."""
DATABASE, NODE, TOKEN, START = (f"FOLLOWING_{name}" for name in ("DATABASE", "NODE", "TOKEN", "START"))


def rules_for(token: str) -> DepositRules:
    """Ether and one token, each credited ``DEPTH`` blocks deep; nothing is dust."""
    rules = AssetRules((Tier(None, DEPTH),), dust_units=0, coinbase_maturity=1)
    return DepositRules({NETWORK.asset.id: rules, token: rules})


def reader_at(url: str, token: str) -> EthereumAdapter:
    """The node's reader, which shows ether and this token."""
    return EthereumAdapter(Rpc(url), network=NETWORK, assets=[token])


def follow(database: Database, reader: EthereumAdapter, rules: DepositRules, *, start_height: int) -> None:
    """Read to the tip, a few blocks at a time, and credit after each few what is deep enough."""
    more = True
    while more:
        more = scan(
            reader,
            database,
            chain=CHAIN,
            assets=rules.assets,
            start_height=start_height,
            limit_blocks=BLOCKS_AT_ONCE,
        ).more
        with database.unit() as unit:
            deposits.advance(unit.session, chain=CHAIN, config=rules, actor="chain", now=unit.now)


def main() -> int:
    """Follow what the environment names; 0 at the tip."""
    token = os.environ[TOKEN]
    reader = reader_at(os.environ[NODE], token)
    follow(Database(os.environ[DATABASE]), reader, rules_for(token), start_height=int(os.environ[START]))
    return 0
