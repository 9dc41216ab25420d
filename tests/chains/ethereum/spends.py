"""A vault on Ethereum whose keys anybody can know, and plans of payments out of it."""

from __future__ import annotations

from typing import Final

import coincurve

from custody.chains.ethereum.offline.signer import signature_over
from custody.chains.ethereum.spending import EthereumSpending
from custody.chains.spending import Order, Plan, Turn
from custody.evidence.keysets import Keyset, KeysetCosigner
from tests.chains.ethereum.offline.builders import ANVIL, ETHER, PAYEE, SAFE, secret

NAMES: Final = ("ann", "ben", "cem")
SPENDING: Final = EthereumSpending(ANVIL.chain)


def member(name: str) -> KeysetCosigner:
    """The cosigner with the key of ``secret(name)``."""
    point = coincurve.PrivateKey(secret(name)).public_key.format().hex()
    return KeysetCosigner(name, f"account of {name}", point)


KEYSET: Final = Keyset("k1", ANVIL.chain, 2, tuple(member(name) for name in NAMES), "not read here")
"""Its Safe for acme is the ``SAFE`` of the other tests."""


def turn(number: int = 0) -> Turn:
    """Acme's Safe at this nonce."""
    return Turn(SAFE, number, client="acme", index=0)


def plan(units: int = 10**18, *, to: str = PAYEE, asset: str = ETHER, number: int = 0) -> Plan:
    """A payment out of acme's Safe."""
    order = Order("wdr_1", "k1/0", ANVIL.chain, asset, bytes.fromhex(to[2:]), units, 10**16)
    return Plan(order, (turn(number),), None, 0)


def signed(spend: str, name: str) -> str:
    """What the cosigner returns: its signature over the spend's id."""
    return "0x" + signature_over(bytes.fromhex(spend[2:]), secret(name)).hex()
