"""A cosigner whose key is inside a PKCS#11 module pays a withdrawal on each chain; its program is the whole program."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from custody.evidence.signatures import Signature
from custody.evidence.words import digest_code
from custody.signing import operations as signing
from custody.trust import operations as trust
from demo.servers import Anvil, Bitcoind
from tests.cosigner.builders import KEPT_ELSEWHERE, World
from tests.cosigner.keyholder import DONE
from tests.integration.vaults.safe_keysets import SafeCosigner, keyset_of
from tests.support.road import Road, btc
from tests.support.servers import FreshDatabase
from tests.support.status import state_status
from tests.support.tokens import Token, TokenHolder, token
from tests.support.turns import Turns

__all__ = ["token"]
HSM = "hsm"


@pytest.fixture
def holder(token: Token, tmp_path: Path) -> Iterator[TokenHolder]:
    """A Bitcoin cosigner with a fixed key, known to the world's ceremony."""
    made = token.holder(HSM, tmp_path)
    KEPT_ELSEWHERE[HSM] = made.key
    yield made
    del KEPT_ELSEWHERE[HSM]


def test_a_fixed_key_in_a_token_signs_a_withdrawal_of_bitcoin(
    holder: TokenHolder, database: FreshDatabase, chain: Bitcoind, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    now = datetime.now(UTC)
    world = World(cosigners=(HSM, "south", "east"), me=HSM, now=now, expires_at=now + timedelta(days=365))
    road = Road.build(database, chain, tmp_path, ceremony=world)
    try:
        road.open("acme")
        road.deposit("acme", btc("0.3"), btc("0.3"))
        asked = road.ask("acme", btc("0.04"), max_fee=20_000)
        road.settle(cosigners=("south",))
        assert road.state(asked) == "awaiting_signatures"

        assert holder.pin(world) == DONE
        (bundle,) = road.bundles_for(HSM)
        answer = _signed_by_program(holder, bundle.to_json(), capsys)
        with road.db.unit() as unit:
            signing.add_signature(
                unit.session, bundle=bundle.id, cosigner=HSM, signed=answer["psbt"], correlation_id="t", now=unit.now
            )
        road.settle(cosigners=())
        road.mine(2)
        assert road.state(asked) == "completed"
        assert road.paid(asked.destination) == [btc("0.04")]
        road.check()
    finally:
        road.close()


class TokenOwner(SafeCosigner):
    """An owner of Safes whose key is in the token."""

    def __init__(self, name: str, holder: TokenHolder) -> None:
        super().__init__(name)
        key = holder.key
        account: Any = key.header.account_key
        self.public_key, self.key, self.secret = bytes.fromhex(key.public_key), account, b""
        self._key = key

    def sign(self, message: bytes) -> Signature:
        return Signature(self.name, self._key.sign_statement(message))


def test_an_account_in_a_token_signs_a_withdrawal_of_ether(
    token: Token, database: FreshDatabase, anvil: Anvil, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    holder = token.holder("cosigner-1", tmp_path, "anvil")
    ours = TokenOwner("cosigner-1", holder)
    house = Turns(database, anvil, keys=keyset_of((ours, SafeCosigner("cosigner-2"), SafeCosigner("cosigner-3"))))
    _pin(holder, house)
    house.open("acme")
    house.fund("acme", 2 * 10**18)
    asked = house.ask("acme", 10**18)
    house.settle(cosigners=("cosigner-2",))

    state_status(house.db)
    (document,) = house.give_out("cosigner-1")
    answer = _signed_by_program(holder, document, capsys)
    with house.db.unit() as unit:
        given = signing.add_signature(
            unit.session,
            bundle=document["id"],
            cosigner="cosigner-1",
            signed=answer["signature"],
            correlation_id="t",
            now=unit.now,
        )
    assert given.refused is None
    house.pay_out()
    assert house.see(asked).state == "completed"
    assert house.received(asked) == 10**18
    house.check()


def _signed_by_program(holder: TokenHolder, document: Any, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    path = holder.write("bundle.json", json.dumps(document))
    capsys.readouterr()
    assert holder.run_open("sign", path, "--yes") == DONE
    said = capsys.readouterr()
    assert holder.token is not None
    assert holder.token.pin not in said.out + said.err
    answer: dict[str, str] = json.loads(said.out)
    return answer


def _pin(holder: TokenHolder, house: Turns) -> None:
    with house.db.unit() as unit:
        signed = trust.in_force(unit.session).signed
    root = holder.write("root.json", json.dumps(signed.to_json()))
    assert holder.run("pin", "--root", root, "--fingerprint", digest_code(signed.root.hash)) == DONE
