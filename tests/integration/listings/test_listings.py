"""Destinations on a client's list: who puts them there, when they count, what holds one up, and how they leave it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from custody.api.routes.rules import _taken_back
from custody.chains.registry import addressing
from custody.evidence.lookalikes import ConfirmationRefused
from custody.evidence.trust_root import TrustRoot
from custody.judging.facts import outside
from custody.kernel.errors import InvalidInput, NotFound
from custody.listings import queries
from custody.listings.operations import AlreadyListed, NotListed, note_code
from tests.cosigner.builders import World
from tests.integration.vaults.safe_keysets import ANVIL
from tests.statuskeeper.test_keeper import keeper_of
from tests.support.governing import agree, carry_out, confirm, file, govern, listing
from tests.support.oracle import plays
from tests.support.rows import pay
from tests.support.servers import FreshDatabase
from tests.support.world import REGTEST, House, address

KNOWN = "bcrt1qzg69v782lzwmwyyywrwr76era2gxrqny2rtht6"
LIKE = "bcrt1qzg69v7rmpquv9tm7dv0nledynsed63vavztht6"
"""Begins and ends as the known one does."""


class Cooling(World):
    """The usual world, where a listing cools off for an hour."""

    @property
    def root(self) -> TrustRoot:  # type: ignore[override]
        return replace(super().root, cooling_seconds=3_600)


@pytest.fixture
def house(database: FreshDatabase) -> Iterator[House]:
    """Two clients."""
    built = House.found(database)
    for client, branch in (("acme", 4), ("birch", 5)):
        built.open_client(client, branch=branch)
    yield built
    built.close()


def standing(house: House, client: str, destination: str, *, later: timedelta = timedelta(0)) -> str:
    locator = addressing(REGTEST.chain).read_destination(destination, field="destination").locator
    with house.db.unit() as unit:
        return outside(
            unit.session,
            client=client,
            chain=REGTEST.chain,
            address=destination,
            locator=locator,
            now=unit.now + later,
        ).standing


def test_an_agreed_destination_is_listed_for_its_client_alone(house: House) -> None:
    asked = file(house.db, listing(house.db, "acme", KNOWN))
    carry_out(house.db, asked.digest)
    assert (asked.state, standing(house, "acme", KNOWN)) == ("pending", "new")
    agree(house.db, asked.digest, "alice")
    assert carry_out(house.db, asked.digest).carried_out_at is not None
    assert (standing(house, "acme", KNOWN), standing(house, "birch", KNOWN)) == ("listed", "new")
    carry_out(house.db, asked.digest)
    with house.db.unit() as unit:
        assert len(queries.every(unit.session)) == 1
    house.expect_whole()


def test_a_listing_cools_off_before_it_counts(database: FreshDatabase) -> None:
    house = House.found(database, ceremony=_cooling(database))
    house.open_client("acme", branch=4)
    govern(house.db, listing(house.db, "acme", KNOWN), "alice")
    assert standing(house, "acme", KNOWN) == "cooling"
    assert standing(house, "acme", KNOWN, later=timedelta(minutes=59)) == "cooling"
    assert standing(house, "acme", KNOWN, later=timedelta(minutes=61)) == "listed"
    house.close()


def test_what_is_taken_off_the_list_is_new_and_its_agreement_withdrawn(house: House, tmp_path: Path) -> None:
    first = govern(house.db, listing(house.db, "acme", KNOWN), "alice")
    govern(house.db, listing(house.db, "acme", KNOWN, action="delist"), "alice")
    assert standing(house, "acme", KNOWN) == "new"
    with house.db.unit() as unit:
        state = unit.session.execute(
            text("SELECT state FROM intents WHERE digest = :digest"), {"digest": first.digest}
        ).scalar_one()
    assert state == "withdrawn"
    carry_out(house.db, first.digest)
    assert standing(house, "acme", KNOWN) == "new"
    govern(house.db, listing(house.db, "acme", KNOWN), "alice")
    assert standing(house, "acme", KNOWN) == "listed"
    house.expect_whole()
    with house.db.unit() as unit:
        told, now = _taken_back(unit), unit.now
    keeper = keeper_of(house.ceremony, tmp_path)
    for document in told["documents"]:
        keeper.tell(document, now=now)
    assert set(keeper.state(lifetime=timedelta(minutes=1), now=now).status.withdrawn) == set(told["withdrawn"]) != set()


@plays("P-009")
def test_p009_a_lookalike_is_held_until_a_second_operator_read_it_out(house: House) -> None:
    govern(house.db, listing(house.db, "acme", KNOWN), "alice")
    like = LIKE
    asked = file(house.db, listing(house.db, "acme", like, requester="bob"))
    agree(house.db, asked.digest, "alice")
    assert carry_out(house.db, asked.digest).carried_out_at is None
    assert standing(house, "acme", like) == "new"
    with house.db.unit() as unit:
        assert [check.similar for check in queries.held(unit.session)] == [KNOWN]
    for person, changes, what in (
        ("bob", {}, r"confirmation\.person"),
        ("exchange", {}, r"signature\.key"),
        ("carol", {"destination": KNOWN}, r"confirmation\.destination"),
        ("carol", {"similar": like}, r"confirmation\.similar"),
    ):
        with pytest.raises(ConfirmationRefused, match=what):
            confirm(house.db, asked.digest, person, **changes)
    assert standing(house, "acme", like) == "new"
    confirm(house.db, asked.digest, "carol")
    assert standing(house, "acme", like) == "listed"
    confirm(house.db, asked.digest, "alice")
    with house.db.unit() as unit:
        check = queries.check_of(unit.session, digest=asked.digest)
    assert check is not None and check.confirmed_by == "carol"
    house.expect_whole()


def test_a_confirmed_lookalike_still_needs_the_policys_people(house: House) -> None:
    govern(house.db, listing(house.db, "acme", KNOWN), "alice")
    like = LIKE
    asked = file(house.db, listing(house.db, "acme", like))
    assert confirm(house.db, asked.digest, "carol") == "pending"
    assert standing(house, "acme", like) == "new"
    agree(house.db, asked.digest, "bob")
    carry_out(house.db, asked.digest)
    assert standing(house, "acme", like) == "listed"


def test_another_clients_lookalike_is_not_held(house: House) -> None:
    govern(house.db, listing(house.db, "acme", KNOWN), "alice")
    pay(house, "acme", KNOWN)
    govern(house.db, listing(house.db, "birch", LIKE), "alice")
    with house.db.unit() as unit:
        assert queries.held(unit.session) == []


def test_what_looks_like_where_the_client_paid_is_held(house: House) -> None:
    pay(house, "acme", KNOWN)
    file(house.db, listing(house.db, "acme", LIKE))
    with house.db.unit() as unit:
        assert [check.similar for check in queries.held(unit.session)] == [KNOWN]


def test_names_what_is_wrong_and_writes_nothing(house: House) -> None:
    govern(house.db, listing(house.db, "acme", KNOWN), "alice")
    ours = house.address("birch").address
    before = house.row_counts()
    for request, error, field in (
        (listing(house.db, "acme", "nonsense"), InvalidInput, r"request\.destination"),
        (listing(house.db, "acme", KNOWN.upper()), InvalidInput, r"request\.destination"),
        (listing(house.db, "acme", ours), InvalidInput, r"request\.destination"),
        (listing(house.db, "acme", KNOWN, chain="bip122:00"), InvalidInput, r"request\.chain"),
        (listing(house.db, "nobody", address("x")), NotFound, "client"),
        (listing(house.db, "acme", KNOWN), AlreadyListed, r"request\.destination"),
        (listing(house.db, "acme", address("y"), action="delist"), NotListed, r"request\.destination"),
    ):
        with pytest.raises(error, match=field):
            file(house.db, request)
    assert house.row_counts() == before


def test_two_that_were_asked_at_once_list_it_once(house: House) -> None:
    asked = [file(house.db, listing(house.db, "acme", KNOWN)) for _ in range(2)]
    for each in asked:
        agree(house.db, each.digest, "alice")
    assert [carry_out(house.db, each.digest).state for each in asked] == ["approved", "withdrawn"]
    house.expect_whole()


def test_knows_what_lives_at_a_destination_once_it_was_looked_at(house: House) -> None:
    with house.db.unit() as unit:
        assert queries.code_of(unit.session, chain=REGTEST.chain, locator=b"\x01") == "plain"
        assert queries.code_of(unit.session, chain=ANVIL.chain, locator=b"\x01") is None
        note_code(unit.session, chain=ANVIL.chain, locator=b"\x01", code="plain", now=unit.now)
        note_code(unit.session, chain=ANVIL.chain, locator=b"\x01", code="contract", now=unit.now)
        assert queries.code_of(unit.session, chain=ANVIL.chain, locator=b"\x01") == "contract"


def _cooling(database: FreshDatabase) -> World:
    with database.db.unit() as unit:
        return Cooling(now=unit.now, expires_at=unit.now + timedelta(days=365))
