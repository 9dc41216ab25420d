"""Logs: topics as the contracts' ABIs have them; a log in another shape is nobody's, except where it alarms."""

from __future__ import annotations

import pytest
from eth_utils.abi import event_abi_to_log_topic
from hypothesis import given
from hypothesis import strategies as st
from safe_eth.eth.contracts import get_erc20_contract, get_proxy_factory_V1_4_1_contract, get_safe_V1_4_1_contract
from web3 import Web3

from custody.chains.ethereum.offline import events
from custody.chains.ethereum.offline.abi import address_word, dynamic_bytes, pack, uint_word
from custody.chains.ethereum.offline.address import address_bytes
from custody.chains.ethereum.offline.deployments import PROXY_FACTORY, SAFE_L2
from custody.chains.ethereum.offline.events import Log
from custody.chains.ethereum.offline.keccak import topic
from custody.chains.ethereum.offline.safe_tx import SafeTx
from tests.chains.ethereum.offline.builders import PAYEE, SAFE, TOKEN, address, pay

HASH = bytes(range(32))


def _word(text: str) -> bytes:
    return address_word(address_bytes(text))


MOVE = Log(TOKEN, (events.TRANSFER, _word(PAYEE), _word(SAFE)), uint_word(5))
READERS = (events.token_move, events.executed, events.ether_received, events.proxy_created, events.execution_details)


def _abi_topics(contract) -> dict[str, bytes]:
    return {each["name"]: bytes(event_abi_to_log_topic(each)) for each in contract.abi if each["type"] == "event"}


def test_has_the_topics_of_the_contracts_own_abis():
    safe = _abi_topics(get_safe_V1_4_1_contract(Web3()))
    assert safe["ExecutionSuccess"] == events.EXECUTION_SUCCESS
    assert safe["ExecutionFailure"] == events.EXECUTION_FAILURE
    assert safe["SafeReceived"] == events.SAFE_RECEIVED
    assert safe["SafeMultiSigTransaction"] == events.SAFE_MULTISIG_TRANSACTION
    assert _abi_topics(get_erc20_contract(Web3()))["Transfer"] == events.TRANSFER
    assert _abi_topics(get_proxy_factory_V1_4_1_contract(Web3()))["ProxyCreation"] == events.PROXY_CREATION
    rest = {"ExecutionSuccess", "ExecutionFailure", "SafeReceived", "SafeMultiSigTransaction"}
    assert set(safe) - rest == set(events.CONFIGURATION.values()) - {"ChangedMasterCopy"}
    assert {name: events.CONFIGURATION[safe[name]] for name in set(safe) - rest} == {
        name: name for name in set(safe) - rest
    }


def test_reads_a_tokens_move():
    assert events.token_move(MOVE) == events.TokenMove(TOKEN, PAYEE, SAFE, 5)


@pytest.mark.parametrize(
    "log",
    [
        Log(TOKEN, (*MOVE.topics, uint_word(5)), b""),  # ERC-721: the number is an id
        Log(TOKEN, (*MOVE.topics, uint_word(5)), MOVE.data),
        Log(TOKEN, MOVE.topics[:2], _word(SAFE) + uint_word(5)),
        Log(TOKEN, MOVE.topics[:1], _word(PAYEE) + _word(SAFE) + uint_word(5)),
        Log(TOKEN, (), MOVE.data),
        Log(TOKEN, MOVE.topics, MOVE.data + b"\0"),
        Log(TOKEN, MOVE.topics, b""),
        Log(TOKEN, (MOVE.topics[0], b"\x01" + MOVE.topics[1][1:], MOVE.topics[2]), MOVE.data),
        Log(TOKEN, (MOVE.topics[0], MOVE.topics[1], MOVE.topics[2][12:]), MOVE.data),
        Log(TOKEN, (topic("TransferSingle(address,address,address,uint256,uint256)"), *MOVE.topics[1:]), MOVE.data),
    ],
    ids=[
        "erc721",
        "four topics",
        "one indexed",
        "none indexed",
        "anonymous",
        "more data",
        "no data",
        "dirty",
        "short topic",
        "erc1155",
    ],
)
def test_reads_no_other_log_as_a_tokens_move(log):
    assert events.token_move(log) is None


@pytest.mark.parametrize(("name", "success"), [(events.EXECUTION_SUCCESS, True), (events.EXECUTION_FAILURE, False)])
def test_reads_how_a_safe_tx_ended(name, success):
    found = events.executed(Log(SAFE, (name, HASH), uint_word(3)))
    assert found == events.Executed(SAFE, HASH, success, 3)
    assert events.executed(Log(SAFE, (name,), HASH + uint_word(3))) is None
    assert events.executed(Log(SAFE, (name, HASH), b"")) is None
    assert events.executed(Log(SAFE, (name, HASH[:31]), uint_word(3))) is None


def test_reads_ether_that_a_safe_received():
    found = events.ether_received(Log(SAFE, (events.SAFE_RECEIVED, _word(PAYEE)), uint_word(7)))
    assert found == events.EtherReceived(SAFE, PAYEE, 7)
    assert events.ether_received(Log(SAFE, (events.SAFE_RECEIVED, HASH), uint_word(7))) is None


def test_reads_proxies_of_the_pinned_factory_only():
    topics, data = (events.PROXY_CREATION, _word(SAFE)), _word(SAFE_L2.address)
    assert events.proxy_created(Log(PROXY_FACTORY.address, topics, data)) == events.ProxyCreated(SAFE, SAFE_L2.address)
    assert events.proxy_created(Log(address("another factory"), topics, data)) is None
    assert events.proxy_created(Log(PROXY_FACTORY.address, topics[:1], _word(SAFE) + data)) is None
    assert events.proxy_created(Log(PROXY_FACTORY.address, topics, data + b"\0")) is None


def _details(tx: SafeTx, *, operation: int | None = None, additional: bytes | None = None) -> bytes:
    said = pack(uint_word(tx.nonce), _word(PAYEE), uint_word(2)) if additional is None else additional
    return pack(
        _word(tx.to), uint_word(tx.value), dynamic_bytes(tx.data),
        uint_word(tx.operation if operation is None else operation), uint_word(tx.safe_tx_gas), uint_word(tx.base_gas),
        uint_word(tx.gas_price), _word(tx.gas_token), _word(tx.refund_receiver), dynamic_bytes(b"signatures"),
        dynamic_bytes(said),
    )  # fmt: skip


def test_reads_what_a_safe_l2_executes_and_for_whom():
    tx = pay(nonce=12, data=b"\x01")
    found = events.execution_details(Log(SAFE, (events.SAFE_MULTISIG_TRANSACTION,), _details(tx)))
    assert found == events.ExecutionDetails(SAFE, tx, b"signatures", PAYEE, 2)


@pytest.mark.parametrize(
    "data", [b"", _details(pay()) + b"\0", _details(pay(), operation=2), _details(pay(), additional=b"")]
)
def test_reads_no_other_log_as_an_execution(data):
    assert events.execution_details(Log(SAFE, (events.SAFE_MULTISIG_TRANSACTION,), data)) is None
    assert events.execution_details(Log(SAFE, (events.SAFE_MULTISIG_TRANSACTION, HASH), _details(pay()))) is None


@pytest.mark.parametrize("signature", ["AddedOwner(address)", "ChangedMasterCopy(address)", "EnabledModule(address)"])
@pytest.mark.parametrize(("topics", "data"), [((HASH,), b""), ((), HASH), ((HASH, HASH), HASH), ((), b"")])
def test_a_change_of_configuration_counts_in_any_shape(signature, topics, data):
    found = events.configuration_change(Log(SAFE, (topic(signature), *topics), data))
    assert found == events.ConfigurationChange(SAFE, signature.partition("(")[0])


def test_what_changes_nothing_is_no_change():
    for log in (MOVE, Log(SAFE, (), b""), Log(SAFE, (events.EXECUTION_SUCCESS, HASH), uint_word(0))):
        assert events.configuration_change(log) is None


KNOWN = (
    events.TRANSFER, events.EXECUTION_SUCCESS, events.SAFE_RECEIVED, events.PROXY_CREATION,
    events.SAFE_MULTISIG_TRANSACTION,
)  # fmt: skip


@given(
    st.lists(st.one_of(st.sampled_from(KNOWN), st.binary(max_size=40)), max_size=5),
    st.binary(max_size=500),
    st.sampled_from((TOKEN, PROXY_FACTORY.address)),
)
def test_any_log_is_read_or_left_and_never_breaks_a_reader(topics, data, emitter):
    for read in (*READERS, events.configuration_change):
        read(Log(emitter, tuple(topics), data))
