"""The status service believes signatures, forgets nothing, and lets a daemon only add."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from custody.evidence.announcement import Announcement, Waiting
from custody.evidence.intents import in_the_house
from custody.evidence.proven import ProvenIntent
from custody.evidence.requests import FreezeRequest, Request, UnfreezeRequest, request_message
from custody.evidence.retractions import CANCELLATION, REVOCATION, Retraction, SignedRetraction
from custody.evidence.signatures import sign_ed25519
from custody.evidence.status import SignedStatus, check_status
from custody.evidence.succession import SuccessionRefused
from custody.evidence.trust_root import Service
from custody.evidence.words import digest_code
from custody.kernel.errors import CustodyError
from custody.statuskeeper.keeper import Keeper, NotTaken
from custody.statuskeeper.keeping import Keeping
from custody.statuskeeper.main import main
from tests.cosigner.builders import DEMO_POLICY, NOW, World, approval, key_id, person_key, sign_root
from tests.support.status import STATUS_KEY
from tests.support.versions import Versions, relaxed, slow

LIFETIME = timedelta(minutes=5)
MINUTE = timedelta(minutes=1)


def keeper_of(world: World, folder: Path) -> Keeper:
    keeping = Keeping.create(folder / "list.sqlite")
    with keeping.exclusive():
        keeping.add_version(world.root, world.policy, now=NOW)
    return Keeper("keeper", "keeper-1", STATUS_KEY, keeping)


@pytest.fixture
def keeper(tmp_path: Path) -> Keeper:
    return keeper_of(World(), tmp_path)


def stop(kind: Any = FreezeRequest, *, requester: str = "alice", scope: str = "client", subject: str = "acme") -> Any:
    return kind(
        requester=requester,
        scope=scope,
        subject=subject,
        purpose="something is wrong",
        not_after=NOW + timedelta(days=1),
        idempotency_key=f"{kind.kind}-{subject}-{requester}",
    )


def proven(request: Request, *approvers: str, at: datetime = NOW) -> dict[str, Any]:
    intent = in_the_house(request)
    author = request.requester
    found = ProvenIntent(
        intent,
        sign_ed25519(person_key(author), key_id(author), request_message(request)),
        tuple(approval(name, intent.digest, given_at=at, not_after=request.not_after) for name in approvers),
    )
    return found.to_json()


def stated(keeper: Keeper, *, now: datetime = NOW, **options: Any) -> SignedStatus:
    signed = keeper.state(lifetime=LIFETIME, now=now, **options)
    check_status(signed, root=keeper.root, now=now, longest=LIFETIME, skew=MINUTE)
    return signed


def retraction(kind: str, by: str, subject: str, *, intent: Any = None, signer: str | None = None) -> dict[str, Any]:
    said = Retraction(kind, by, subject, NOW)
    who = signer or by
    return SignedRetraction(said, sign_ed25519(person_key(who), key_id(who), said.message), intent).to_json()


def test_one_operator_freezes_and_a_quorum_lets_go(keeper: Keeper) -> None:
    assert keeper.tell(proven(stop()), now=NOW) == ["freeze client:acme"]
    assert stated(keeper).status.frozen == ("client:acme",)
    later = NOW + MINUTE
    lift = stop(UnfreezeRequest)
    with pytest.raises(NotTaken, match="missing"):
        keeper.tell(proven(lift, "bob", at=later), now=later)
    assert stated(keeper, now=later).status.frozen == ("client:acme",)
    keeper.tell(proven(lift, "bob", "carol", at=later), now=later)
    assert stated(keeper, now=later).status.frozen == ()


def test_an_agreement_older_than_the_freeze_lifts_nothing(keeper: Keeper) -> None:
    lift = proven(stop(UnfreezeRequest), "bob", "carol", at=NOW - MINUTE)
    keeper.tell(proven(stop()), now=NOW)
    keeper.tell(lift, now=NOW + MINUTE)
    assert stated(keeper, now=NOW + MINUTE).status.frozen == ("client:acme",)


def test_a_freeze_told_again_after_it_was_lifted_stops_nothing(keeper: Keeper) -> None:
    freeze, later = proven(stop()), NOW + MINUTE
    keeper.tell(freeze, now=NOW)
    keeper.tell(proven(stop(UnfreezeRequest), "bob", "carol", at=later), now=later)
    assert keeper.tell(freeze, now=later) == []
    assert stated(keeper, now=later).status.frozen == ()


def test_a_delay_of_letting_go_counts_from_when_it_was_told(tmp_path: Path) -> None:
    agreed = "manual_entry]}\n    approvals: {operators: 2}"
    policy = DEMO_POLICY.replace(agreed, f"{agreed}\n    delay: 1h")
    keeper = keeper_of(World(policy=policy), tmp_path)
    keeper.tell(proven(stop()), now=NOW)
    later = NOW + MINUTE
    keeper.tell(proven(stop(UnfreezeRequest), "bob", "carol", at=later), now=later)
    assert stated(keeper, now=later + timedelta(minutes=59)).status.frozen == ("client:acme",)
    assert stated(keeper, now=later + timedelta(minutes=61)).status.frozen == ()


@pytest.mark.parametrize(
    "document",
    [
        proven(stop(requester="exchange")),
        {**proven(stop()), "request_signature": proven(stop(subject="birch"))["request_signature"]},
        proven(World().withdrawal("acme", 5)),
        retraction(REVOCATION, "alice", "bob-1"),
        retraction(REVOCATION, "alice", "alice-1", signer="bob"),
        retraction(CANCELLATION, "exchange", "00" * 32),
        retraction(CANCELLATION, "alice", in_the_house(stop()).digest, intent=in_the_house(stop(requester="bob"))),
        {"intent": in_the_house(stop()).to_json(), "approval": approval("bob", in_the_house(stop()).digest).to_json()},
        {"intent": 5, "approval": 5},
        {},
        [],
    ],
)
def test_takes_nothing_that_is_not_proved(keeper: Keeper, document: Any) -> None:
    with pytest.raises(CustodyError):
        keeper.tell(document, now=NOW)
    said = stated(keeper).status
    assert (said.frozen, said.revoked, said.withdrawn) == ((), (), ())


def test_a_rejection_a_cancellation_and_a_revocation_stay(keeper: Keeper) -> None:
    world = World()
    asked = world.prove(world.withdrawal("acme", 5), branch=7)
    other = world.prove(world.withdrawal("acme", 6), branch=7)
    no = approval("carol", asked.intent.digest, verdict="reject")
    keeper.tell({"intent": asked.intent.to_json(), "approval": no.to_json()}, now=NOW)
    keeper.tell(retraction(CANCELLATION, "exchange", other.intent.digest, intent=other.intent), now=NOW)
    keeper.tell(retraction(REVOCATION, "bob", "bob-1"), now=NOW)
    said = stated(keeper).status
    assert said.withdrawn == tuple(sorted([asked.intent.digest, other.intent.digest]))
    assert said.revoked == ("bob-1",)
    # A payment whose time is over can be presented no more; a key stays revoked.
    much_later = stated(keeper, now=NOW + timedelta(days=40)).status
    assert (much_later.withdrawn, much_later.revoked) == ((), ("bob-1",))


def test_a_no_by_somebody_in_no_group_ends_nothing(tmp_path: Path) -> None:
    world = World(
        policy=DEMO_POLICY.replace("[alice, bob, carol]", "[alice, bob]"), groups=(("operators", ("alice", "bob")),)
    )
    asked = world.prove(world.withdrawal("acme", 5), branch=7)
    no = approval("carol", asked.intent.digest, verdict="reject")
    with pytest.raises(NotTaken):
        keeper_of(world, tmp_path).tell({"intent": asked.intent.to_json(), "approval": no.to_json()}, now=NOW)


def test_a_daemons_word_adds_and_takes_nothing_away(keeper: Keeper) -> None:
    keeper.tell(proven(stop()), now=NOW)
    assert stated(keeper, withdrawn=["11" * 32]).status.withdrawn == ("11" * 32,)
    said = stated(keeper).status
    assert (said.withdrawn, said.frozen) == ((), ("client:acme",))


def announced(versions: Versions, *waiting: Waiting) -> Announcement:
    world = versions.world
    return Announcement(versions.policy, world.signed_root, versions.links, None, waiting)


def test_names_a_new_version_once_it_is_proved_and_its_delay_is_over(tmp_path: Path) -> None:
    world = World(policy=slow(DEMO_POLICY))
    keeper = keeper_of(world, tmp_path)
    there = Versions.of(world).then(policy=relaxed(world.policy))
    change = there.links[0].proven
    first = announced(Versions.of(world), Waiting(change.intent, change.request_signature))
    assert keeper.follow(first, now=NOW) == []
    assert keeper.follow(announced(there), now=NOW + timedelta(minutes=59)) == []
    assert stated(keeper).status.version == 1
    assert keeper.follow(announced(there), now=NOW + timedelta(minutes=61)) == [2]
    assert stated(keeper).status.root == there.root.hash
    assert keeper.follow(announced(there), now=NOW + timedelta(minutes=62)) == []


def test_follows_no_version_its_people_did_not_agree_to_nor_one_that_was_vetoed(keeper: Keeper) -> None:
    alone = Versions.of(World()).then(policy=relaxed(DEMO_POLICY), approvers=("bob",))
    with pytest.raises(SuccessionRefused):
        keeper.follow(announced(alone), now=NOW)
    vetoed = Versions.of(World()).then(policy=relaxed(DEMO_POLICY))
    change = vetoed.links[0].proven.intent
    no = approval("carol", change.digest, verdict="reject", not_after=change.request.not_after)
    keeper.tell({"intent": change.to_json(), "approval": no.to_json()}, now=NOW)
    assert keeper.follow(announced(vetoed), now=NOW) == []
    assert stated(keeper).status.version == 1


def test_numbers_grow_even_where_the_file_was_lost(keeper: Keeper, tmp_path: Path) -> None:
    first, second = stated(keeper), stated(keeper)
    assert second.status.number == first.status.number + 1
    again = tmp_path / "again"
    again.mkdir()
    assert stated(keeper_of(World(), again), now=NOW + MINUTE).status.number > second.status.number


def test_nothing_told_is_taken_back(keeper: Keeper) -> None:
    keeper.tell(proven(stop()), now=NOW)
    stated(keeper)
    for table in ("told", "versions", "stated"):
        with pytest.raises(sqlite3.Error, match="taken back"):
            keeper.keeping._connection.execute(f"DELETE FROM {table}")


def test_the_program_states_though_the_daemon_is_away(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = ["--home", str(tmp_path / "home")]
    assert main([*home, "init", "--service", "watch"]) == 0
    service = Service.parse(json.loads(capsys.readouterr().out), field="service")
    world = World(now=datetime.now(NOW.tzinfo))
    root = replace(world.root, services=(service,))
    signed = sign_root(root, world.operators, world.cosigners)
    (tmp_path / "root.json").write_text(json.dumps(signed.to_json()))
    (tmp_path / "policy.yaml").write_text(world.policy)
    files = ["--root", str(tmp_path / "root.json"), "--policy", str(tmp_path / "policy.yaml")]
    assert main([*home, "pin", *files, "--fingerprint", "AAAA AAAA"]) == 1
    assert main([*home, "pin", *files, "--fingerprint", digest_code(root.hash)]) == 0
    (tmp_path / "freeze.json").write_text(json.dumps(proven(stop(scope="everything", subject="everything"))))
    assert main([*home, "tell", str(tmp_path / "freeze.json")]) == 0
    (tmp_path / "token").write_text("sesame\n")
    away = ["--api", "http://127.0.0.1:9", "--token-file", str(tmp_path / "token")]
    assert main([*home, "serve", "--once", *away]) == 0
    assert "was not taken" in capsys.readouterr().err
    assert main([*home, "state"]) == 0
    found = SignedStatus.parse(json.loads(capsys.readouterr().out))
    now = datetime.now(NOW.tzinfo)
    assert check_status(found, root=root, now=now, longest=LIFETIME, skew=MINUTE).frozen == ("everything",)
