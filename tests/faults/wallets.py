"""A client with its money in many coins, so that many payments can leave at once."""

from __future__ import annotations

from collections.abc import Sequence

from demo.servers import btc
from tests.crash.live import Live
from tests.crash.roads import DEPOSIT_DEPTH


def fund_in_coins(live: Live, client: str, amounts_sat: Sequence[int]) -> None:
    """Open ``client`` and credit it one deposit of each amount."""
    house = live.house
    house.open_client(client, branch=7, stock=len(amounts_sat) + 1)
    live.deliver()
    wanted = {house.address(client).address: btc(amount) for amount in amounts_sat}
    with live.chain.still:
        live.chain.mine(live.chain.node.fund().rpc("sendmany", "", wanted))
    for _ in range(DEPOSIT_DEPTH - 1):
        live.chain.mine()
    live.scan()
    assert house.balance(client) == (sum(amounts_sat), 0)
