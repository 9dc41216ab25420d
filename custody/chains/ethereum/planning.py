"""Planning a payment: which Safe pays it, at which nonce, and whether it would succeed. Asks the node, writes nothing.

A nonce is believed when the Safe's storage and our own count agree on it at one block: where they differ, somebody used
one we have not read of, or the node is behind. The payment is tried at that block as a call from the Safe, so a token
that is paused or blocks somebody is found out before anything is signed. That says nothing of later blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from custody.chains.ethereum.offline.address import checksum_address, parse_address
from custody.chains.ethereum.offline.erc20 import encode_transfer
from custody.chains.ethereum.offline.network import Network
from custody.chains.ethereum.offline.safe_tx import SafeTx
from custody.chains.port import NodeStatus
from custody.chains.spending import (
    Account,
    Candidates,
    CannotReplace,
    FeeOverCap,
    NothingFree,
    Order,
    Plan,
    Share,
    Shares,
    Terms,
    Turn,
    TurnTaken,
    WouldFail,
)
from custody.kernel.errors import InvalidInput, Unavailable

GAS: Final = 100_000
"""Expected of one payment, from above; composing it says more exactly."""

_TRUE: Final = (1).to_bytes(32, "big")


class TurnUnknown(Unavailable):
    """The chain counts another turn than we do: a block is not read yet, or the node is behind."""

    code = "turn-unknown"


class PlanningNode(Protocol):
    """What planning asks of a node."""

    def require_ready(self) -> NodeStatus:
        """The status of a node that may be believed. Raises ``WrongNetwork`` or ``NodeNotReady``."""

    def nonce_of(self, safe: str, *, block_hash: str) -> int:
        """The nonce of a Safe's next SafeTx, by its storage."""

    def try_call(self, call: SafeTx, *, sender: str, block_hash: str) -> bytes | str:
        """What a call from ``sender`` answers at a block, or in words why it fails."""


def plan(node: PlanningNode, network: Network, candidates: Candidates) -> Plan:
    """One turn of an account that covers the order; of the attempts before it where it pays nobody.

    Raises ``NodeNotReady``, ``NothingFree``, ``TurnTaken``, ``TurnUnknown``, ``WouldFail``, and ``CannotReplace`` for
    an order that was composed before and still pays: an intent keeps its nonce and its bytes.
    """
    order = candidates.order
    block_hash = node.require_ready().hash
    if candidates.earlier or order.pays_nobody:
        turn = _turn_before(candidates)
    else:
        turn = _turn_of(choose(candidates.accounts, order, network))
    found = node.nonce_of(turn.account, block_hash=block_hash)
    if found != turn.number:
        raise TurnUnknown(
            f"the chain counts turn {found} and we {turn.number}: wait until all blocks are read",
            account=turn.account,
            chain=order.chain,
        )
    if not order.pays_nobody:
        _expect_success(node, network, order, turn.account, block_hash)
    return Plan(order, (turn,), None, GAS)


def choose(accounts: Sequence[Account], order: Order, network: Network) -> Account:
    """The account that pays: the first index that covers the order alone, of several the one with least to spare.

    An order that is to leave nothing waits for the one account of all that has least to spare.

    Raises ``NothingFree`` where none covers it, ``TurnTaken`` where every one that does has a turn under way.
    """
    covering = [account for account in accounts if account.units >= order.units]
    if not covering:
        most = max((account.units for account in accounts), default=0)
        together = sum(account.units for account in accounts)
        raise NothingFree(
            f"no account of the vault has {order.units} units free; the most is {most}, all together {together}",
            have_units=most,
            need_units=order.units,
            asset=order.asset,
            chain=network.chain,
        )
    if order.leaves_nothing:
        covering = [min(covering, key=lambda account: (account.units - order.units, account.index, account.address))]
    free = [account for account in covering if not account.busy]
    if not free:
        taken = _turn_of(covering[0])
        raise TurnTaken(f"turn {taken.number} of {taken.account} is not over", claim=taken.claim, chain=network.chain)
    return min(free, key=lambda account: (account.index, account.units, account.address))


def share(candidates: Candidates, *, terms: Terms, rate: int) -> Shares:
    """One payment for each account that is free and has anything: all of it, as far as the order's units go.

    ``rate`` is wei per gas. What one costs is the payer's; an account that is not worth a cap's share of it is left.
    """
    order, found, left_units = candidates.order, [], 0
    rest, fee = order.units, max(GAS * rate, 1)
    native = not order.asset.startswith(f"{order.chain}/erc20:")
    for account in sorted(candidates.accounts, key=lambda each: (-each.units, each.address)):
        units = min(account.units, rest)
        if not units or account.busy:
            continue
        try:
            terms.check_fee(fee_units=fee, weight=GAS, paid_units=units if native else None, ceiling_units=None)
        except FeeOverCap:
            left_units += units
            continue
        found.append(Share(units, fee, frozenset({account.address})))
        rest -= units
    return Shares(tuple(found), left_units)


def call_of(order: Order, network: Network, *, nonce: int) -> SafeTx:
    """What an order's payment asks its Safe to do. Raises ``InvalidInput``."""
    if len(order.locator) != 20:
        raise InvalidInput(f"{len(order.locator)} bytes; accepted are 20", field="order.locator")
    recipient = checksum_address(order.locator)
    if order.asset == network.asset.id:
        return SafeTx(to=recipient, value=order.units, data=b"", nonce=nonce)
    token = contract_of(order.asset, network)
    return SafeTx(to=token, value=0, data=encode_transfer(recipient, order.units), nonce=nonce)


def contract_of(asset: str, where: Network) -> str:
    """The contract in a token's CAIP-19 id, which has one form. Raises ``InvalidInput``."""
    contract = asset.removeprefix(f"{where.chain}/erc20:")
    if contract == asset:
        raise InvalidInput(f"accepted are {where.asset.id} and {where.chain}/erc20:0x…", field="asset")
    if parse_address(contract, field="asset") != contract:
        raise InvalidInput("without its EIP-55 checksum", field="asset")
    return contract


def _turn_before(candidates: Candidates) -> Turn:
    if not candidates.order.pays_nobody:
        raise CannotReplace("what was signed stays as it is; whoever carries it out may pay more for it")
    if not candidates.earlier:
        raise CannotReplace("nothing was composed that could be used up")
    turn = candidates.earlier[0].inputs[0]
    if not isinstance(turn, Turn):
        raise TypeError("an input that is no turn")
    return turn


def _turn_of(account: Account) -> Turn:
    return Turn(account.address, account.next_turn, client=account.client, index=account.index)


def _expect_success(node: PlanningNode, network: Network, order: Order, safe: str, block_hash: str) -> None:
    answer = node.try_call(call_of(order, network, nonce=0), sender=safe, block_hash=block_hash)
    if isinstance(answer, str):
        raise WouldFail(f"the payment would fail: {answer}", account=safe, asset=order.asset, chain=network.chain)
    if order.asset != network.asset.id and answer not in (b"", _TRUE):
        raise WouldFail("the token would not pay and say so", account=safe, asset=order.asset, chain=network.chain)
