"""Bundles over HTTP: each cosigner for itself, and answers that count once."""

from __future__ import annotations

import pytest

from custody.evidence.bundle import Bundle
from tests.integration.api.bundles import open_bundle, refused_by, signed_by
from tests.integration.api.callers import As, expect_problem
from tests.support.world import House


@pytest.fixture
def house(house: House) -> House:
    house.open_client("acme", branch=7)
    return house


def test_gives_a_cosigner_its_bundles_until_it_answers(house: House, call_as: As) -> None:
    bundle = open_bundle(house)
    north = call_as("north")
    for _ in range(2):
        (given,) = north.get("/v1/bundles?cosigner=north").json()["bundles"]
        assert Bundle.parse(given).digest == bundle.digest
        assert given["status"]["service"] == "keeper"
    answer = north.post(
        f"/v1/bundles/{bundle.id}/signatures", {"cosigner": "north", "psbt": signed_by(house, "north", bundle)}
    )
    assert answer.json() == {"bundle": bundle.id, "state": "open", "signed_by": ["north"]}
    assert north.get("/v1/bundles?cosigner=north").json() == {"bundles": []}


def test_is_complete_at_quorum_and_the_same_answer_changes_nothing(house: House, call_as: As) -> None:
    bundle = open_bundle(house)
    for _ in range(2):
        for name in ("north", "south"):
            body = {"cosigner": name, "psbt": signed_by(house, name, bundle)}
            answer = call_as(name).post(f"/v1/bundles/{bundle.id}/signatures", body)
            assert answer.status_code == 200
    assert answer.json() == {"bundle": bundle.id, "state": "complete", "signed_by": ["north", "south"]}


def test_refuses_one_cosigner_speaking_for_another(house: House, call_as: As) -> None:
    bundle = open_bundle(house)
    before = house.row_counts()
    path = f"/v1/bundles/{bundle.id}"
    north = call_as("north")
    expect_problem(north.get("/v1/bundles?cosigner=south"), 403, "role-refused", "cosigner")
    body = {"cosigner": "south", "psbt": signed_by(house, "south", bundle)}
    expect_problem(north.post(f"{path}/signatures", body), 403, "role-refused", "cosigner")
    expect_problem(north.post(f"{path}/refusals", refused_by(house, "south", bundle)), 403, "role-refused", "cosigner")
    assert house.row_counts() == before


def test_takes_an_answer_under_the_field_of_the_bundles_chain_alone(house: House, call_as: As) -> None:
    bundle = open_bundle(house)
    before, path = house.row_counts(), f"/v1/bundles/{bundle.id}/signatures"
    north, psbt = call_as("north"), signed_by(house, "north", bundle)
    for body, field in (
        ({"cosigner": "north", "signature": "0x" + "11" * 65}, "signature"),
        ({"cosigner": "north", "safe_tx": "{}"}, "body.psbt"),
        ({"cosigner": "north"}, "body.psbt"),
        ({"psbt": psbt}, "body.cosigner"),
        ({"cosigner": "north", "psbt": psbt, "signature": "0x"}, "body.signature"),
        ([], "body"),
    ):
        expect_problem(north.post(path, body), 422, "invalid-input", field)
    assert house.row_counts() == before


def test_keeps_the_alarm_of_an_answer_it_refuses(house: House, call_as: As) -> None:
    bundle = open_bundle(house)
    body = {"cosigner": "south", "psbt": signed_by(house, "north", bundle)}
    answer = call_as("south").post(f"/v1/bundles/{bundle.id}/signatures", body)
    expect_problem(answer, 403, "signature-refused")
    assert house.row_counts()["alarms"] == 1
    assert house.row_counts()["bundle_answers"] == 0


def test_takes_a_signed_refusal_of_the_bundle_it_names(house: House, call_as: As) -> None:
    bundle, other = open_bundle(house), open_bundle(house)
    body = refused_by(house, "north", bundle)
    north = call_as("north")
    expect_problem(north.post(f"/v1/bundles/{other.id}/refusals", body), 422, "invalid-input", "refusal.bundle")
    assert north.post(f"/v1/bundles/{bundle.id}/refusals", body).json()["state"] == "open"
    forged = refused_by(house, "south", other) | {"signature": body["signature"]}
    expect_problem(call_as("south").post(f"/v1/bundles/{other.id}/refusals", forged), 403, "refusal-invalid")


@pytest.mark.parametrize("psbt", [None, 1, "", "cHNidP8B", "cHNidP8=", "é" * 10, "\x00", "A" * 2_900_000])
def test_refuses_what_is_no_psbt_and_writes_nothing(house: House, call_as: As, psbt: object) -> None:
    bundle = open_bundle(house)
    before = house.row_counts()
    answer = call_as("north").post(f"/v1/bundles/{bundle.id}/signatures", {"cosigner": "north", "psbt": psbt})
    document = expect_problem(answer, 422, answer.json()["code"])
    assert document["field"]
    assert house.row_counts() == before


def test_reads_no_more_of_a_body_than_it_takes(house: House, call_as: As) -> None:
    path = f"/v1/bundles/{open_bundle(house).id}"
    large, huge = b'"' + b"a" * 70_000 + b'"', b'"' + b"a" * 3_100_000 + b'"'
    expect_problem(call_as("north").send("POST", f"{path}/refusals", content=large), 413, "body-too-large")
    expect_problem(call_as("north").send("POST", f"{path}/signatures", content=huge), 413, "body-too-large")
    in_parts = (b"a" * 10_000 for _ in range(10))
    expect_problem(call_as("north").send("POST", f"{path}/refusals", content=in_parts), 413, "body-too-large")
