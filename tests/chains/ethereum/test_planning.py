"""Which account pays, at which turn, and what the node is asked before anything is signed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custody.chains.ethereum.offline.safe_tx import SafeTx
from custody.chains.ethereum.planning import GAS, TurnUnknown, choose, plan, share
from custody.chains.ethereum.terms import EthereumTerms
from custody.chains.port import NodeStatus, NodeUnavailable
from custody.chains.spending import (
    Account,
    Candidates,
    CannotReplace,
    Earlier,
    NothingFree,
    Order,
    TurnTaken,
    WouldFail,
)
from demo.evm.node import FAUCET
from demo.servers import Anvil
from tests.chains.ethereum.conftest import ANVIL, NATIVE, Limited, adapter_for, token_id
from tests.chains.ethereum.offline.builders import PAYEE, SAFE, TOKEN
from tests.chains.ethereum.spends import KEYSET, turn

ORDER = Order("wdr_1", "k1/0", ANVIL.chain, NATIVE, bytes.fromhex(PAYEE[2:]), 100, 10**16)
ACCOUNT = Account(bytes.fromhex(SAFE[2:]), SAFE, 0, "acme", 100, 100, next_turn=4, busy=False)


class Told:
    """A node that answers what it is told to, and says what it was asked."""

    def __init__(self, *, nonce: int = 4, answer: bytes | str = b"") -> None:
        self.nonce, self.answer, self.tried = nonce, answer, list[SafeTx]()

    def require_ready(self) -> NodeStatus:
        return NodeStatus(ANVIL.chain, 1, "0x01", 1, synced=True, genesis_ok=True)

    def nonce_of(self, safe: str, *, block_hash: str) -> int:
        assert (safe, block_hash) == (SAFE, "0x01")
        return self.nonce

    def try_call(self, call: SafeTx, *, sender: str, block_hash: str) -> bytes | str:
        assert (sender, block_hash) == (SAFE, "0x01")
        self.tried.append(call)
        return self.answer


def candidates(order: Order = ORDER, *accounts: Account, earlier: tuple[Earlier, ...] = ()) -> Candidates:
    return Candidates(order, (), earlier, KEYSET, 0, accounts or (ACCOUNT,))


accounts = st.builds(
    lambda number, index, units, busy: replace(
        ACCOUNT, address=f"0x{number:040x}", index=index, units=units, busy=busy
    ),
    st.integers(0, 50),
    st.integers(0, 3),
    st.integers(0, 300),
    st.booleans(),
)


@given(st.lists(accounts, max_size=8))
def test_chooses_the_first_that_covers_and_is_free(found: list[Account]) -> None:
    able = [item for item in found if item.units >= ORDER.units]
    if not able:
        with pytest.raises(NothingFree) as nothing:
            choose(found, ORDER, ANVIL)
        assert not isinstance(nothing.value, TurnTaken)
    elif all(item.busy for item in able):
        with pytest.raises(TurnTaken):
            choose(found, ORDER, ANVIL)
    else:
        chosen = choose(found, ORDER, ANVIL)
        free = [item for item in able if not item.busy]
        assert chosen in free
        assert chosen.index == min(item.index for item in free)
        assert chosen.units == min(item.units for item in free if item.index == chosen.index)


def test_what_is_to_leave_nothing_waits_for_the_account_it_empties() -> None:
    order = replace(ORDER, leaves_nothing=True)
    rich, exact = replace(ACCOUNT, units=900), replace(ACCOUNT, index=3, address=PAYEE)
    assert choose([rich, exact], ORDER, ANVIL) == rich
    assert choose([rich, exact], order, ANVIL) == exact
    with pytest.raises(TurnTaken):
        choose([rich, replace(exact, busy=True)], order, ANVIL)


def test_shares_a_vault_by_its_free_accounts_up_to_what_may_leave() -> None:
    found = [
        replace(ACCOUNT, address=f"0x{place:040x}", units=units, busy=busy)
        for place, (units, busy) in enumerate([(500, False), (900, False), (700, True), (0, False)])
    ]
    terms = EthereumTerms(absolute_wei=10**17, rate_wei_gas=10**12, share_bps=10_000)
    tokens = replace(ORDER, asset=token_id(TOKEN), units=1_200)
    shares = share(candidates(tokens, *found), terms=terms, rate=7).shares
    assert [(each.units, each.fee_units, len(each.takes)) for each in shares] == [(900, 7 * GAS, 1), (300, 7 * GAS, 1)]
    ether = share(candidates(replace(ORDER, units=2_000), *found), terms=terms, rate=7)
    assert (ether.shares, ether.left_units) == ((), 1_400), "less than the gas of moving it is left"


def test_takes_the_next_turn_of_one_account() -> None:
    node = Told()
    planned = plan(node, ANVIL, candidates())
    assert (planned.claims, planned.change_units) == ((f"{SAFE}#4",), None)
    assert node.tried == [SafeTx(to=PAYEE, value=100, data=b"", nonce=0)]


@pytest.mark.parametrize("nonce", [3, 5])
def test_waits_where_the_chain_counts_otherwise(nonce: int) -> None:
    with pytest.raises(TurnUnknown):
        plan(Told(nonce=nonce), ANVIL, candidates())


def test_says_why_the_payment_would_fail() -> None:
    with pytest.raises(WouldFail, match="execution reverted: paused"):
        plan(Told(answer="execution reverted: paused"), ANVIL, candidates())


@pytest.mark.parametrize("answer", [bytes(32), b"\x01", bytes(64), (2).to_bytes(32, "big")])
def test_a_token_must_say_nothing_or_yes(answer: bytes) -> None:
    order = replace(ORDER, asset=token_id(TOKEN))
    with pytest.raises(WouldFail, match="would not pay and say so"):
        plan(Told(answer=answer), ANVIL, candidates(order))
    for good in (b"", (1).to_bytes(32, "big")):
        assert plan(Told(answer=good), ANVIL, candidates(order)).claims == (f"{SAFE}#4",)


def test_gives_up_at_the_turn_that_was_composed_and_tries_nothing() -> None:
    order, node = replace(ORDER, pays_nobody=True), Told(nonce=2)
    earlier = Earlier("0xab", (turn(2),), 0, 0)
    assert plan(node, ANVIL, candidates(order, earlier=(earlier,))).inputs == (turn(2),)
    assert node.tried == []
    with pytest.raises(CannotReplace, match="nothing was composed"):
        plan(node, ANVIL, candidates(order))
    with pytest.raises(CannotReplace, match="stays as it is"):
        plan(node, ANVIL, candidates(ORDER, earlier=(earlier,)))


def test_asks_a_real_node(anvil: Anvil) -> None:
    node = adapter_for(anvil)
    tip = node.status().hash
    assert node.nonce_of(SAFE, block_hash=tip) == 0
    pay = SafeTx(to=PAYEE, value=5, data=b"", nonce=0)
    assert node.try_call(pay, sender=FAUCET, block_hash=tip) == b""
    assert "insufficient" in str(node.try_call(pay, sender=SAFE, block_hash=tip)).lower()
    ask = SafeTx(to=PAYEE, value=0, data=b"\xa9\x05\x9c\xbb", nonce=0)
    assert node.try_call(ask, sender=FAUCET, block_hash=tip) == "there is no contract"
    busy = adapter_for(anvil, rpc=Limited(anvil.url, refusing={"eth_call": "rate limit exceeded"}))
    with pytest.raises(NodeUnavailable, match="rate limit"):
        busy.try_call(pay, sender=FAUCET, block_hash=tip)
