"""What an operator's passkey may ask for, what it may not, and every way in which it does not prove who asked."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from custody.cosigner.memory import Memory
from custody.cosigner.reasons import CosignerRefusal, Reason
from custody.evidence.approvals import ApprovalRefused, Statement, check_approval
from custody.evidence.authorship import BY_PASSKEY
from custody.evidence.check import RequestRefused, check_author, check_request
from custody.evidence.intents import in_the_house
from custody.evidence.passkeys import Assertion
from custody.evidence.proven import ProvenIntent
from custody.evidence.requests import KINDS, FreezeRequest, RespendRequest, SweepRequest, request_message
from custody.evidence.requests import WithdrawalRequest as Withdrawal
from custody.evidence.succession import SuccessionRefused, walk
from custody.evidence.trust_root import TrustRoot
from custody.statuskeeper.keeper import Keeper
from custody.statuskeeper.keeping import Keeping
from tests.cosigner.builders import BTC, DEMO_POLICY, NOW, World
from tests.cosigner.conftest import memory
from tests.support.lists import COOLING, LISTED_ONLY, listing, proved
from tests.support.passkeys import PRESENT, VERIFIED, Passkey, PasskeyWorld
from tests.support.status import STATUS_KEY
from tests.support.versions import Versions, relaxed

__all__ = ["memory"]

WORLD = PasskeyWorld(policy=LISTED_ONLY)
ROOT = WORLD.root
LATER = timedelta(days=2)
MONEY = {
    *("withdrawal", "respend", "stray_return", "sweep"),
    *("client_opening", "pledge", "pledge_release"),
}
"""What pays, gives a payment up, or says whose something is."""


def freezing(**changes: Any) -> FreezeRequest:
    asked = FreezeRequest("alice", "client", "acme", "something is wrong", NOW + timedelta(days=1), "freeze-1")
    return replace(asked, **changes)


def reason(request: Any, assertion: Assertion, *, root: TrustRoot = ROOT) -> str:
    with pytest.raises(RequestRefused) as refused:
        check_request(request, assertion, root=root, now=NOW)
    return str(refused.value.facts["reason"])


def test_an_operators_passkey_asks_for_what_stops_and_for_nothing_that_pays() -> None:
    check_request(freezing(), Passkey("alice").answer(request_message(freezing())), root=ROOT, now=NOW)
    assert set(KINDS) - BY_PASSKEY == MONEY


@pytest.mark.parametrize("kind", [Withdrawal, RespendRequest, SweepRequest])
def test_no_passkey_asks_for_a_payment(kind: Any) -> None:
    asked = WORLD.withdrawal("acme", BTC, requester="alice")
    known = {name: getattr(asked, name, "7" * 64) for name in kind.spelling}
    request = kind(**known)
    assert reason(request, Passkey("alice").answer(request_message(request))) == "passkey-for-money"


@pytest.mark.parametrize(
    ("expected", "lie"),
    [
        ("origin", {"origin": "https://evil.example.com"}),
        ("cross-origin", {"crossOrigin": True}),
        ("relying-party", {"rp_id": "example.com"}),
        ("not-verified", {"flags": PRESENT}),
        ("nobody-present", {"flags": VERIFIED}),
        ("type", {"type": "webauthn.create"}),
    ],
)
def test_a_lie_about_where_it_was_asked_is_refused(expected: str, lie: dict[str, Any]) -> None:
    assert reason(freezing(), Passkey("alice").answer(request_message(freezing()), **lie)) == expected


def test_another_persons_passkey_an_unknown_one_and_a_back_ends_are_refused() -> None:
    message = request_message(freezing())
    assert reason(freezing(), Passkey("bob").answer(message)) == "unknown-passkey"
    assert reason(freezing(), Passkey("mallory").answer(message)) == "unknown-passkey"
    asked = freezing(requester="exchange")
    assert reason(asked, Passkey("alice").answer(request_message(asked))) == "unknown-passkey"


def test_without_a_console_no_passkey_counts() -> None:
    answer = Passkey("alice").answer(request_message(freezing()))
    assert reason(freezing(), answer, root=replace(ROOT, console=None)) == "unknown-passkey"


def test_a_passkey_that_cools_asks_for_nothing_until_it_counts() -> None:
    cooling = PasskeyWorld(cooling=(("alice", timedelta(hours=1)),)).root
    answer = Passkey("alice").answer(request_message(freezing()))
    assert reason(freezing(), answer, root=cooling) == "cooling"
    check_author(freezing(), answer, root=cooling, now=NOW + timedelta(hours=1))


def test_a_request_changed_after_it_was_signed_has_no_author() -> None:
    answer = Passkey("alice").answer(request_message(freezing()))
    assert reason(freezing(subject="bolt"), answer) == "challenge-unknown"


def test_an_answer_to_a_verdict_asks_for_nothing_and_the_other_way_round() -> None:
    request, passkey = freezing(), Passkey("alice")
    digest = in_the_house(request).digest
    said = Statement(digest, "approve", "alice", "5e" * 16, NOW, NOW + timedelta(hours=1))
    assert said.message != request_message(request)
    assert reason(request, passkey.answer(said.message)) == "challenge-unknown"
    with pytest.raises(ApprovalRefused) as refused:
        check_approval(
            passkey.approval(said).__class__(said, passkey.answer(request_message(request))),
            digest=digest,
            requester="bob",
            request_not_after=request.not_after,
            root=ROOT,
            now=NOW,
        )
    assert refused.value.facts["reason"] == "challenge-unknown"


def test_a_cosigner_pays_to_what_a_passkey_asked_to_list_once_another_agreed(memory: Memory) -> None:
    world = _cooled()
    asked = Passkey("alice").asks_for(proved(listing(requester="alice"), approvers=("bob",)))
    assert _paid(world, asked, memory) == "listed"
    with pytest.raises(CosignerRefusal) as refused:
        _paid(world, Passkey("mallory").asks_for(asked), memory)
    assert refused.value.reason is Reason.LISTING_NOT_PROVEN


def test_a_cosigner_refuses_a_payment_that_a_passkey_asked_for(memory: Memory) -> None:
    world = PasskeyWorld()
    request = world.withdrawal("acme", BTC // 50, requester="alice")
    payment = world.payment(request, branch=7)
    payment = replace(payment, proven=Passkey("alice").asks_for(payment.proven))
    psbt = world.transaction([payment], [world.coin(7, BTC)], fee_sat=3_000)
    with pytest.raises(CosignerRefusal) as refused:
        world.judge(world.bundle([payment], [world.opening("acme", 7)], psbt), memory)
    assert refused.value.reason is Reason.REQUEST_NOT_PROVEN
    assert "takes its requester's key" in refused.value.explanation


@pytest.mark.parametrize("change", ["freeze", "elsewhere", "withdrawal"])
def test_the_status_service_believes_a_passkey_that_stops_and_no_other(change: str, tmp_path: Path) -> None:
    keeping = Keeping.create(tmp_path / "list.sqlite")
    with keeping.exclusive():
        keeping.add_version(ROOT, WORLD.policy, now=NOW)
    keeper = Keeper("keeper", "keeper-1", STATUS_KEY, keeping)
    lies = {"origin": "https://evil.example.com"} if change == "elsewhere" else {}
    intent = in_the_house(freezing())
    told = Passkey("alice").asks_for(ProvenIntent(intent, proved(freezing()).request_signature, ()), **lies)
    if change == "freeze":
        assert keeper.tell(told.to_json(), now=NOW) == ["freeze client:acme"]
    else:
        with pytest.raises(RequestRefused):
            keeper.tell(_forged(told) if change == "withdrawal" else told.to_json(), now=NOW)


def _forged(told: ProvenIntent) -> dict[str, Any]:
    """The answer to another request of the same person."""
    other = Passkey("alice").answer(request_message(freezing(subject="bolt")))
    return replace(told, request_signature=other).to_json()


@pytest.mark.parametrize("readers", [("bob", "carol"), ("bob",)])
def test_a_version_that_a_passkey_asked_for_takes_two_people_who_read_it(readers: tuple[str, ...]) -> None:
    alone = relaxed_rules(DEMO_POLICY)
    versions = Versions.of(PasskeyWorld(policy=alone)).then(policy=relaxed(alone), approvers=readers)
    (link,) = versions.links
    list(walk(versions.world.root, [link], newest_policy=versions.policy, now=NOW))
    by_passkey = replace(link, proven=Passkey("alice").asks_for(link.proven))

    def walked() -> None:
        list(walk(versions.world.root, [by_passkey], newest_policy=versions.policy, now=NOW))

    if len(readers) == 2:
        walked()
    else:
        with pytest.raises(SuccessionRefused, match="read by too few"):
            walked()


def relaxed_rules(policy: str) -> str:
    """The same policy, where one person besides the requester changes the rules."""
    head, _, tail = policy.rpartition("approvals: {operators: 2}")
    return f"{head}approvals: {{operators: 1}}{tail}"


def _cooled() -> PasskeyWorld:
    world = PasskeyWorld(policy=LISTED_ONLY)
    vars(world).update(root=replace(world.root, cooling_seconds=int(COOLING.total_seconds())))
    return world


def _paid(world: World, listed: ProvenIntent, memory: Memory) -> str:
    payment = world.payment(world.withdrawal("acme", BTC // 50), branch=7, destination="listed")
    psbt = world.transaction([payment], [world.coin(7, BTC)], fee_sat=3_000)
    bundle = world.bundle([payment], [world.opening("acme", 7)], psbt, listings=(listed,))
    return world.judge(bundle, memory).payments[0].facts.destination
