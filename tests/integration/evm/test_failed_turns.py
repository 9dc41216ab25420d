"""A turn that failed, or was used by somebody else, has paid nothing: its money is free once, and only then."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from custody.chains import registry
from custody.chains.ethereum import spending as module
from custody.chains.ethereum.offline.address import checksum_address
from custody.chains.ethereum.offline.safe_tx import SafeTx, safe_tx_hash
from custody.chains.ethereum.offline.signer import signature_over
from custody.chains.ethereum.spending import Attempt, EthereumSpending
from custody.kernel.errors import CustodyError
from demo.bitcoind import NodeRefused
from tests.chains.ethereum.conftest import ANVIL
from tests.integration.evm.odd import STRANGER, no_op_of, road, signed, token
from tests.support.evm import Contract
from tests.support.oracle import plays
from tests.support.turns import DEPTH, SPENDING, Turns

__all__ = ["road", "token"]

GAS = 2_000_000


def out_of_band(road: Turns, tx: SafeTx, *, gas: int | None = None) -> dict[str, Any]:
    """Two owners sign this and carry it out by themselves, at acme's account."""
    safe = road.at["acme"]
    digest = safe_tx_hash(tx, network=ANVIL, safe=safe)
    owners = sorted(road.keys.cosigners[:2], key=lambda item: int(item.key.address, 16))
    signatures = b"".join(signature_over(digest, item.secret) for item in owners)
    if road.anvil.rpc("eth_getCode", safe, "latest") == "0x":
        safes = module._safes_of(road.keys.keyset)
        salt = module.salt_nonce(keyset=road.keys.keyset.id, client="acme", index=0, network=ANVIL)
        road.anvil.transact(safes.code.factory, data=safes.create_calldata(salt))
    data = module.encode_execution(tx, signatures)
    return road.anvil.transact(safe, data=data, gas=gas)


@plays("P-038")
def test_p038_a_turn_that_failed_has_paid_nothing_and_frees_the_money_once(road: Turns) -> None:
    """The owners execute with safeTxGas, so that the receipt says 1 and the Safe says it failed."""
    asked = signed(road)
    failing = SafeTx(to=road.tokens["ODD"][0].address, value=1, data=b"\x01", nonce=0, safe_tx_gas=100_000)
    receipt = out_of_band(road, failing, gas=GAS)
    assert receipt["status"] == "0x1"
    road.follow()
    assert (road.state(asked), road.balance("acme", "ODD")) == ("broadcast", (600, 400))
    road.mine(DEPTH)
    road.settle()
    assert (road.state(asked), road.balance("acme", "ODD")) == ("failed", (1_000, 0))
    with pytest.raises(NodeRefused, match="GS026"):
        road.carry(road.attempts(asked)[0], sender=STRANGER)
    again = road.ask("acme", 1_000, "ODD")
    road.pay_out()
    assert (road.state(again), road.attempts(again)[0].turns[0].number) == ("completed", 1)
    road.check()


class WithGas(EthereumSpending):
    """Composes with safeTxGas, which ours never do: then a failure uses the nonce up."""

    def compose(self, plan, **given):
        made = super().compose(plan, **given)
        attempt = self._read(made.unsigned)
        attempt = replace(attempt, tx=replace(attempt.tx, safe_tx_gas=100_000))
        return replace(made, unsigned=attempt.text, spend=attempt.spend)

    def _payments(self, attempt: Attempt):
        return super()._payments(replace(attempt, tx=replace(attempt.tx, safe_tx_gas=0)))


@pytest.fixture
def with_gas() -> Iterator[None]:
    before = registry.SPENDINGS[ANVIL.chain]
    registry.SPENDINGS[ANVIL.chain] = lambda chain: WithGas(chain)
    try:
        yield
    finally:
        registry.SPENDINGS[ANVIL.chain] = before


@pytest.mark.usefixtures("with_gas")
@plays("P-038")
def test_p038_our_own_payment_that_failed_is_not_paid(road: Turns, token: Contract) -> None:
    asked = signed(road)
    token.transact("setPaused", True)
    payment = road.attempts(asked)[0]
    execution = WithGas(ANVIL.chain).read_execution(payment.final)
    # To an address without code the same call has status 1 as well, and nothing has happened.
    data = module.encode_execution(execution.signed.tx, execution.signed.signatures)
    assert road.anvil.transact(road.at["acme"], data=data, gas=GAS)["status"] == "0x1"
    road.mine(DEPTH)
    assert (road.state(asked), road.balance("acme", "ODD")) == ("broadcast", (600, 400))
    safes = execution.safes
    road.anvil.transact(safes.code.factory, data=safes.create_calldata(execution.salt_nonce))
    assert road.anvil.transact(road.at["acme"], data=data, gas=GAS)["status"] == "0x1"
    road.follow()
    assert (road.state(asked), road.balance("acme", "ODD")) == ("broadcast", (600, 400))
    road.mine(DEPTH)
    road.settle()
    assert (road.state(asked), road.balance("acme", "ODD")) == ("failed", (1_000, 0))
    assert road.see(asked).fee_units is None
    # Removed below its depth it is undone: what failed could be tried again by anybody.
    road.anvil.reorg(DEPTH + 1)
    road.anvil.mine(1)
    road.settle()
    assert (road.state(asked), road.balance("acme", "ODD")) == ("cancelling", (600, 400))
    road.respend(asked)
    road.settle()
    token.transact("setPaused", False)
    safe = WithGas(ANVIL.chain).read_execution(no_op_of(road, asked).final)
    code = road.anvil.rpc("eth_getCode", road.at["acme"], "latest")
    if code == "0x":
        road.anvil.transact(safes.code.factory, data=safes.create_calldata(execution.salt_nonce))
    road.anvil.transact(road.at["acme"], data=module.encode_execution(safe.signed.tx, safe.signed.signatures), gas=GAS)
    road.mine(DEPTH)
    road.settle()
    assert (road.state(asked), road.balance("acme", "ODD")) == ("cancelled", (1_000, 0))
    road.check()


@plays("P-095")
def test_p095_what_nobody_can_have_signed_is_composed_anew_when_its_turn_is_used(road: Turns) -> None:
    asked = road.ask("acme", 400, "ODD")
    road.settle(cosigners=())
    assert road.state(asked) == "awaiting_signatures"
    out_of_band(road, module.no_op(safe=road.at["acme"], nonce=0))
    road.settle(cosigners=())
    assert [step.event for step in road.steps(asked)][-2:] == ["overtake", "compose"]
    assert [(item.state, item.turns[0].number) for item in road.attempts(asked)] == [("abandoned", 0), ("composed", 1)]
    road.pay_out()
    assert road.state(asked) == "completed"
    road.check()


@plays("P-095")
def test_p095_what_may_be_signed_ends_with_its_turn_and_needs_a_new_intent(road: Turns) -> None:
    asked = road.ask("acme", 400, "ODD")
    road.settle(cosigners=("cosigner-1",))
    assert road.state(asked) == "awaiting_signatures"
    out_of_band(road, module.no_op(safe=road.at["acme"], nonce=0))
    road.follow()
    assert (road.state(asked), road.balance("acme", "ODD")) == ("awaiting_signatures", (600, 400))
    road.mine(DEPTH)
    road.settle()
    assert (road.state(asked), road.balance("acme", "ODD")) == ("failed", (1_000, 0))
    again = road.ask("acme", 400, "ODD", purpose=f"instead of {asked.digest}")
    road.pay_out()
    assert road.state(again) == "completed"
    road.check()


@plays("P-096")
def test_p096_a_turn_whose_payment_failed_is_used_up_before_anything_else_is_paid(road: Turns, token: Contract) -> None:
    """Three failed tries give an attacker signatures of one call; no second call is ever composed at their nonce."""
    asked = signed(road)
    payment = road.attempts(asked)[0]
    token.transact("setPaused", True)
    for _ in range(3):
        with pytest.raises(NodeRefused):
            road.carry(payment, sender=STRANGER)
    token.transact("setPaused", False)
    other = road.ask("acme", 300, "ODD")
    road.settle()
    assert (road.state(other), road.attempts(other)) == ("approved", [])
    forged = replace(SPENDING._read(payment.unsigned).tx, to=checksum_address(bytes.fromhex(STRANGER[2:])))
    given = road.signature("cosigner-1", payment.unsigned)
    with pytest.raises((CustodyError, NodeRefused)):
        _execute_with(road, forged, given)
    road.respend(asked)
    road.pay_out()
    road.pay_out()
    assert [road.state(item) for item in (asked, other)] == ["cancelled", "completed"]
    assert road.attempts(other)[0].turns[0].number == 1
    road.check()


def _execute_with(road: Turns, tx: SafeTx, signature: str) -> None:
    data = module.encode_execution(tx, bytes.fromhex(signature[2:]) * 2)
    road.anvil.transact(road.at["acme"], data=data)
