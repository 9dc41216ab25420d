"""What a 2-of-3 Safe costs in gas on this chain: the numbers every estimate and every promise starts from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from eth_account import Account

from demo.evm.contracts import (
    FALLBACK_HANDLER,
    MULTI_SEND_CALL_ONLY,
    PROXY_FACTORY,
    SAFE_L2,
    abi,
    bytecode,
    give_token,
    token,
)
from demo.servers import Anvil
from tests.support.evm import Contract
from tests.support.safes import CALL, DELEGATECALL, SafeTransaction, make_safe, multi_send

ETHER = 10**18
# A zero byte in an address, a hash or a signature is 12 gas cheaper than another; no more than that may differ.
TOLERANCE = 0.003


def gas(receipt: dict[str, Any]) -> int:
    return int(receipt["gasUsed"], 16)


def about(number: int) -> Any:
    return pytest.approx(number, rel=TOLERANCE)


def fresh_address() -> str:
    return str(Account.create().address)


def test_making_safes_own_contracts(anvil: Anvil) -> None:
    for contract, expected in ((SAFE_L2, 5_321_999), (PROXY_FACTORY, 711_231), (FALLBACK_HANDLER, 1_267_726)):
        assert gas(anvil.transact(None, data=bytecode(contract.file))) == expected


def test_a_deposit_to_an_address_without_code_costs_what_any_transfer_costs(anvil: Anvil) -> None:
    assert gas(anvil.transact(make_safe(anvil).address, ETHER)) == 21_000


def test_a_safe_and_its_payments(anvil: Anvil) -> None:
    safe, recipient = make_safe(anvil), fresh_address()
    usd = token(anvil, "TUSD", 6)
    anvil.transact(safe.address, 10 * ETHER)
    give_token(anvil, usd, safe.address, 1_000_000_000)
    assert gas(safe.deploy()) == about(306_219)

    ether = SafeTransaction(recipient, ETHER)
    assert gas(safe.execute(ether)) == about(116_165)
    assert gas(safe.execute(replace(ether, nonce=1))) == about(74_065)

    transfer = Contract(anvil, usd, abi("ERC20TestToken.json")).calldata("transfer", recipient, 1_000_000)
    tokens = SafeTransaction(usd, data=transfer, nonce=2)
    assert gas(safe.execute(tokens)) == about(99_052)
    assert gas(safe.execute(replace(tokens, nonce=3))) == about(81_976)


def test_ten_token_payments_of_one_safe_in_one_batch(anvil: Anvil) -> None:
    safe = make_safe(anvil)
    usd = token(anvil, "TUSD", 6)
    give_token(anvil, usd, safe.address, 1_000_000_000)
    safe.deploy()
    anvil.transact(safe.address, 1)
    safe.execute(SafeTransaction(fresh_address(), 1))
    example = Contract(anvil, usd, abi("ERC20TestToken.json"))
    calls = [(CALL, usd, 0, example.calldata("transfer", fresh_address(), 5)) for _ in range(10)]
    batch = SafeTransaction(
        MULTI_SEND_CALL_ONLY.address, data=multi_send(anvil, calls), operation=DELEGATECALL, nonce=1
    )
    assert gas(safe.execute(batch)) == about(359_729)


def test_deployment_and_first_payment_in_one_transaction(anvil: Anvil) -> None:
    safe, recipient = make_safe(anvil), fresh_address()
    anvil.transact(safe.address, 10 * ETHER)
    payment = SafeTransaction(recipient, ETHER)
    both = multi_send(
        anvil,
        [(CALL, PROXY_FACTORY.address, 0, safe.creation()), (CALL, safe.address, 0, safe.execution(payment))],
    )
    assert gas(anvil.transact(MULTI_SEND_CALL_ONLY.address, data=both)) == about(396_513)
    assert anvil.balance_wei(recipient) == ETHER
