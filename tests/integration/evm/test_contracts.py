"""Mainnet's contracts are at mainnet's addresses with mainnet's code, and a place with other code is noticed."""

from __future__ import annotations

from typing import Any

import pytest
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from custody.chains.ethereum.offline import deployments
from demo.child import ServerFailed
from demo.evm import contracts
from demo.evm.__main__ import main
from demo.evm.contracts import EVERYTHING, MULTICALL3, SAFE_L2, SAFE_SET, Placed
from demo.evm.node import FAUCET
from demo.servers import Anvil
from tests.support.evm import placed
from tests.support.vectors import rows


def is_ours(row: Any) -> bool:
    """A published deployment of one of ours. SimulateTxAccessor has none; its address follows from its code."""
    return row["input"]["version"] == "1.4.1" and row["input"]["contract"] in {each.name for each in SAFE_SET}


def test_each_has_the_code_it_has_on_mainnet(anvil: Anvil) -> None:
    for contract in EVERYTHING:
        assert to_checksum_address(contract.address) == contract.address
        code = bytes.fromhex(anvil.rpc("eth_getCode", contract.address, "latest")[2:])
        assert f"0x{keccak(code).hex()}" == contract.code_hash, contract.name


@pytest.mark.parametrize("contract", SAFE_SET, ids=lambda contract: contract.name)
def test_the_deterministic_deployer_leads_to_each_address(contract: Placed) -> None:
    assert contracts.create2_address(contracts.bytecode(contract.file)) == contract.address


@pytest.mark.parametrize("row", [row for row in rows("safe_deployments", "deployment") if is_ours(row.values[0])])
def test_the_table_is_the_published_one(row: Any) -> None:
    (contract,) = [contract for contract in SAFE_SET if contract.name == row["input"]["contract"]]
    published = row["expected"]["deployments"]["canonical"]
    assert published == {"address": contract.address, "code_hash": contract.code_hash}


@pytest.mark.parametrize("contract", EVERYTHING, ids=lambda contract: contract.name)
def test_the_daemon_pins_the_same(contract: Placed) -> None:
    (pinned,) = [each for each in deployments.PINNED if each.name == contract.name]
    assert (pinned.address, f"0x{pinned.code_hash.hex()}") == (contract.address, contract.code_hash)


def test_whatever_the_daemon_pins_is_there(anvil: Anvil) -> None:
    missing = [
        pinned.name
        for pinned in deployments.PINNED
        if contracts.code_hash(anvil, pinned.address) != f"0x{pinned.code_hash.hex()}"
    ]
    # Safe's package of files has the one singleton only; the daemon names the other in order to refuse it.
    assert missing == [deployments.SAFE.name]


def test_placing_them_again_changes_nothing(anvil: Anvil) -> None:
    height = anvil.height()
    contracts.place(anvil)
    assert anvil.height() == height


def test_other_code_at_an_address_is_noticed(anvil: Anvil) -> None:
    anvil.rpc("anvil_setCode", SAFE_L2.address, "0x00")
    with pytest.raises(ServerFailed, match="SafeL2 at 0x29fcB43b46531BcA003ddC8FCB67FFE91900C762 has code"):
        contracts.place(anvil)


def test_the_singleton_can_be_set_up_by_nobody(anvil: Anvil) -> None:
    assert placed(anvil, SAFE_L2).call("getThreshold") == 1


def test_multicall_reads_many_balances_at_once(anvil: Anvil) -> None:
    rich = "0x" + "11" * 20
    anvil.transact(rich, 5)
    assert anvil.rpc("eth_call", {"to": MULTICALL3.address, "data": _eth_balance_of(rich)}, "latest") == _word(5)


def test_the_example_token_is_made_once_and_counts(anvil: Anvil) -> None:
    usd = contracts.token(anvil, "TUSD", 6)
    assert usd == contracts.token(anvil, "TUSD", 6)
    assert usd != contracts.token(anvil, "TUSD", 18)
    holder = "0x" + "22" * 20
    contracts.give_token(anvil, usd, holder, 7)
    assert contracts.token_balance(anvil, usd, holder) == 7


def test_a_node_somebody_else_started_is_given_them_by_a_command(
    anvil: Anvil, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([anvil.url]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:-1] == [f"{contract.address}  {contract.name}" for contract in EVERYTHING]
    usd = lines[-1].split()[0]
    assert contracts.token_balance(anvil, usd, FAUCET) > 0


@pytest.mark.parametrize(
    ("arguments", "said"), [([], "error: url: "), (["http://127.0.0.1:9"], "error: anvil: nobody answers there")]
)
def test_the_command_says_in_one_line_what_is_wrong(
    capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith(said)
    assert error.count("\n") == 1


def _eth_balance_of(address: str) -> str:
    return f"0x{keccak(b'getEthBalance(address)')[:4].hex()}{address[2:]:0>64}"


def _word(number: int) -> str:
    return f"0x{number:064x}"
