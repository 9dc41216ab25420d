"""Many balances at one block: the ways of asking agree with each other and with the node, one by one."""

from __future__ import annotations

import random

import pytest

from custody.chains.ethereum import holdings
from custody.chains.ethereum.capabilities import PROBE
from custody.chains.ethereum.holdings import SILENT, TokenSilent, Way, pack_questions, read_results
from custody.chains.ethereum.offline.address import checksum_address
from custody.chains.ethereum.offline.deployments import MULTICALL3
from custody.chains.ethereum.offline.erc20 import encode_balance_of
from custody.chains.ethereum.offline.multicall import TryCall, encode_aggregate3, encode_get_eth_balance
from custody.chains.port import NodeRefused
from custody.kernel.errors import InvalidInput
from demo.servers import Anvil
from tests.chains.ethereum.conftest import NATIVE, Limited, adapter_for, raw, token_id
from tests.support.evm import deploy, deploy_token

ADDRESSES = 60


@pytest.fixture
def places(anvil: Anvil) -> list[bytes]:
    found = [random.randbytes(20) for _ in range(ADDRESSES)]
    for place in found[::2]:
        anvil.rpc("anvil_setBalance", "0x" + place.hex(), hex(random.randrange(1, 2**100)))
    return found


def test_every_way_gives_what_the_node_gives_one_by_one(anvil: Anvil, places: list[bytes]) -> None:
    token = deploy_token(anvil)
    for place in places[::3]:
        token.transact("transfer", "0x" + place.hex(), random.randrange(1, 2**90))
    assets = [NATIVE, token_id(token)]
    node = adapter_for(anvil, token)
    tip = node.status().hash
    expected = sorted(
        (asset, place, units)
        for place in places
        for asset, units in (
            (NATIVE, anvil.balance_wei("0x" + place.hex())),
            (token_id(token), token.call("balanceOf", "0x" + place.hex())),
        )
        if units
    )
    assert len(expected) == 50
    for way in Way:
        found = node.holdings_at(tip, places, assets=assets, way=way)
        assert [(item.asset, item.locator, item.units) for item in found] == expected, way
    assert node.holdings(places, assets=assets).holdings == found


def test_balances_are_those_of_the_block_named(anvil: Anvil) -> None:
    token, client = deploy_token(anvil), "0x" + "55" * 20
    node = adapter_for(anvil, token)
    anvil.transact(client, 5)
    token.transact("transfer", client, 7)
    then = node.status().hash
    anvil.transact(client, 5)
    token.transact("transfer", client, 7)
    for way in Way:
        found = node.holdings_at(then, [raw(client)], assets=[NATIVE, token_id(token)], way=way)
        assert sorted(item.units for item in found) == [5, 7]


def test_a_block_that_left_the_chain_is_refused_and_no_other_read(anvil: Anvil) -> None:
    node = adapter_for(anvil)
    anvil.transact("0x" + "55" * 20, 5)
    then = node.status().hash
    anvil.reorg(1)
    for way in Way:
        with pytest.raises(NodeRefused):
            node.holdings_at(then, [raw("0x" + "55" * 20)], assets=[NATIVE], way=way)


@pytest.mark.parametrize("way", list(Way))
def test_what_is_no_token_has_no_balances(anvil: Anvil, way: Way, places: list[bytes]) -> None:
    node = adapter_for(anvil)
    tip = node.status().hash
    strangers = ["0x" + "77" * 20, deploy(anvil, "Rejecter").address, deploy(anvil, "Forwarder").address]
    for stranger in strangers:
        with pytest.raises(TokenSilent):
            node.holdings_at(tip, places, assets=[token_id(stranger)], way=way)


def test_a_refused_call_is_asked_again_in_smaller_parts(anvil: Anvil, places: list[bytes]) -> None:
    class Small(Limited):
        """Answers for ten addresses and no more."""

        def __init__(self, url):
            super().__init__(url)
            self.sizes = []

        def call(self, method, *params, timeout_seconds=None):
            size = len(params[0]["data"]) // 2 if method == "eth_call" else 0
            self.sizes.append(size)
            self.refusing = {"eth_call": "out of gas"} if size > 10 * 20 + 1 else {}
            return super().call(method, *params, timeout_seconds=timeout_seconds)

    rpc = Small(anvil.url)
    expected = adapter_for(anvil).holdings(places, assets=[NATIVE])
    node = adapter_for(anvil, rpc=rpc)
    assert node.holdings(places, assets=[NATIVE]) == expected
    rpc.sizes.clear()
    assert node.holdings(places, assets=[NATIVE]) == expected
    assert len(rpc.sizes) < 20

    class Never(Limited):
        def call(self, method, *params, timeout_seconds=None):
            self.refusing = {"eth_call": "no"}
            return super().call(method, *params, timeout_seconds=timeout_seconds)

    never = adapter_for(anvil, rpc=Never(anvil.url))
    with pytest.raises(NodeRefused):
        never.holdings(places, assets=[NATIVE])


def test_a_node_that_ignores_the_override_is_asked_another_way(anvil: Anvil, places: list[bytes]) -> None:
    rpc = Limited(anvil.url)
    rpc.ignores_overrides = True
    expected = adapter_for(anvil).holdings(places, assets=[NATIVE])
    assert adapter_for(anvil, rpc=rpc).holdings(places, assets=[NATIVE]) == expected
    anvil.rpc("anvil_setCode", MULTICALL3.address, "0x602a60005260206000f3")
    anvil.mine()
    rpc.requests.clear()
    assert adapter_for(anvil, rpc=rpc).holdings(places, assets=[NATIVE]).holdings == expected.holdings
    assert "eth_getBalance" in rpc.requests[-1]


def test_code_somebody_put_at_the_probe_changes_nothing(anvil: Anvil, places: list[bytes]) -> None:
    expected = adapter_for(anvil).holdings(places, assets=[NATIVE]).holdings
    anvil.rpc("anvil_setCode", PROBE, "0x602a60005260206000f3")
    anvil.mine()
    assert adapter_for(anvil).holdings(places, assets=[NATIVE]).holdings == expected


def test_an_answer_starved_of_gas_is_asked_for_again_alone(anvil: Anvil, monkeypatch: pytest.MonkeyPatch) -> None:
    token = deploy_token(anvil)
    client = "0x" + "55" * 20
    token.transact("transfer", client, 7)
    node = adapter_for(anvil, token)
    balances = node._balances[0][1]
    asked = balances._ask

    def starved(places, contract, block_hash, way):
        answers = asked(places, contract, block_hash, way)
        return [*answers[:-1], SILENT] if len(places) > 1 else answers

    monkeypatch.setattr(balances, "_ask", starved)
    found = node.holdings([raw("0x" + "11" * 20), raw(client)], assets=[token_id(token)]).holdings
    assert [item.units for item in found] == [7]


def test_questions_packed_by_hand_are_the_packers_own() -> None:
    places = [random.randbytes(20) for _ in range(7)]
    texts = [checksum_address(place) for place in places]
    token = random.randbytes(20)
    for count in (0, 1, 7):
        native = [TryCall(MULTICALL3.address, encode_get_eth_balance(text)) for text in texts[:count]]
        assert pack_questions(places[:count], None) == encode_aggregate3(native)
        held = [TryCall(checksum_address(token), encode_balance_of(text)) for text in texts[:count]]
        assert pack_questions(places[:count], token) == encode_aggregate3(held)


def test_results_that_are_not_results_are_nonsense() -> None:
    with pytest.raises(ValueError, match="aggregate3"):
        read_results(b"", expected=1)
    with pytest.raises(ValueError, match="aggregate3"):
        read_results(bytes(64), expected=2)


def test_refuses_what_is_no_address(anvil: Anvil) -> None:
    for place in (b"", bytes(19), bytes(32)):
        with pytest.raises(InvalidInput):
            adapter_for(anvil).holdings([place], assets=[NATIVE])


def test_the_loops_are_what_their_words_say() -> None:
    """Jumps land on JUMPDEST, and nothing in the code but reading: no SSTORE, CALL, CREATE, LOG, SELFDESTRUCT."""
    for code in map(bytes.fromhex, (holdings._NATIVE_LOOP, holdings._HOLDERS_LOOP)):
        operations, at = {}, 0
        while at < len(code):
            operation = code[at]
            width = operation - 0x5F if 0x60 <= operation <= 0x7F else 0
            operations[at] = (operation, int.from_bytes(code[at + 1 : at + 1 + width], "big"))
            at += 1 + width
        pushed = None
        for operation, value in operations.values():
            if operation in (0x56, 0x57):
                assert operations[pushed][0] == 0x5B
            pushed = value
        assert not {operation for operation, _ in operations.values()} & {0x55, 0xF0, 0xF1, 0xF2, 0xF4, 0xF5, 0xFF}
