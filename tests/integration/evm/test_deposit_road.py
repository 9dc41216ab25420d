"""Ether and tokens come in through the rooms on a real node: seen, credited for what arrived, undone by a reorg, and
node and books agree at the end.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from eth_account import Account

from custody.chains.ethereum.rpc import Rpc
from custody.chains.port import NodesDisagree
from custody.chains.spending import Finality
from demo.servers import Anvil
from tests.chains.ethereum.conftest import ETHER, NATIVE, adapter_for, token_id
from tests.integration.evm.house import DEPTH, House
from tests.support.evm import deploy, deploy_token
from tests.support.oracle import plays
from tests.support.servers import FreshDatabase


@pytest.fixture
def house(anvil: Anvil, database: FreshDatabase) -> House:
    return House(database, anvil, (deploy_token(anvil),))


def house_of(anvil: Anvil, database: FreshDatabase, name: str) -> House:
    """A house with one odd token."""
    return House(database, anvil, (deploy_token(anvil, name),))


@plays("P-005", "P-006", "P-007")
def test_ether_is_credited_however_it_came_and_not_when_it_did_not(house: House) -> None:
    anvil, acme = house.anvil, house.at["acme"]
    forwarder = deploy(anvil, "Forwarder")
    anvil.transact(acme, 3 * ETHER)
    forwarder.transact("forward", acme, amount_wei=500)
    deploy(anvil, "SelfDestructor", amount_wei=70).transact("destroy", acme)
    forwarder.transact("forwardAndUndo", acme, amount_wei=11, gas=200_000)
    failed = anvil.send(forwarder.address, 13, forwarder.calldata("payAndRevert", acme), gas=200_000)
    assert anvil.receipt(failed)["status"] == "0x0"
    house.follow()
    assert house.available("acme") == {}
    house.settle()
    assert house.available("acme") == {NATIVE: 3 * ETHER + 570}
    assert house.available("birch") == house.available("cedar") == {}
    assert house.states() == [(NATIVE, units, "credited") for units in (70, 500, 3 * ETHER)]
    house.expect_agreement()


@plays("P-001")
def test_a_transfer_that_answered_false_credits_nothing_and_changes_nothing(
    anvil: Anvil, database: FreshDatabase
) -> None:
    house = house_of(anvil, database, "FalseToken")
    house.follow()
    tables = ("deposits", "movements", "ledger_accounts", "alarms")
    before = [house.rows(f"SELECT count(*) FROM {table}") for table in tables]
    assert house.token.transact("transfer", house.at["acme"], 100)["logs"] == []
    house.settle()
    assert [house.rows(f"SELECT count(*) FROM {table}") for table in tables] == before
    house.token.transact("setMoves", True)
    house.token.transact("transfer", house.at["acme"], 100)
    house.settle()
    assert house.available("acme") == {token_id(house.token): 100}
    house.expect_agreement()


@plays("P-003")
def test_a_token_nobody_registered_is_never_credited(house: House) -> None:
    deploy_token(house.anvil, "Token").transact("transfer", house.at["acme"], 1_000)
    house.settle()
    assert house.states() == []
    house.expect_agreement()


def test_tokens_and_ether_of_several_clients_stay_apart(house: House) -> None:
    token = token_id(house.token)
    house.anvil.transact(house.at["birch"], 40)
    house.token.transact("transfer", house.at["birch"], 1_000)
    house.token.transact("transfer", house.at["cedar"], 5)
    house.settle()
    assert house.available("birch") == {NATIVE: 40, token: 1_000}
    assert house.available("cedar") == {}
    assert (token, 5, "dust") in house.states()
    house.expect_agreement()


@plays("P-008", "P-009")
def test_each_log_is_one_credit_however_often_it_is_read_and_one_of_nothing_is_none(house: House) -> None:
    token, acme, birch = house.token, house.at["acme"], house.at["birch"]
    with house.anvil.mining_by_hand():
        for place, units in ((acme, 100), (acme, 200), (birch, 300)):
            house.anvil.send(token.address, data=token.calldata("transfer", place, units), gas=200_000)
        house.anvil.mine()
    token.transact("transferFrom", acme, "0x" + "66" * 20, 0)
    token.transact("transfer", acme, 0)
    for _ in range(5):
        house.follow(overlap=50)
        house.anvil.mine()
    house.settle()
    assert house.states() == [(token_id(token), units, "credited") for units in (100, 200, 300)]
    house.expect_agreement()


@plays("P-004")
@pytest.mark.parametrize(("name", "arrives"), [("FeeToken", 990), ("TwoLogsToken", 1_000), ("LyingToken", 500)])
def test_of_a_token_known_to_keep_a_part_what_arrived_is_credited(
    anvil: Anvil, database: FreshDatabase, name: str, arrives: int
) -> None:
    house = house_of(anvil, database, name)
    house.takes_fee(house.token)
    house.token.transact("transfer", house.at["acme"], 1_000)
    house.settle()
    assert house.available("acme") == {token_id(house.token): arrives}
    assert house.alarms("movement-in-doubt") == 0
    house.expect_agreement()


@plays("P-002")
@pytest.mark.parametrize(("name", "arrived"), [("LyingToken", 500), ("LogForger", 0)])
def test_a_token_that_lies_is_suspended_and_the_others_go_on(
    anvil: Anvil, database: FreshDatabase, name: str, arrived: int
) -> None:
    liar = deploy(anvil, name) if name == "LogForger" else deploy_token(anvil, name)
    house = House(database, anvil, (liar, deploy_token(anvil)))
    acme, honest = house.at["acme"], house.tokens[1]
    if name == "LogForger":
        liar.transact("moved", acme, acme, 1)
        liar.transact("moved", "0x" + "66" * 20, acme, 1_000)
    else:
        liar.transact("transfer", acme, 1_000)
    anvil.transact(acme, 40)
    honest.transact("transfer", acme, 1_000)
    house.settle()
    assert house.available("acme") == {NATIVE: 40, token_id(honest): 1_000}
    assert house.rows("SELECT asset FROM suspended_assets") == [(token_id(liar),)]
    assert house.alarms("asset-suspended") == 1
    quarantined = [units for asset, units, state in house.states() if (asset, state) == (token_id(liar), "quarantined")]
    assert sum(quarantined) == arrived
    if name == "LogForger":
        house.expect_whole()
    else:
        house.expect_agreement()


def test_a_token_that_stops_answering_breaks_itself_alone(anvil: Anvil, database: FreshDatabase) -> None:
    house = House(database, anvil, (deploy_token(anvil), deploy_token(anvil)))
    gone, other = house.tokens
    gone.transact("transfer", house.at["acme"], 1_000)
    other.transact("transfer", house.at["birch"], 1_000)
    house.settle()
    anvil.rpc("anvil_setCode", gone.address, "0x")
    anvil.mine()
    done = house.reconcile()
    assert [(found.vault, found.asset, found.check) for found in done.breaks] == [
        (house.vault_of("acme"), token_id(gone), "assets-answer")
    ]
    assert list(house.frozen()) == [house.vault_of("acme")]
    anvil.transact(house.at["birch"], 40)
    house.settle()
    assert house.available("birch") == {NATIVE: 40, token_id(other): 1_000}
    house.expect_whole()


@plays("P-010")
def test_a_deposit_that_is_mined_again_elsewhere_is_credited_once(house: House) -> None:
    anvil, somebody = house.anvil, Account.create()
    anvil.transact(somebody.address, ETHER)
    payment = {
        "to": house.at["acme"],
        "value": 100,
        "nonce": 0,
        "gas": 60_000,
        "chainId": anvil.chain_id,
        "maxFeePerGas": 10**11,
        "maxPriorityFeePerGas": 10**9,
    }
    signed = "0x" + bytes(somebody.sign_transaction(payment).raw_transaction).hex()
    anvil.receipt(anvil.rpc("eth_sendRawTransaction", signed))
    anvil.mine(2)
    house.follow()
    assert house.states() == [(NATIVE, 100, "confirming")]
    anvil.reorg(3)
    anvil.mine(1)
    house.follow()
    assert house.states() == [(NATIVE, 100, "orphaned")]
    with anvil.mining_by_hand():
        anvil.send("0x" + "77" * 20, 1)
        anvil.rpc("eth_sendRawTransaction", signed)
        anvil.mine(1)
    house.follow()
    assert house.states() == [(NATIVE, 100, "confirming")]
    anvil.mine(DEPTH - 2)
    house.follow()
    assert house.available("acme") == {}
    anvil.mine(1)
    house.follow()
    assert house.available("acme") == {NATIVE: 100}
    house.expect_agreement()


@plays("P-011")
def test_a_reorg_deeper_than_the_credit_is_reversed_and_stops_that_client_alone(house: House) -> None:
    house.anvil.transact(house.at["birch"], 70)
    house.anvil.transact(house.at["cedar"], 50)
    house.token.transact("transfer", house.at["acme"], 1_000)
    house.settle(1)
    house.anvil.transact(house.at["acme"], 100)
    house.settle()
    assert house.available("acme") == {NATIVE: 100, token_id(house.token): 1_000}
    others = [house.available(client) for client in ("birch", "cedar")]
    house.anvil.reorg(DEPTH + 1)
    house.anvil.mine()
    house.follow()
    assert house.available("acme") == {token_id(house.token): 1_000}
    assert house.rows("SELECT id, status FROM clients WHERE status <> 'active'") == [("acme", "frozen")]
    assert house.alarms("deposit-reversed") == 1
    assert [house.available(client) for client in ("birch", "cedar")] == others == [{NATIVE: 70}, {NATIVE: 50}]
    house.expect_agreement()


@plays("P-014")
def test_what_a_second_provider_does_not_show_is_not_credited(
    house: House, anvil_factory: Callable[..., Anvil]
) -> None:
    other = anvil_factory(chain=house.anvil.dump())
    house.reader = adapter_for(house.anvil, *house.tokens, second=Rpc(other.url))
    house.anvil.transact(house.at["acme"], 100)
    other.mine()
    with pytest.raises(NodesDisagree):
        house.follow()
    house.anvil.mine(DEPTH)
    other.mine(DEPTH)
    for _ in range(2):
        with pytest.raises(NodesDisagree):
            house.follow()
    assert house.alarms("nodes-disagree") == 1
    assert house.states() == []
    house.reader = adapter_for(house.anvil, *house.tokens)
    house.follow()
    assert house.available("acme") == {NATIVE: 100}
    house.expect_agreement()


def test_finality_by_the_networks_word(house: House) -> None:
    house.rules = type(house.rules)(house.rules.by_asset, Finality.FINALIZED)
    house.anvil.transact(house.at["acme"], 100)
    house.follow(finality=Finality.FINALIZED)
    final = house.reader.finalized_height()
    height = house.anvil.height()
    assert final is not None
    assert final < height
    assert house.available("acme") == {}
    while house.reader.finalized_height() != height:
        house.anvil.mine()
    house.follow(finality=Finality.FINALIZED)
    assert house.available("acme") == {NATIVE: 100}
    house.expect_agreement()


def test_what_arrives_at_an_address_nobody_was_given_is_nobodys(house: House) -> None:
    spare = house.stock_of("acme")
    house.anvil.transact(spare, 400)
    house.token.transact("transfer", spare, 1_000)
    house.settle()
    assert house.available("acme") == {}
    assert house.states() == [(token_id(house.token), 1_000, "quarantined"), (NATIVE, 400, "quarantined")]
    assert house.rows(f"SELECT state FROM addresses WHERE locator = decode('{spare[2:]}', 'hex')") == [("burned",)]
    house.expect_agreement()
