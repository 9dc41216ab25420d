"""Whether a contract is the token it is registered as, asked of a real node: nothing it answers can do harm."""

from __future__ import annotations

import pytest

from custody.chains.ethereum.rpc import Rpc
from custody.chains.ethereum.tokens import MOST_NAME, inspect, read_name
from custody.chains.inspecting import Inspected
from custody.chains.port import NodeUnavailable
from custody.chains.registry import NodeAddress, inspector
from custody.kernel.errors import InvalidInput
from custody.kernel.money import Asset
from demo.servers import Anvil
from tests.chains.ethereum.conftest import ANVIL, token_id
from tests.support.evm import Contract, deploy, deploy_token


def inspected(anvil: Anvil, contract: Contract | str, *, decimals: int = 6, code: str = "TST") -> Inspected:
    return inspect(Rpc(anvil.url), ANVIL, Asset(token_id(contract), code, decimals, ANVIL.chain))


def test_a_token_is_what_it_is_registered_as(anvil: Anvil) -> None:
    found = inspected(anvil, deploy_token(anvil), code="Token")
    assert (found.is_sound, found.decimals, found.calls_itself, found.notes) == (True, 6, "Token", ())


def test_other_decimals_than_registered_are_a_problem(anvil: Anvil) -> None:
    found = inspected(anvil, deploy_token(anvil, decimals=18), code="Token")
    assert found.problems == ("says 18 decimals, registered are 6",)
    assert not found.is_sound


@pytest.mark.parametrize("name", ["OldNamedToken", "LongNamedToken", "NamelessToken"])
def test_a_token_with_an_odd_name_or_none_is_one(anvil: Anvil, name: str) -> None:
    found = inspected(anvil, deploy(anvil, name))
    assert found.is_sound
    assert found.calls_itself == {"OldNamedToken": "OLD", "LongNamedToken": "L" * MOST_NAME}.get(name)
    assert ("says no decimals; the registered 6 count" in found.notes) == (name == "NamelessToken")


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("Parrot", "does not say what an address has: not a token"),
        ("Forwarder", "does not say what an address has: not a token"),
        ("BoastingToken", f"says {2**256 - 1} decimals, registered are 6"),
    ],
)
def test_a_contract_that_is_no_token_is_said_to_be_none(anvil: Anvil, name: str, problem: str) -> None:
    found = inspected(anvil, deploy(anvil, name))
    assert found.problems == (problem,)
    assert found.calls_itself is None


def test_where_nothing_stands_there_is_no_token(anvil: Anvil) -> None:
    found = inspected(anvil, "0x" + "5b" * 20)
    assert found.problems == ("there is no contract at this address",)


def test_asks_of_its_own_chain_alone_and_of_a_node_that_answers(anvil: Anvil) -> None:
    ask = inspector(ANVIL.chain, NodeAddress(anvil.url))
    assert ask(ANVIL.asset).is_sound
    with pytest.raises(InvalidInput):
        ask(Asset("eip155:1/erc20:0x" + "5b" * 20, "TST", 6, "eip155:1"))
    with pytest.raises(NodeUnavailable):
        inspector(ANVIL.chain, NodeAddress("http://127.0.0.1:1"))(
            Asset(token_id("0x" + "5b" * 20), "TST", 6, ANVIL.chain)
        )


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (None, None),
        (b"", None),
        (bytes(31), None),
        (bytes(32), None),
        (b"USDC".ljust(32, b"\0"), "USDC"),
        ((32).to_bytes(32, "big") + (4).to_bytes(32, "big") + b"USDC".ljust(32, b"\0"), "USDC"),
        ((32).to_bytes(32, "big") + (0).to_bytes(32, "big"), None),
        ((64).to_bytes(32, "big") + (4).to_bytes(32, "big") + b"USDC".ljust(32, b"\0"), None),
        ((32).to_bytes(32, "big") + (2**256 - 1).to_bytes(32, "big"), None),
        ((32).to_bytes(32, "big") + (40).to_bytes(32, "big") + b"USDC".ljust(32, b"\0"), None),
        ("USDС".encode().ljust(32, b"\0"), "USD?"),
        (b"A\x1b[2J\r\n".ljust(32, b"\0"), "A?[2J??"),
        (b"\xff\xfe".ljust(32, b"\0"), "??"),
    ],
)
def test_reads_a_name_without_believing_its_length_or_its_letters(answer: bytes | None, name: str | None) -> None:
    assert read_name(answer) == name
