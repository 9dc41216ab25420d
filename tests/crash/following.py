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
from custody.movements.scan import scan
from tests.chains.ethereum.conftest import token_id
from tests.integration.evm.house import House, rules_for

BLOCKS_AT_ONCE: Final = 20
"""Each time the last six are read again, as after every ring."""
_DATABASE, _NODE, _TOKEN, _START = (f"FOLLOWING_{name}" for name in ("DATABASE", "NODE", "TOKEN", "START"))


def environment(house: House) -> dict[str, str]:
    """What such a process of the house is told."""
    return {
        _DATABASE: house.database.app_url,
        _NODE: house.anvil.url,
        _TOKEN: token_id(house.token),
        _START: str(house.start),
    }


def main() -> int:
    """Read to the tip, a few blocks at a time, and credit after each few what is deep enough; 0 at the tip."""
    token = os.environ[_TOKEN]
    reader = EthereumAdapter(Rpc(os.environ[_NODE]), network=network("anvil"), assets=[token])
    database, rules, more = Database(os.environ[_DATABASE]), rules_for([token]), True
    while more:
        more = scan(
            reader,
            database,
            chain=reader.chain,
            assets=rules.assets,
            start_height=int(os.environ[_START]),
            limit_blocks=BLOCKS_AT_ONCE,
        ).more
        with database.unit() as unit:
            deposits.advance(unit.session, chain=reader.chain, config=rules, actor="chain", now=unit.now)
    return 0
