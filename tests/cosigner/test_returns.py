"""What came astray to a Safe on a chain it was not made for: what is signed to send it on, and what never is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from custody.chains.ethereum.offline.network import network
from custody.cosigner.answering import Desk, Signed
from custody.cosigner.keys import WrongKey
from custody.cosigner.limits import Limits
from custody.cosigner.memory import Memory
from custody.cosigner.reasons import CosignerRefusal, Reason
from custody.cosigner.verify import Verdict
from custody.evidence.bundle import Bundle
from custody.kernel.errors import InvalidInput
from tests.cosigner.builders import NOW, remember
from tests.cosigner.return_builders import CAME, ELSEWHERE, RETURN_POLICY, AwayWorld
from tests.cosigner.safe_builders import ANVIL, ETHER, NATIVE, safe_key, somebody, token_asset


@pytest.fixture(scope="module")
def away() -> AwayWorld:
    return AwayWorld()


def reason_of(world: AwayWorld, bundle: Bundle, memory: Memory) -> Reason:
    with pytest.raises(CosignerRefusal) as refusal:
        world.judge(Bundle.parse(bundle.to_json()), memory)
    return refusal.value.reason


def test_signs_what_sends_it_on_and_says_so(away: AwayWorld, memory: Memory) -> None:
    memory.pin(away.root.hash, now=NOW)
    said: list[str] = []

    def confirm(verdict: Verdict) -> bool:
        said.extend(verdict.words)
        return True

    bundle = Bundle.parse(away.back().to_json())
    signed = Desk(away.key, memory, Limits()).answer(bundle, confirm=confirm, clock=lambda: NOW)
    assert isinstance(signed, Signed)
    assert signed.spend == away.sending_on(away.asked()).spend
    text = "\n".join(said)
    for part in (
        f"Send 1.000000000000000000 ETH that came astray on to {somebody('who sent it')}, on {ELSEWHERE.chain}",
        f"it came with {CAME} (number 0) to {away.safe('acme')}",
        "alice, bob did",
    ):
        assert part in text, text


def test_signs_a_token_registered_there_and_no_other(away: AwayWorld, memory: Memory) -> None:
    there = token_asset(away.away_token, chain=ELSEWHERE.chain)
    assert away.judge(away.back(away.asked(asset=there.id, amount=5)), memory)
    unknown = token_asset(somebody("another token"), chain=ELSEWHERE.chain)
    asked = away.asked(asset=unknown.id, amount=5)
    assert reason_of(away, away.back(asked), memory) is Reason.ASSET_UNKNOWN


def test_the_same_turn_on_two_chains_is_two(away: AwayWorld, memory: Memory) -> None:
    remember(memory, away.judge(away.ether(name="bnd_home"), memory))
    verdict = away.judge(away.back(), memory)
    assert verdict.effect.claims == {f"{ELSEWHERE.chain}/{away.safe('acme')}#0": 0}
    remember(memory, verdict)


def test_one_stray_is_never_sent_on_at_another_turn(away: AwayWorld, memory: Memory) -> None:
    remember(memory, away.judge(away.back(), memory))
    assert reason_of(away, away.back(nonce=1, name="bnd_2"), memory) is Reason.NOT_A_REPLACEMENT
    again = away.asked(idempotency_key="return-2", destination=somebody("somebody else"))
    assert reason_of(away, away.back(again, nonce=1, name="bnd_3"), memory) is Reason.NOT_A_REPLACEMENT
    # At the turn it has, one of the two takes place.
    assert away.judge(away.back(again, name="bnd_4"), memory)


def test_a_turn_sends_on_one_stray(away: AwayWorld, memory: Memory) -> None:
    remember(memory, away.judge(away.back(), memory))
    other = away.asked(position=1, idempotency_key="return-2")
    assert reason_of(away, away.back(other, name="bnd_2"), memory) is Reason.COIN_SIGNED_ELSEWHERE
    assert away.judge(away.back(other, nonce=1, name="bnd_3"), memory)


def test_needs_people_whatever_policy_says(memory: Memory) -> None:
    lax = AwayWorld(
        policy=RETURN_POLICY.replace(
            "  - require: two operators send on what came astray\n"
            "    match: {kind: stray_return}\n    approvals: {operators: 2}\n",
            "",
        )
    )
    assert reason_of(lax, lax.back(), memory) is Reason.RETURN_WITHOUT_PEOPLE


def test_needs_the_people_of_policy_and_its_permission(away: AwayWorld, memory: Memory) -> None:
    payments = [away.returning(away.asked(), approvers=("alice",))]
    assert reason_of(away, away.back(payments=payments), memory) is Reason.APPROVALS_MISSING
    silent = AwayWorld(policy=RETURN_POLICY.replace("{kind: stray_return}", "{kind: sweep}"))
    assert reason_of(silent, silent.back(), memory) is Reason.POLICY_DENIES


def test_refuses_what_is_no_return(away: AwayWorld, memory: Memory) -> None:
    asked = away.asked()
    honest = away.sending_on(asked)
    other = away.asked(position=1, idempotency_key="return-2")
    at_home = away.asked(asset=NATIVE.id)
    ashore = network("sepolia")
    thief = somebody("thief")
    cases = {
        # On the chain its vault is of, it is no stray but the client's money.
        Reason.WRONG_CHAIN: [
            away.back(
                at_home,
                unsigned=replace(honest, network=ANVIL),
                payments=[away.returning(at_home, chain=ANVIL.chain)],
                chain=ANVIL.chain,
            ),
            away.back(payments=[away.payment(away.withdrawal("acme", ETHER), branch=7)]),
            replace(away.ether(), chain=ELSEWHERE.chain),
        ],
        Reason.SAFE_TX_MALFORMED: [
            away.back(unsigned=replace(honest, network=ANVIL)),
            away.back(unsigned=replace(honest, network=ashore)),
        ],
        Reason.ASSET_UNKNOWN: [
            away.back(at_home, unsigned=honest, payments=[away.returning(at_home)]),
        ],
        Reason.RETURN_NOT_ALONE: [away.back(payments=[away.returning(asked), away.returning(other)])],
        Reason.STRAY_NOT_THERE: [
            away.back(unsigned=replace(honest, safe=away.safe("acme", 1))),
            away.back(away.asked(address=away.safe("acme", 1)), unsigned=honest),
        ],
        Reason.INPUT_NOT_OURS: [away.back(unsigned=replace(honest, safe=thief))],
        Reason.PAYMENT_MISSING: [
            away.back(unsigned=replace(honest, tx=replace(honest.tx, to=thief))),
            away.back(unsigned=replace(honest, tx=replace(honest.tx, value=ETHER + 1))),
        ],
        Reason.DELEGATE_CALL: [away.back(unsigned=replace(honest, tx=replace(honest.tx, operation=1, data=b"1234")))],
        Reason.OWN_SAFE: [
            away.back(unsigned=replace(honest, tx=replace(honest.tx, to=honest.safe, value=0, data=b"1234")))
        ],
        Reason.REFUND: [away.back(unsigned=replace(honest, tx=replace(honest.tx, gas_price=1)))],
    }
    for reason, bundles in cases.items():
        for number, bundle in enumerate(bundles):
            assert reason_of(away, bundle, memory) is reason, (reason, number)


def test_a_pools_stray_leaves_from_its_own_clients_safe(away: AwayWorld, memory: Memory) -> None:
    openings = [away.opening(client, 7, segregation="omnibus") for client in ("acme", "cod")]
    asked = away.asked(address=away.safe("cod"))
    honest = replace(away.sending_on(asked), safe=away.safe("cod"))
    assert reason_of(away, away.back(asked, unsigned=honest, openings=openings), memory) is Reason.STRAY_NOT_THERE


def test_a_key_signs_for_another_network_only_where_it_is_told(away: AwayWorld) -> None:
    there, here = away.sending_on(away.asked()), away.composed(away.ether().payments)
    key = safe_key("north-safe")
    with pytest.raises(WrongKey):
        key.sign_safe_tx(there)
    with pytest.raises(WrongKey):
        key.sign_safe_tx(here, elsewhere=True)


@pytest.mark.parametrize(
    ("field", "value"),
    [("amount", "0"), ("amount", 1), ("position", -1), ("position", True), ("txid", ""), ("address", 5), ("extra", 1)],
)
def test_a_request_has_one_form(away: AwayWorld, field: str, value: object) -> None:
    from custody.evidence.requests import StrayReturnRequest, parse_request

    good = away.asked().to_json()
    assert parse_request(good) == away.asked()
    with pytest.raises(InvalidInput):
        StrayReturnRequest.parse({**good, field: value})
