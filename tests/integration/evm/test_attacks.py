"""The hostile contracts do what they are for: tests of defences are worth what the attack is worth."""

from __future__ import annotations

import pytest

from demo.bitcoind import NodeRefused
from demo.child import ServerFailed
from demo.evm.contracts import SAFE_L2
from demo.servers import Anvil
from tests.support.evm import at, deploy
from tests.support.safes import DELEGATECALL, Safe, SafeTransaction, make_safe, multi_send

ETHER = 10**18
THIEF = "0x" + "66" * 20
ELSEWHERE = "0x" + "77" * 20


@pytest.fixture
def safe(anvil: Anvil) -> Safe:
    made = make_safe(anvil)
    anvil.transact(made.address, ETHER)
    made.deploy()
    return made


def slot(anvil: Anvil, address: str, number: int) -> int:
    return int(anvil.rpc("eth_getStorageAt", address, hex(number), "latest"), 16)


def test_one_delegatecall_that_looks_like_a_transfer_takes_the_safe(anvil: Anvil, safe: Safe) -> None:
    impostor = deploy(anvil, "ImpostorSingleton", THIEF)
    overwriter = deploy(anvil, "SlotOverwriter")
    before = [safe.contract.call(question) for question in ("getOwners", "getThreshold", "VERSION")]
    assert slot(anvil, safe.address, 0) == int(SAFE_L2.address, 16)
    data = overwriter.calldata("transfer", impostor.address, 0)
    safe.execute(SafeTransaction(overwriter.address, data=data, operation=DELEGATECALL))
    assert slot(anvil, safe.address, 0) == int(impostor.address, 16)
    # It answers as before, for itself: only its storage and its code tell.
    assert [safe.contract.call(question) for question in ("getOwners", "getThreshold", "VERSION")] == before
    assert safe.contract.call("nonce") == 1
    taken = at(anvil, "ImpostorSingleton", safe.address)
    with pytest.raises(NodeRefused, match="not the thief"):
        taken.transact("sweep", ELSEWHERE)
    taken.transact("sweep", ELSEWHERE, sender=anvil.open_account(THIEF))
    assert anvil.balance_wei(ELSEWHERE) == ETHER


def test_a_batch_through_the_wrong_contract_pays_the_thief(anvil: Anvil, safe: Safe) -> None:
    fake = deploy(anvil, "FakeMultiSend", THIEF)
    data = multi_send(anvil, [(0, ELSEWHERE, 5, b"")])
    safe.execute(SafeTransaction(fake.address, data=data, operation=DELEGATECALL))
    assert anvil.balance_wei(ELSEWHERE) == 0
    assert anvil.balance_wei(THIEF) == ETHER


@pytest.mark.parametrize("function", ["add", "lower", "enable"])
def test_owners_threshold_and_modules_can_be_changed_without_a_log(anvil: Anvil, safe: Safe, function: str) -> None:
    changer = deploy(anvil, "OwnerChanger")
    data = changer.calldata(function, 1 if function == "lower" else THIEF)
    receipt = safe.execute(SafeTransaction(changer.address, data=data, operation=DELEGATECALL))
    assert {log["address"].lower() for log in receipt["logs"]} == {safe.address.lower()}
    for event in ("AddedOwner", "ChangedThreshold", "EnabledModule"):
        assert safe.contract.logs(receipt, event) == []
    assert (safe.contract.call("getThreshold") == 1) is (function == "lower")
    assert safe.contract.call("isOwner", THIEF) is (function == "add")
    assert safe.contract.call("isModuleEnabled", THIEF) is (function == "enable")


def test_a_module_pays_without_a_signature(anvil: Anvil, safe: Safe) -> None:
    module = deploy(anvil, "OpenModule")
    data = safe.contract.calldata("enableModule", module.address)
    safe.execute(SafeTransaction(safe.address, data=data))
    module.transact("take", safe.address, ELSEWHERE, 5)
    assert anvil.balance_wei(ELSEWHERE) == 5


def test_a_guard_can_shut_a_safe(anvil: Anvil, safe: Safe) -> None:
    guard = deploy(anvil, "Guard")
    data = safe.contract.calldata("setGuard", guard.address)
    safe.execute(SafeTransaction(safe.address, data=data))
    safe.execute(SafeTransaction(ELSEWHERE, 5, nonce=1))
    guard.transact("close")
    with pytest.raises(NodeRefused, match="closed"):
        safe.execute(SafeTransaction(ELSEWHERE, 5, nonce=2))
    assert anvil.balance_wei(ELSEWHERE) == 5


def test_a_strangers_contract_can_relay_what_was_signed(anvil: Anvil, safe: Safe) -> None:
    payment = SafeTransaction(ELSEWHERE, 5)
    receipt = deploy(anvil, "Forwarder").transact("relay", safe.address, safe.execution(payment))
    assert [log["txHash"] for log in safe.contract.logs(receipt, "ExecutionSuccess")] == [safe.hash(payment)]
    assert anvil.balance_wei(ELSEWHERE) == 5


def test_a_log_of_success_can_be_forged_elsewhere(anvil: Anvil, safe: Safe) -> None:
    forger = deploy(anvil, "LogForger")
    wanted = safe.hash(SafeTransaction(ELSEWHERE, 5))
    receipt = forger.transact("success", wanted)
    assert [log["txHash"] for log in forger.logs(receipt, "ExecutionSuccess")] == [wanted]
    assert safe.contract.logs(receipt, "ExecutionSuccess") == []


def test_recipients_refuse_ether_and_burn_gas(anvil: Anvil, safe: Safe) -> None:
    rejecter, burner = deploy(anvil, "Rejecter"), deploy(anvil, "GasBurner", 700_000)
    with pytest.raises(NodeRefused, match="GS013"):
        safe.execute(SafeTransaction(rejecter.address, 5))
    with pytest.raises(ServerFailed):
        safe.execute(SafeTransaction(burner.address, 5), gas=200_000)
    assert int(safe.execute(SafeTransaction(burner.address, 5))["gasUsed"], 16) > 700_000
    assert safe.contract.call("nonce") == 1
