"""Each odd token has the one habit it is for: what its logs say and what arrives are looked at apart."""

from __future__ import annotations

import pytest

from demo.bitcoind import NodeRefused
from demo.evm.node import FAUCET
from demo.servers import Anvil
from tests import contracts
from tests.support.evm import Contract, deploy, deploy_token

HOLDER = "0x" + "55" * 20
SENT = 1_000


def logged(token: Contract, receipt: dict[str, object]) -> list[int]:
    return [log["value"] for log in token.logs(receipt, "Transfer") if log["to"] == HOLDER]


@pytest.mark.parametrize(
    ("name", "told", "arrived"),
    [
        ("Token", [1_000], 1_000),
        ("FeeToken", [990], 990),
        ("LyingToken", [1_000], 500),
        ("TwoLogsToken", [1_000, 1_000], 1_000),
        ("SilentToken", [], 1_000),
        ("FalseToken", [], 0),
        ("BlockingToken", [1_000], 1_000),
        ("PausableToken", [1_000], 1_000),
        ("RebasingToken", [1_000], 1_000),
        ("HookToken", [1_000], 1_000),
        ("NoReturnToken", [1_000], 1_000),
    ],
)
def test_what_is_told_and_what_arrives(anvil: Anvil, name: str, told: list[int], arrived: int) -> None:
    token = deploy_token(anvil, name)
    receipt = token.transact("transfer", HOLDER, SENT)
    assert logged(token, receipt) == told
    assert token.call("balanceOf", HOLDER) == arrived


def answer_of_transfer(anvil: Anvil, token: Contract) -> str:
    data = f"0x{token.calldata('transfer', HOLDER, SENT).hex()}"
    return str(anvil.rpc("eth_call", {"from": FAUCET, "to": token.address, "data": data}, "latest"))


@pytest.mark.parametrize(
    ("name", "answer"), [("Token", f"0x{1:064x}"), ("FalseToken", f"0x{0:064x}"), ("NoReturnToken", "0x")]
)
def test_what_a_transfer_answers(anvil: Anvil, name: str, answer: str) -> None:
    assert answer_of_transfer(anvil, deploy_token(anvil, name)) == answer


def test_false_can_be_answered_by_one_that_moved(anvil: Anvil) -> None:
    token = deploy_token(anvil, "FalseToken")
    token.transact("setMoves", True)
    assert answer_of_transfer(anvil, token) == f"0x{0:064x}"
    token.transact("transfer", HOLDER, SENT)
    assert token.call("balanceOf", HOLDER) == SENT


def test_a_blocked_recipient_gets_nothing(anvil: Anvil) -> None:
    token = deploy_token(anvil, "BlockingToken")
    token.transact("setBlocked", HOLDER, True)
    with pytest.raises(NodeRefused, match="blocked"):
        token.transact("transfer", HOLDER, SENT)
    token.transact("setBlocked", HOLDER, False)
    token.transact("transfer", HOLDER, SENT)
    assert token.call("balanceOf", HOLDER) == SENT


def test_a_paused_token_does_not_move(anvil: Anvil) -> None:
    token = deploy_token(anvil, "PausableToken")
    token.transact("setPaused", True)
    with pytest.raises(NodeRefused, match="paused"):
        token.transact("transfer", HOLDER, SENT)


def test_a_rebase_changes_balances_without_a_log(anvil: Anvil) -> None:
    token = deploy_token(anvil, "RebasingToken")
    token.transact("transfer", HOLDER, SENT)
    receipt = token.transact("rebase", 9, 10)
    assert receipt["logs"] == []
    assert token.call("balanceOf", HOLDER) == 900


def test_a_hook_is_called_on_a_contract(anvil: Anvil) -> None:
    token = deploy_token(anvil, "HookToken")
    plain = int(token.transact("transfer", HOLDER, SENT)["gasUsed"], 16)
    burner = deploy(anvil, "GasBurner", 500_000)
    receipt = token.transact("transfer", burner.address, SENT, gas=2_000_000)
    assert int(receipt["gasUsed"], 16) > plain + 400_000


@pytest.mark.parametrize("decimals", [0, 6, 18, 36])
def test_decimals_are_the_tokens_own_business(anvil: Anvil, decimals: int) -> None:
    token = deploy_token(anvil, decimals=decimals)
    assert token.call("decimals") == decimals
    token.transact("transfer", HOLDER, 10**decimals)
    assert token.call("balanceOf", HOLDER) == 10**decimals


def test_everything_compiled_is_newer_than_its_source() -> None:
    assert contracts.compiled()["sources"] == contracts.source_hashes(), "run make contracts"
