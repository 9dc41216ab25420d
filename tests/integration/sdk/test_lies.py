"""A house that was taken over cannot redirect a deposit: what its keys, branch or Safe do not give is refused.

What it shows instead is a real other vault each time: a thief's keyset, another client's branch, another's Safe.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from custody.approvals import queries as intents
from custody.evidence.places import VaultName
from custody.evidence.proven import ProvenIntent
from custody.sdk import AddressNotOurs, Client, NotProven, RootSeen
from custody.sdk.trust import derive
from custody.vaults import queries as vaults
from tests.cosigner.builders import KEYSET, World
from tests.integration.api.signing import row, serving_rows
from tests.integration.sdk.client import Between, Tamper, client_of, requester
from tests.integration.vaults.safe_keysets import make_safe_keyset
from tests.support.servers import Servers
from tests.support.several import Several, TwoChains


@pytest.fixture(scope="module")
def house(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Several]:
    """Two clients on coins, two on accounts, all with addresses in stock."""
    database = servers.fresh_database()
    house = Several.stand(database, tmp_path_factory.mktemp("house"), funded=False)
    house.open_client("bolt", branch=2)
    house.open_on_accounts("cedar", branch=2)
    house.stock(house.vaults["acme"], 50)
    yield house
    house.close()
    servers.drop(database)


@pytest.fixture(scope="module")
def http(house: Several, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with serving_rows(house, tmp_path_factory.mktemp("api"), row("shop")) as client:
        yield client


@pytest.fixture
def joined(house: Several, http: TestClient) -> tuple[Client, Between]:
    return client_of(http, house.ceremony.root.hash)


def test_an_honest_house_is_believed_on_both_chains(joined: tuple[Client, Between], house: Several) -> None:
    client, between = joined
    coins, account = client.addresses.new("acme"), client.addresses.new("birch")
    assert coins.address.startswith("bcrt1q")
    assert account.address.startswith("0x")
    assert coins in list(client.addresses.list("acme"))
    assert [each.address for each in client.addresses.list("birch")] == [account.address]
    # Trust root and openings are asked for once.
    asked = [request.url.path for request in between.sent]
    assert asked.count("/v1/trust-root") == 1
    assert asked.count("/v1/clients/acme/openings") == 1


def _shown(whose: str, **changes: Any) -> Tamper:
    """Its address shown otherwise."""

    def tamper(path: str, found: Any) -> Any:
        return found | changes if path == f"/v1/clients/{whose}/addresses" else found

    return tamper


def _thief() -> World:
    return World(cosigners=("thief", "south", "east"))


def _place(client: str, branch: int, index: int) -> dict[str, Any]:
    return {"client": client, "branch": branch, "index": index}


COINS = [
    ("another keyset's keys", lambda house: {"address": derive(_thief().keyset, **_place("acme", 1, 0)), "index": 0}),
    ("another branch", lambda house: {"address": derive(house.ceremony.keyset, **_place("acme", 2, 0)), "index": 0}),
    ("another index", lambda house: {"index": 4_711}),
    (
        "another client's vault",
        lambda house: {
            "address": derive(house.ceremony.keyset, **_place("bolt", 2, 0)),
            "vault": f"{KEYSET}/2",
            "index": 0,
        },
    ),
    ("another client's name", lambda house: {"client": "bolt"}),
    ("a vault of no keyset", lambda house: {"vault": "kst_thief/1"}),
    ("no vault", lambda house: {"vault": "somewhere"}),
    ("no address", lambda house: {"address": "bcrt1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq"}),
]


@pytest.mark.parametrize(("lie", "changed"), COINS, ids=[lie for lie, _ in COINS])
def test_refuses_an_address_of_coins_that_is_not_the_clients(
    joined: tuple[Client, Between], house: Several, lie: str, changed: Any
) -> None:
    client, between = joined
    between.tamper = _shown("acme", **changed(house))
    with pytest.raises(AddressNotOurs):
        client.addresses.new("acme")


def test_refuses_an_address_on_another_chain_than_was_asked_for(joined: tuple[Client, Between], house: Several) -> None:
    """What is paid on one chain to an address of another's vault is nobody's."""
    client, _ = joined
    coins, accounts = house.ceremony.keyset.chain, house.ceremony.safes.keyset.chain
    honest = client.addresses.new("acme", chain=coins)
    assert client.addresses.house.proved(honest.raw, client="acme", chain=coins) == honest
    with pytest.raises(AddressNotOurs, match="was asked for"):
        client.addresses.house.proved(honest.raw, client="acme", chain=accounts)


ACCOUNTS = [
    ("another keyset's owners", lambda house: (make_safe_keyset().keyset, _place("birch", 1, 0))),
    (
        "a lower threshold",
        lambda house: (replace(house.ceremony.safes.keyset, threshold=1), _place("birch", 1, 0)),
    ),
    ("another client's Safe", lambda house: (house.ceremony.safes.keyset, _place("cedar", 2, 0))),
    ("another keyset's name", lambda house: (replace(house.ceremony.safes.keyset, id="x"), _place("birch", 1, 0))),
]


@pytest.mark.parametrize(("lie", "made"), ACCOUNTS, ids=[lie for lie, _ in ACCOUNTS])
def test_refuses_a_safe_that_is_not_the_clients(
    joined: tuple[Client, Between], house: Several, lie: str, made: Any
) -> None:
    client, between = joined
    keyset, place = made(house)

    def tamper(path: str, found: Any) -> Any:
        if path != "/v1/clients/birch/addresses":
            return found
        shown = {"client": "birch", "vault": f"{house.ceremony.safes.keyset.id}/1", "index": 0, "issued_at": None}
        return found | {"addresses": [shown | {"address": derive(keyset, **place)}]}

    between.tamper = tamper
    with pytest.raises(AddressNotOurs):
        list(client.addresses.list("birch"))


def test_refuses_a_vault_whose_opening_is_not_proved(joined: tuple[Client, Between], house: Several) -> None:
    """Not shown; another's; denied by the people; agreed to by nobody; asked for by somebody else."""
    honest_client, between = joined
    honest = honest_client.request("GET", "/v1/clients/acme/openings").document["openings"]
    others = honest_client.request("GET", "/v1/clients/bolt/openings").document["openings"]
    proven = ProvenIntent.parse(honest[0], field="openings")
    with_no = replace(proven, approvals=(house.approval("bob", proven.intent.digest, verdict="reject"),))
    by_alice = _opening_by(house, "alice")
    for openings in ([], others, [with_no.to_json()], [replace(proven, approvals=()).to_json()], [by_alice], ["x"]):
        found, lying = client_of(between.http, house.ceremony.root.hash)
        lying.tamper = lambda path, document, shown=openings: (
            document | {"openings": shown} if path.endswith("/openings") else document
        )
        with pytest.raises(NotProven):
            found.addresses.new("acme")


def test_refuses_a_branch_taken_for_a_client_whose_opening_was_for_another(
    joined: tuple[Client, Between], house: Several
) -> None:
    """The opening is signed: its branch cannot be another's."""
    client, between = joined
    opening = client.request("GET", "/v1/clients/acme/openings").document["openings"][0]
    bent = ProvenIntent.parse(opening, field="openings")
    intent = replace(bent.intent, request=replace(bent.intent.request, branch=2), vault=VaultName(KEYSET, 2))

    def tamper(path: str, found: Any) -> Any:
        if path.endswith("/openings"):
            return {"openings": [replace(bent, intent=intent).to_json()]}
        place = {"vault": f"{KEYSET}/2", "index": 0, "address": derive(house.ceremony.keyset, **_place("acme", 2, 0))}
        return found | place if path.endswith("/addresses") else found

    between.tamper = tamper
    with pytest.raises(AddressNotOurs):
        client.addresses.new("acme")


def test_refuses_another_trust_root_and_another_policy(http: TestClient, house: Several) -> None:
    thiefs = TwoChains(cosigners=("thief", "south", "east"), expires_at=house.ceremony.expires_at)
    lies: list[Tamper] = [
        lambda path, found: found | {"trust_root": thiefs.signed_root.to_json()} if "trust-root" in path else found,
        lambda path, found: found | {"policy": found["policy"] + "\n# more"} if "trust-root" in path else found,
        lambda path, found: found | {"trust_root": None} if "trust-root" in path else found,
        lambda path, found: (
            found | {"trust_root": found["trust_root"] | {"signatures": []}} if "trust-root" in path else found
        ),
    ]
    for lie in lies:
        client, between = client_of(http, house.ceremony.root.hash)
        between.tamper = lie
        with pytest.raises(NotProven):
            client.addresses.new("acme")
    pinned_wrong, _ = client_of(http, thiefs.root.hash)
    with pytest.raises(NotProven, match="not the one pinned here"):
        pinned_wrong.addresses.new("acme")


def test_remembers_the_trust_root_in_a_file_that_the_next_client_reads(
    http: TestClient, house: Several, tmp_path: Path
) -> None:
    """In the process, it stays remembered also where the house is asked again."""
    root, path = house.ceremony.root, tmp_path / "seen"
    client, _ = client_of(http, root.hash, seen_file=path)
    assert client.trust_root() == RootSeen(1, root.hash)
    assert path.read_text() == f"1 {root.hash}\n"
    path.write_text(f"2 {'ab' * 32}\n")
    client.addresses.house.renew_trust()
    for later in (client, client_of(http, root.hash, seen_file=path)[0]):
        with pytest.raises(NotProven, match="another 2 was seen"):
            later.addresses.new("acme")


def test_asks_only_for_its_own_requesters_openings(http: TestClient, house: Several) -> None:
    client, _ = client_of(http, house.ceremony.root.hash, who=requester("somebody"))
    with pytest.raises(AddressNotOurs, match="no opening is shown"):
        client.addresses.new("acme")


def _opening_by(house: Several, person: str) -> Any:
    request = house.opening_request("acme", branch=1, requester=person)
    with house.db.unit() as unit:
        digest = vaults.openings_of(unit.session, client="acme")[0]
        proven = intents.proven(unit.session, digest=digest)
    intent = replace(proven.intent, request=request)
    given = (house.approval("bob", intent.digest),)
    return ProvenIntent(intent, house.signed(request), given).to_json()
