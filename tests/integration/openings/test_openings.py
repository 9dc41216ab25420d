"""A client is opened by a signed and approved intent, once, on a branch that is nobody else's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from custody.approvals.operations import IdempotencyMismatch
from custody.evidence.check import RequestRefused
from custody.kernel.errors import InvalidInput
from custody.openings import operations as openings
from custody.trust import operations as trust
from custody.vaults.operations import BranchTaken, VaultOpen
from tests.cosigner.builders import KEYSET
from tests.support.servers import FreshDatabase
from tests.support.world import House


@pytest.fixture
def house(database: FreshDatabase) -> Iterator[House]:
    """A house without clients."""
    built = House.found(database)
    yield built
    built.close()


def complete(house: House, digest: str) -> None:
    with house.db.unit() as unit:
        openings.complete(unit.session, digest=digest, now=unit.now)


def opened(house: House) -> int:
    return house.row_counts()["clients"]


def test_opens_nothing_before_an_operator_agreed(house: House) -> None:
    opening = house.request_opening(house.opening_request("acme", branch=4))
    assert opening.state == "pending"
    complete(house, opening.digest)
    assert opened(house) == 0
    house.approve(opening.digest, "alice")
    complete(house, opening.digest)
    assert opened(house) == 1


def test_opens_once_however_often_it_is_told(house: House) -> None:
    opening = house.request_opening(house.opening_request("acme", branch=4))
    house.approve(opening.digest, "alice")
    complete(house, opening.digest)
    before = house.row_counts()
    complete(house, opening.digest)
    assert house.request_opening(house.opening_request("acme", branch=4, not_after=_same(house))).replayed
    assert house.row_counts() == before


def test_a_rejected_opening_opens_nothing(house: House) -> None:
    opening = house.request_opening(house.opening_request("acme", branch=4))
    house.approve(opening.digest, "bob", verdict="reject")
    complete(house, opening.digest)
    assert opened(house) == 0


def test_refuses_what_no_requester_signed(house: House) -> None:
    request = house.opening_request("acme", branch=4)
    with house.db.unit() as unit:
        root = trust.in_force(unit.session)
    for signature in (house.signed(request, signer="mallory"), house.signed(replace(request, branch=5))):
        before = house.row_counts()
        with pytest.raises(RequestRefused), house.db.unit() as unit:
            openings.request_opening(unit.session, request=request, signature=signature, trust=root, now=unit.now)
        assert house.row_counts() == before


def test_refuses_a_keyset_that_the_root_does_not_name(house: House) -> None:
    with pytest.raises(InvalidInput, match="keyset"):
        house.request_opening(house.opening_request("acme", branch=4, keyset="kst_other"))


def test_refuses_the_same_key_for_another_client(house: House) -> None:
    house.request_opening(house.opening_request("acme", branch=4))
    with pytest.raises(IdempotencyMismatch):
        house.request_opening(house.opening_request("birch", branch=4, idempotency_key="open-acme"))


@pytest.mark.parametrize("segregation", ["segregated", "omnibus"])
def test_gives_nobody_the_branch_of_a_segregated_client(house: House, segregation: str) -> None:
    house.open_client("acme", branch=4)
    opening = house.request_opening(house.opening_request("birch", branch=4, segregation=segregation))
    house.approve(opening.digest, "alice")
    with pytest.raises(BranchTaken):
        complete(house, opening.digest)
    assert opened(house) == 1


def test_gives_no_client_two_branches_of_one_keyset(house: House) -> None:
    house.open_client("acme", branch=4)
    with pytest.raises(InvalidInput, match=r"request\.keyset: .* has vault"):
        house.request_opening(house.opening_request("acme", branch=5, idempotency_key="again"))
    assert house.vaults == {"acme": f"{KEYSET}/4"}
    assert house.row_counts()["vaults"] == 1


def test_gives_no_client_two_branches_asked_for_at_once(house: House) -> None:
    asked = [
        house.request_opening(house.opening_request("acme", branch=branch, idempotency_key=f"open-{branch}"))
        for branch in (4, 5)
    ]
    for opening in asked:
        house.approve(opening.digest, "alice")
    complete(house, asked[0].digest)
    with pytest.raises(VaultOpen):
        complete(house, asked[1].digest)
    assert opened(house) == house.row_counts()["vaults"] == 1


def test_opens_no_second_vault_under_another_name_or_kind(house: House) -> None:
    house.open_client("acme", branch=4)
    for changes in ({"name": "Somebody"}, {"segregation": "omnibus"}):
        with pytest.raises(InvalidInput, match="the client is open already"):
            house.request_opening(house.opening_request("acme", branch=5, idempotency_key="again", **changes))


def _same(house: House) -> object:
    """The end of the first request, which the same body must repeat."""
    from datetime import datetime

    from sqlalchemy import text

    with house.db.unit() as unit:
        found = unit.session.execute(text("SELECT not_after FROM intents")).scalar_one()
    assert isinstance(found, datetime)
    return found
