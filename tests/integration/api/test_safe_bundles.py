"""Bundles for Safes over HTTP: given out, answered by the cosigners' own desks, and complete at quorum."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from custody.chains.ethereum.spending import EthereumSpending
from custody.chains.spending import Turn
from custody.cosigner.answering import Desk, Signed, SignedRefusal
from custody.cosigner.limits import Limits
from custody.cosigner.memory import Memory
from custody.evidence.bundle import Bundle
from custody.evidence.keysets import keyset_consent_message
from custody.evidence.signatures import Signature
from custody.kernel.ids import new_id
from custody.openings import operations as openings
from custody.signing import operations as signing
from custody.signing import queries
from custody.vaults import operations as vaults
from tests.cosigner.safe_builders import ANVIL, SAFES, SafeWorld, safe_key
from tests.integration.api.callers import As, expect_problem
from tests.support.servers import FreshDatabase
from tests.support.world import House


@pytest.fixture
def world(database: FreshDatabase) -> SafeWorld:
    with database.db.unit() as unit:
        return SafeWorld(now=unit.now, expires_at=unit.now + timedelta(days=365))


@pytest.fixture
def house(database: FreshDatabase, world: SafeWorld) -> Iterator[House]:
    house = House.found(database, ceremony=world)
    message = keyset_consent_message(world.safe_keyset)
    given = tuple(Signature(name, safe_key(name).sign_statement(message)) for name in world.owners)
    with house.db.unit() as unit:
        vaults.register_keyset(unit.session, keyset=world.safe_keyset, consents=given, actor="ceremony", now=unit.now)
    asked = house.request_opening(house.opening_request("acme", branch=7, keyset=SAFES))
    house.approve(asked.digest, "alice")
    with house.db.unit() as unit:
        openings.complete(unit.session, digest=asked.digest, now=unit.now)
    yield house
    house.close()


@pytest.fixture
def bundle(house: House, world: SafeWorld) -> Bundle:
    with house.db.unit() as unit:
        bundle = world.ether(name=new_id("bnd", unit.now))
        signing.open_bundle(
            unit.session,
            bundle=bundle,
            keyset=world.safe_keyset,
            vault=f"{SAFES}/7",
            inputs=[Turn(world.safe("acme"), 0, "acme", 0)],
            now=unit.now,
        )
    return bundle


def desk(name: str, world: SafeWorld, folder: Path) -> Desk:
    memory = Memory.create(folder / name)
    memory.pin(world.root.hash, now=world.now)
    return Desk(safe_key(name), memory, Limits())


def test_two_cosigners_answers_make_what_a_relayer_takes(
    house: House, world: SafeWorld, bundle: Bundle, call_as: As, tmp_path: Path
) -> None:
    for place, name in enumerate(("north-safe", "south-safe")):
        (given,) = call_as(name).get(f"/v1/bundles?cosigner={name}").json()["bundles"]
        assert given["kind"] == "safe"
        answer = desk(name, world, tmp_path).answer(
            Bundle.parse(given), confirm=lambda _verdict: True, clock=lambda: world.now
        )
        assert isinstance(answer, Signed)
        told = call_as(name).post(f"/v1/bundles/{bundle.id}/signatures", answer.to_json(name))
        assert told.status_code == 200, told.text
        assert told.json()["state"] == ("open", "complete")[place]
    with house.db.unit() as unit:
        found = queries.of_attempt(unit.session, attempt=bundle.attempt)
    assert found is not None
    assert found.final is not None
    assert EthereumSpending(ANVIL.chain).is_signed(bundle.unsigned, found.final)
    assert found.spend == world.composed(bundle.payments).spend


def test_a_signed_refusal_of_a_safe_tx_is_taken(
    house: House, world: SafeWorld, bundle: Bundle, call_as: As, tmp_path: Path
) -> None:
    call_as("north-safe").get("/v1/bundles?cosigner=north-safe")
    answer = desk("north-safe", world, tmp_path).answer(bundle, confirm=lambda _verdict: False, clock=lambda: world.now)
    assert isinstance(answer, SignedRefusal)
    body = {"refusal": answer.refusal.to_json(), "signature": answer.signature}
    told = call_as("north-safe").post(f"/v1/bundles/{bundle.id}/refusals", body)
    assert told.status_code == 200, told.text


def test_refuses_what_is_no_owners_signature_of_it(house: House, bundle: Bundle, call_as: As) -> None:
    north, path = call_as("north-safe"), f"/v1/bundles/{bundle.id}/signatures"
    for body, field in (
        ({"cosigner": "north-safe", "psbt": "cHNidP8="}, "psbt"),
        ({"cosigner": "north-safe", "safe_tx": bundle.unsigned}, "body.psbt"),
        ({"cosigner": "north-safe", "signature": "0x" + "11" * 64}, "answer"),
        ({"cosigner": "north-safe", "signature": 5}, "answer"),
    ):
        expect_problem(north.post(path, body), 422, "invalid-input", field)
    expect_problem(call_as("north").post(path, {"cosigner": "north", "psbt": ""}), 404, "unknown-bundle")
    assert house.row_counts()["bundle_answers"] == 0
    forged = "0x" + "11" * 64 + "1b"
    expect_problem(north.post(path, {"cosigner": "north-safe", "signature": forged}), 403, "signature-refused")
    assert house.row_counts()["alarms"] == 1
