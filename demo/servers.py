"""The real servers the demo and the tests run on: start, stop, kill, restart, and where they are."""

from demo.anvil import Anvil
from demo.bitcoind import Bitcoind, NodeRefused, NodeWallet, btc, sat
from demo.broker import Broker
from demo.child import ServerFailed
from demo.postgres import APPLICATION, OWNER, Postgres

__all__ = [
    "APPLICATION",
    "OWNER",
    "Anvil",
    "Bitcoind",
    "Broker",
    "NodeRefused",
    "NodeWallet",
    "Postgres",
    "ServerFailed",
    "btc",
    "sat",
]
