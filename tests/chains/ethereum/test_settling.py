"""What arrived counts, not what was told: tokens that lie, nodes without traces, and catching up after an outage."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from custody.chains.ethereum.settling import settled, told, untold
from custody.chains.port import Block, ChainTransaction, Credit, Debit, Doubt, StateForgotten
from demo.servers import Anvil
from tests.chains.ethereum.conftest import (
    ETHER,
    NATIVE,
    NO_TRACES,
    Limited,
    adapter_for,
    credited,
    debited,
    newest,
    raw,
    token_id,
)
from tests.support.evm import deploy, deploy_token
from tests.support.safes import SafeTransaction, make_safe

CLIENT = "0x" + "55" * 20
OTHER = "0x" + "66" * 20
OURS = {raw(CLIENT), raw(OTHER)}
MINE = raw(CLIENT)
TOKEN = "eip155:31337/erc20:0x" + "70" * 20


def block_of(*transactions: ChainTransaction, is_complete: bool = True) -> Block:
    return Block(7, "0x07", "0x06", datetime(2026, 1, 1, tzinfo=UTC), transactions, is_complete)


def brings(txid: str, *units: int, asset: str = TOKEN) -> ChainTransaction:
    return ChainTransaction(
        txid, False, (), tuple(Credit(2 + 2 * place, MINE, asset, each) for place, each in enumerate(units))
    )


def takes(txid: str, units: int) -> ChainTransaction:
    return ChainTransaction(txid, False, (Debit(txid, 2, MINE, TOKEN, units, "spend"),), ())


def test_what_agrees_is_left_alone() -> None:
    block = block_of(brings("a", 5, 6), takes("b", 3))
    found = settled(block, arrived={(MINE, TOKEN): 8}, native=NATIVE)
    assert (found.block, found.doubts) == (block, ())


@pytest.mark.parametrize(
    ("arrived", "kept"),
    [(10, [[5, 5], []]), (5, [[5], []]), (3, [[3], []]), (0, [[], []]), (11, [[5, 6], []]), (13, [[5, 6], [2]])],
)
def test_less_than_was_told_cuts_the_last_credits_first(arrived: int, kept: list[list[int]]) -> None:
    block = block_of(brings("a", 5, 6), brings("b", 2))
    found = settled(block, arrived={(MINE, TOKEN): arrived}, native=NATIVE)
    assert [[credit.units for credit in each.credits] for each in found.block.transactions] == kept
    assert told(found.block, {MINE}) == ({(MINE, TOKEN): arrived} if arrived else {})
    assert found.doubts == (() if arrived == 13 else (Doubt(TOKEN, MINE, 13, arrived),))


def test_what_went_without_being_told_is_a_debit_of_no_spend() -> None:
    block = block_of(brings("a", 5), takes("b", 3))
    found = settled(block, arrived={(MINE, TOKEN): -10}, native=NATIVE)
    *others, last = found.block.transactions
    assert [each.credits for each in others] == [(), ()]
    assert others[1] == takes("b", 3)
    assert [(debit.units, debit.spend) for debit in last.debits] == [(7, last.txid)]


def test_what_came_without_being_told_is_a_credit_of_its_own() -> None:
    block = block_of(brings("a", 5))
    found = settled(block, arrived={(MINE, TOKEN): 9}, native=NATIVE)
    assert [credit.units for each in found.block.transactions for credit in each.credits] == [5, 4]
    names = [each.txid for each in found.block.transactions]
    assert len(set(names)) == 2
    assert settled(block, arrived={(MINE, TOKEN): 9}, native=NATIVE) == found


def test_ether_that_nobody_could_tell_is_no_doubt() -> None:
    block = block_of(brings("a", 5, asset=NATIVE), is_complete=False)
    assert settled(block, arrived={(MINE, NATIVE): 9}, native=NATIVE).doubts == ()
    whole = block_of(brings("a", 5, asset=NATIVE))
    assert settled(whole, arrived={(MINE, NATIVE): 9}, native=NATIVE).doubts == (Doubt(NATIVE, MINE, 5, 9),)


def test_what_is_untold_is_named_by_place_and_blocks() -> None:
    differences = {(MINE, TOKEN): 5, (MINE, NATIVE): -3, (raw(OTHER), TOKEN): 0}
    first = untold(differences, since="0x01", until="0x02")
    assert first == untold(differences, since="0x01", until="0x02")
    assert (
        len({each.txid for each in first} | {each.txid for each in untold(differences, since="0x02", until="0x03")})
        == 4
    )


@pytest.mark.parametrize(
    ("name", "told_units", "arrived"),
    [
        ("Token", [1_000], [1_000]),
        ("FeeToken", [990], [990]),
        ("LyingToken", [1_000], [500]),
        ("TwoLogsToken", [1_000, 1_000], [1_000]),
        ("NoReturnToken", [1_000], [1_000]),
        ("HookToken", [1_000], [1_000]),
    ],
)
def test_p002_p004_a_token_is_credited_for_what_arrived(
    anvil: Anvil, name: str, told_units: list[int], arrived: list[int]
) -> None:
    token = deploy_token(anvil, name)
    asset = token_id(token)
    node = adapter_for(anvil, token)
    token.transact("transfer", CLIENT, 1_000)
    block = newest(node)
    assert credited(block, CLIENT, asset) == told_units
    found = node.settle(block, OURS)
    assert credited(found.block, CLIENT, asset) == arrived
    said = Doubt(asset, MINE, sum(told_units), sum(arrived))
    assert found.doubts == ((said,) if told_units != arrived else ())


def test_p002_a_log_without_a_move_credits_nothing(anvil: Anvil) -> None:
    forger = deploy(anvil, "LogForger")
    forger.transact("moved", OTHER, CLIENT, 1_000)
    node = adapter_for(anvil, forger)
    silent = node.settle(newest(node), OURS)
    assert (credited(silent.block, CLIENT, token_id(forger)), silent.block.is_complete) == ([], False)
    assert sorted((doubt.told, doubt.arrived) for doubt in silent.doubts) == [(-1_000, 0), (1_000, 0)]
    rebasing = deploy_token(anvil, "RebasingToken")
    node = adapter_for(anvil, rebasing)
    rebasing.transact("rebase", 0, 1)
    with anvil.mining_by_hand():
        anvil.send(rebasing.address, data=rebasing.calldata("mint", CLIENT, 1_000), gas=200_000)
        anvil.mine()
    block = newest(node)
    assert credited(block, CLIENT, token_id(rebasing)) == [1_000]
    found = node.settle(block, OURS)
    assert credited(found.block, CLIENT, token_id(rebasing)) == []
    assert [(doubt.told, doubt.arrived) for doubt in found.doubts] == [(1_000, 0)]


def test_a_token_that_lies_takes_no_more_than_it_took(anvil: Anvil) -> None:
    token, safe = deploy_token(anvil, "LyingToken"), make_safe(anvil)
    node = adapter_for(anvil, token)
    token.transact("mint", safe.address, 100)
    safe.deploy()
    payment = SafeTransaction(token.address, data=token.calldata("transfer", CLIENT, 10))
    safe.execute(payment)
    found = node.settle(newest(node), {raw(safe.address), MINE})
    spend = "0x" + safe.hash(payment).hex()
    # The spend took what it said it takes; that half of it stayed came without being told.
    assert debited(found.block, safe.address, token_id(token)) == [(10, spend)]
    assert credited(found.block, safe.address, token_id(token)) == [5]
    assert credited(found.block, CLIENT, token_id(token)) == [5]


def test_without_traces_balances_tell_what_a_block_brought(anvil: Anvil) -> None:
    client = make_safe(anvil).address
    forwarder = deploy(anvil, "Forwarder")
    node = adapter_for(anvil, rpc=Limited(anvil.url, missing=NO_TRACES))
    anvil.transact(client, 1)
    assert credited(node.settle(newest(node), {raw(client)}).block, client) == [1]
    since = node.status().hash
    forwarder.transact("forward", client, amount_wei=5)
    block = newest(node)
    # No log, no trace: this block does not name the client at all.
    assert credited(node.settle(block, {raw(client)}).block, client) == []
    (brought,) = node.unseen({(raw(client), NATIVE): 1}, since=since, until=block.hash)
    assert [(credit.locator, credit.asset, credit.units) for credit in brought.credits] == [(raw(client), NATIVE, 5)]
    assert node.unseen({(raw(client), NATIVE): 6}, since=since, until=block.hash) == ()


def test_catching_up_over_blocks_that_were_forgotten_credits_everything_once(anvil: Anvil) -> None:
    class Forgetful(Limited):
        """A full node: it has the state of the newest blocks alone, and traces of none of the others."""

        oldest = 0

        def call(self, method, *params, timeout_seconds=None):
            named = next((each["blockHash"] for each in params if isinstance(each, dict) and "blockHash" in each), None)
            is_old = named is not None and self.height(named) < self.oldest
            self.refusing = {"eth_call": "missing trie node", "trace_block": "missing trie node"} if is_old else {}
            if method == "trace_block" and int(params[0], 16) < self.oldest:
                self.refusing = {"trace_block": "required historical state unavailable"}
            return super().call(method, *params, timeout_seconds=timeout_seconds)

        def height(self, block_hash):
            (answer,) = super().batch([("eth_getBlockByHash", (block_hash, False))])
            return int(answer["number"], 16)

    token, client, forwarder = deploy_token(anvil), make_safe(anvil).address, deploy(anvil, "Forwarder")
    rpc = Forgetful(anvil.url)
    node = adapter_for(anvil, token, rpc=rpc)
    node.require_ready()
    first, ours = anvil.height(), {raw(client)}
    since = node.status().hash
    anvil.transact(client, 1)
    forwarder.transact("forward", client, amount_wei=20)
    token.transact("transfer", client, 300)
    anvil.credit(client, 4_000)
    anvil.mine()
    forwarder.transact("forward", client, amount_wei=50_000)
    rpc.oldest = anvil.height() - 1
    recorded = {(raw(client), NATIVE): 0, (raw(client), token_id(token)): 0}
    completed = []
    for height in range(first + 1, anvil.height() + 1):
        found = node.settle(node.block(node.block_hash(height) or ""), ours)
        completed.append(found.block.is_complete)
        for place, units in told(found.block, ours).items():
            recorded[place] += units
    assert completed == [False, False, False, True, True]
    # Of a forgotten block ether that was sent is believed, and no token's word.
    assert recorded == {(raw(client), NATIVE): 50_001, (raw(client), token_id(token)): 0}
    rest = node.unseen(recorded, since=since, until=node.status().hash)
    assert sorted(credit.units for each in rest for credit in each.credits) == [300, 4_020]
    rpc.oldest = anvil.height() + 1
    with pytest.raises(StateForgotten):
        node.unseen(recorded, since=since, until=node.status().hash)
    assert anvil.balance_wei(client) == 54_021


def test_settling_asks_for_what_the_block_names_and_no_more(anvil: Anvil) -> None:
    token = deploy_token(anvil)
    rpc = Limited(anvil.url)
    node = adapter_for(anvil, token, rpc=rpc)
    node.require_ready()
    token.transact("transfer", CLIENT, 5)
    block = newest(node)
    for many in (1, 20_000):
        issued = {MINE, *(number.to_bytes(20, "big") for number in range(10**6, 10**6 + many))}
        rpc.requests.clear()
        node.settle(block, issued)
        assert rpc.requests == [["eth_call"], ["eth_call"]]
    rpc.requests.clear()
    assert node.settle(block, {raw(OTHER)}).block == block
    assert rpc.requests == []
    assert ETHER
