"""Clients with their money in many coins, so that many payments can leave at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from demo.servers import btc
from tests.crash.live import Live
from tests.crash.roads import DEPOSIT_DEPTH

BRANCH = 7
"""Of the first client; the others follow."""


def fund_in_coins(live: Live, wanted_sat: Mapping[str, Sequence[int]]) -> None:
    """Open each client and credit it one deposit of each amount, out of one transaction per client."""
    house = live.house
    outputs: list[dict[str, str]] = []
    for number, (client, amounts_sat) in enumerate(wanted_sat.items()):
        house.open_client(client, branch=BRANCH + number, stock=len(amounts_sat) + 1)
        outputs.append({house.address(client).address: btc(amount) for amount in amounts_sat})
    live.deliver()
    with live.chain.still:
        faucet = live.chain.node.fund()
        live.chain.mine(*(faucet.rpc("sendmany", "", one) for one in outputs))
    for _ in range(DEPOSIT_DEPTH - 1):
        live.chain.mine()
    live.scan()
    for client, amounts_sat in wanted_sat.items():
        assert house.balance(client) == (sum(amounts_sat), 0)
