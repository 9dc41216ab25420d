"""What the page of a payment out of a Safe says of its bytes: the calls decoded, every hash, and what devices show."""

from __future__ import annotations

import html
import json
import re
from typing import Any

import pytest
from sqlalchemy import text

from custody.api.console.pages import intents as pages
from custody.approvals import queries
from custody.chains.ethereum.offline.keccak import keccak
from custody.chains.ethereum.offline.unsigned import UnsignedSafeTx
from custody.chains.spending import Turn
from custody.evidence.bundle import Payment
from custody.evidence.screens import grouped
from custody.kernel.money import Amount
from custody.ledger import operations as ledger
from custody.trust import operations as trust
from custody.views.deciding import deciding
from custody.withdrawals.model import Withdrawal
from tests.cosigner.safe_builders import ANVIL, ETHER, NATIVE, SAFES, SafeWorld, batch, somebody
from tests.integration.api.test_safe_bundles import house, world
from tests.support.console import at_console
from tests.support.safes import SafeTransaction, typed
from tests.support.world import House

__all__ = ["house", "world"]


@pytest.fixture
def asked(house: House, world: SafeWorld) -> Withdrawal:
    """One ether, asked for out of the client's Safe."""
    with house.db.unit() as unit:
        ledger.credit_deposit(
            unit.session,
            deposit_id="dep_ether",
            client="acme",
            vault=f"{SAFES}/7",
            amount=Amount(NATIVE.id, 5 * ETHER),
            actor="test",
            now=unit.now,
        )
    return house.withdraw(world.withdrawal("acme", ETHER, purpose="order 7"))


def attempt(house: House, asked: Withdrawal, unsigned: UnsignedSafeTx, sequence: int) -> None:
    """As if it had been composed: the bytes are what the page is about."""
    turn = Turn(unsigned.safe, unsigned.tx.nonce, "acme", 0)
    values = {
        "id": f"att_{sequence}",
        "withdrawal_id": asked.id,
        "sequence": sequence,
        "chain": ANVIL.chain,
        "vault_id": f"{SAFES}/7",
        "inputs": json.dumps([turn.to_json()]),
        "unsigned": unsigned.text,
        "txid": unsigned.spend,
        "fee_units": 0,
        "weight": 1,
        "state": "composed",
        "composed_at": house.now(),
    }
    with house.db.unit() as unit:
        named = ", ".join(f":{name}" for name in values)
        unit.session.execute(text(f"INSERT INTO attempts ({', '.join(values)}) VALUES ({named})"), values)


def shown(house: House, asked: Withdrawal) -> dict[str, Any]:
    with house.db.unit() as unit:
        filed = queries.get(unit.session, digest=asked.digest)
        return deciding(unit.session, filed, trust=trust.in_force(unit.session), operator="alice", now=unit.now)


def hashes(unsigned: UnsignedSafeTx) -> dict[str, str]:
    """The three of them by another library than ours."""
    tx = unsigned.tx
    same = SafeTransaction(tx.to, tx.value, tx.data, tx.operation, nonce=tx.nonce)
    found = typed(same, chain_id=ANVIL.chain_id, safe=unsigned.safe)
    return {
        "safeTxHash": "0x" + keccak(b"\x19\x01" + found.header + found.body).hex(),
        "domain hash": "0x" + found.header.hex(),
        "message hash": "0x" + found.body.hex(),
    }


def payments(world: SafeWorld, asked: Withdrawal, *others: Any) -> list[Payment]:
    mine = world.withdrawal("acme", ETHER, destination=asked.destination)
    return [world.payment(each, branch=7) for each in (mine, *others)]


def plain(page: str) -> str:
    """What is read: no elements, blanks once."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def test_a_call_and_a_batch_are_read_out_with_their_hashes_and_what_devices_show(
    house: House, world: SafeWorld, asked: Withdrawal
) -> None:
    payee = somebody("another")
    tokens = world.usdx("acme", 7_500_000, destination=payee)
    single = world.composed(payments(world, asked))
    both = world.composed(payments(world, asked, tokens))
    attempt(house, asked, single, 1)
    attempt(house, asked, both, 2)
    first, second = shown(house, asked)["signed"]
    assert (first["operation"], second["operation"]) == (
        f"call (0), number 0 of Safe {world.safe('acme')}",
        f"delegate call (1) of the pinned batch contract, number 0 of Safe {world.safe('acme')}",
    )
    told = [(out["address"], out["amount"]["decimal"], out["amount"]["code"], out["what"]) for out in second["outputs"]]
    mine = (asked.destination, "1.000000000000000000", NATIVE.code, "this payment")
    assert told == [mine, (payee, "7.500000", "USDX", "another payment beside this one")]
    assert [each["address"] for each in first["outputs"]] == [asked.destination]
    assert [each["problem"] for each in (first, second)] == ["", ""]
    page = pages.intent(at_console("alice"), shown(house, asked))
    read = plain(page)
    assert "paid by whoever carries it, never out of the Safe" in read
    for unsigned in (single, both):
        for name, value in hashes(unsigned).items():
            assert name in read
            assert value in page, f"{name}: whole, to be copied"
        assert hashes(unsigned)["safeTxHash"] == unsigned.spend
        for name in ("domain hash", "message hash"):
            assert grouped(hashes(unsigned)[name]) in read
    for line in ("Value 1000000000000000000 wei", "Operation 0 (call)", "Operation 1 (delegate call)", "Data none"):
        assert line in read
    assert f"To {grouped(single.tx.to)}" in read
    assert f"To {grouped(both.tx.to)}" in read
    assert f"multiSend, {len(both.tx.data)} bytes" in read
    assert "who is paid: the payments of a batch are packed bytes to it" in read
    assert f"At most one of these can confirm: all of them take {single.claim}." in read


def test_bytes_that_do_something_else_are_told_to_be_stopped(house: House, world: SafeWorld, asked: Withdrawal) -> None:
    elsewhere = world.withdrawal("acme", ETHER, destination=somebody("thief"))
    attempt(house, asked, world.composed([world.payment(elsewhere, branch=7)]), 1)
    mine = world.call(payments(world, asked)[0])
    odd = UnsignedSafeTx(ANVIL, world.safe("acme"), batch([mine, mine], nonce=1))
    attempt(house, asked, odd, 2)
    broken = world.composed(payments(world, asked), nonce=2, data=b"\xde\xad\xbe\xef")
    attempt(house, asked, broken, 3)
    signed = shown(house, asked)["signed"]
    assert signed[0]["problem"] == "does not pay what was asked for"
    assert [each["address"] for each in signed[0]["outputs"]] == [somebody("thief")]
    assert len(signed[1]["outputs"]) == 2
    assert signed[2]["problem"].startswith("cannot be read: ")
    assert signed[2]["outputs"] == []
    read = plain(pages.intent(at_console("alice"), shown(house, asked)))
    assert read.count("Stop It") == 2
    assert "Stop It does not pay what was asked for." in read
