"""Spends as the house composes them, executed by a real Safe on a real node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from custody.chains.ethereum.offline import events, execution
from custody.chains.ethereum.offline.address import checksum_address
from custody.chains.ethereum.spending import NATIVE_GAS, TOKEN_GAS, Execution
from custody.chains.spending import Composed, Plan
from demo.bitcoind import NodeRefused
from demo.evm import contracts
from demo.servers import Anvil
from tests.chains.ethereum.offline.builders import ETHER, PAYEE, SAFE, address
from tests.chains.ethereum.spends import KEYSET, SPENDING, plan, signed

COIN = 10**18
ANOTHER = address("another")
STEADY = {True: NATIVE_GAS, False: TOKEN_GAS}
"""Gas to somebody who has some of it already."""


def _signed(asked: Plan, names: tuple[str, ...] = ("cem", "ann")) -> tuple[Composed, Execution]:
    found = SPENDING.compose(asked, keyset=KEYSET, branch=0, change_index=None)
    inputs = asked.inputs
    answers = {
        name: SPENDING.read_answer(
            signed(found.spend, name), unsigned=found.unsigned, inputs=inputs, keyset=KEYSET, branch=0, cosigner=name
        )
        for name in names
    }
    final = SPENDING.finalise(answers, unsigned=found.unsigned, inputs=inputs, keyset=KEYSET, branch=0)
    assert SPENDING.is_signed(found.unsigned, final.raw)
    return found, SPENDING.read_execution(final.raw)


def _call(found: Execution, *, deploying: bool) -> execution.RelayerCall:
    if deploying:
        return execution.deploy_and_execute(found.safes, found.salt_nonce, found.signed)
    return execution.execute(found.signed)


def _ended(receipt: Mapping[str, Any]) -> list[tuple[str, bool]]:
    logs = [
        events.Log(
            checksum_address(bytes.fromhex(log["address"][2:])),
            tuple(bytes.fromhex(topic[2:]) for topic in log["topics"]),
            bytes.fromhex(log["data"][2:]),
        )
        for log in receipt["logs"]
    ]
    return [("0x" + end.safe_tx_hash.hex(), end.success) for log in logs if (end := events.executed(log))]


@pytest.mark.parametrize("native", [True, False], ids=["ether", "token"])
def test_pays_first_with_the_safes_deployment_and_then_without(anvil: Anvil, native: bool) -> None:
    token = contracts.token(anvil, "EXA", 6)
    asset = ETHER if native else f"{SPENDING.chain}/erc20:{checksum_address(bytes.fromhex(token[2:]))}"
    if native:
        anvil.transact(SAFE, 10 * COIN)
    else:
        contracts.give_token(anvil, token, SAFE, 10 * COIN)
    for number, to in enumerate((PAYEE, ANOTHER, ANOTHER)):
        found, made = _signed(plan(COIN, to=to, asset=asset, number=number))
        call = _call(made, deploying=made.may_need_deployment)
        receipt = anvil.transact(call.to, 0, call.data)
        assert _ended(receipt) == [(found.spend, True)]
        assert int(receipt["gasUsed"], 16) <= (STEADY[native] if number == 2 else found.weight)
        held = int(anvil.rpc("eth_getBalance", to, "latest"), 16)
        assert (held if native else contracts.token_balance(anvil, token, to)) == (2 * COIN if number == 2 else COIN)


def test_reverts_on_another_nonce_and_with_too_few_signatures(anvil: Anvil) -> None:
    anvil.transact(SAFE, 10 * COIN)
    _, late = _signed(plan(COIN, number=1))
    with pytest.raises(NodeRefused):
        anvil.transact(*_sent(_call(late, deploying=True)))
    found, made = _signed(plan(COIN))
    few = execution.SignedSafeTx(SAFE, made.signed.tx, made.signed.signatures[:65])
    with pytest.raises(NodeRefused):
        anvil.transact(*_sent(execution.deploy_and_execute(made.safes, made.salt_nonce, few)))
    assert _ended(anvil.transact(*_sent(_call(made, deploying=True)))) == [(found.spend, True)]
    with pytest.raises(NodeRefused):
        anvil.transact(*_sent(_call(made, deploying=False)))
    assert _ended(anvil.transact(*_sent(_call(late, deploying=False))))[0][1]


def _sent(call: execution.RelayerCall) -> tuple[str, int, bytes]:
    return call.to, 0, call.data
