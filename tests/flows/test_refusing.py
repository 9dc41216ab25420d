"""What cosigners may answer: a lasting no frees the money, a changed answer counts for nothing and is remembered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from custody.chains.bitcoin.offline.psbt import PsbtRefused, maps, parse_psbt
from custody.chains.bitcoin.offline.psbt.maps import key_of
from custody.chains.bitcoin.offline.transaction import Transaction, TransactionOutput
from custody.cosigner.answering import Signed, SignedRefusal
from custody.signing import operations as signing
from custody.withdrawals.model import Withdrawal
from tests.cosigner.builders import cosigner_key, tamper
from tests.support.oracle import plays
from tests.support.road import Road, btc, no, yes


@pytest.fixture
def composed(road: Road) -> Withdrawal:
    """A withdrawal whose bundle is open; nobody was given it."""
    road.open("acme")
    road.deposit("acme", btc("0.5"))
    asked = road.ask("acme", btc("0.02"))
    road.settle(cosigners=())
    return asked


def signed(road: Road, name: str) -> Signed:
    (bundle,) = road.bundles_for(name)
    answer = road.desks[name].answer(bundle, confirm=yes, clock=road.now)
    assert isinstance(answer, Signed)
    return answer


def finish(road: Road, asked: Withdrawal) -> None:
    road.settle()
    road.mine(2)
    assert road.state(asked) == "completed"
    road.check()


def test_fails_and_frees_everything_when_no_quorum_is_left(road: Road, composed: Withdrawal) -> None:
    road.cosign("north", confirm=no)
    road.deliver()
    assert road.state(composed) == "awaiting_signatures"
    assert road.balance("acme")[1] > 0
    late = signed(road, "east")
    road.cosign("south", confirm=no)
    road.deliver()
    assert road.state(composed) == "failed"
    assert road.balance("acme") == (btc("0.5"), 0)
    assert road.reserved() == 0
    with pytest.raises(signing.BundleClosed):
        road.hand_in("east", late)
    assert road.alarms().count("cosigner-refused") == 2
    road.check()


def test_pays_when_one_of_three_refuses(road: Road, composed: Withdrawal) -> None:
    road.cosign("north", confirm=no)
    finish(road, composed)


def test_does_not_take_a_signature_from_who_refused_nor_a_refusal_from_who_signed(
    road: Road, composed: Withdrawal
) -> None:
    (refused,) = road.cosign("north", confirm=no)
    assert isinstance(refused, SignedRefusal)
    yes_later = signed(road, "south")
    with pytest.raises(signing.AnsweredOtherwise):
        road.hand_in("north", replace(yes_later))
    road.hand_in("south", yes_later)
    south = replace(refused.refusal, cosigner="south")
    forged = SignedRefusal(south, cosigner_key("south").sign_statement(south.message))
    with pytest.raises(signing.AnsweredOtherwise):
        road.hand_in("south", forged)
    finish(road, composed)


def test_takes_no_refusal_that_its_cosigner_did_not_sign(road: Road, composed: Withdrawal) -> None:
    (refused,) = road.cosign("north", confirm=no)
    assert isinstance(refused, SignedRefusal)
    for forged in (
        replace(refused, refusal=replace(refused.refusal, cosigner="south")),
        replace(refused, refusal=replace(refused.refusal, bundle_digest="00" * 32)),
        replace(refused, refusal=replace(refused.refusal, explanation="other words")),
    ):
        with pytest.raises(signing.RefusalInvalid):
            road.hand_in(forged.refusal.cosigner, forged)
    with pytest.raises(signing.UnknownBundle):
        road.hand_in("stranger", replace(refused, refusal=replace(refused.refusal, cosigner="stranger")))
    finish(road, composed)


def _pay_a_thief(transaction: Transaction) -> Transaction:
    thief = TransactionOutput(1_000, b"\x00\x14" + b"\x66" * 20)
    return replace(transaction, outputs=(*transaction.outputs, thief))


def _pay_less(transaction: Transaction) -> Transaction:
    first, *others = transaction.outputs
    return replace(transaction, outputs=(replace(first, amount_sat=first.amount_sat - 1), *others))


@plays("P-071")
@pytest.mark.parametrize("change", [_pay_a_thief, _pay_less], ids=["added-output", "changed-amount"])
def test_p071_quarantines_a_cosigner_that_returns_another_transaction(
    road: Road, composed: Withdrawal, change: object
) -> None:
    honest = signed(road, "north")
    changed = replace(honest, signed=tamper(honest.signed, transaction=change))  # type: ignore[arg-type]
    answer = road.hand_in("north", changed)
    assert answer is not None and answer.refused is not None
    assert answer.refused.facts["reason"] == "changed-transaction"
    assert answer.signed_by == ()
    assert road.rows("SELECT cosigner, reason FROM quarantined_cosigners") == [("north", "changed-transaction")]
    assert road.alarms().count("bad-signature") == 1
    with pytest.raises(signing.CosignerQuarantined):
        road.hand_in("north", honest)
    road.settle(cosigners=("south", "east"))
    road.mine(2)
    assert road.state(composed) == "completed"
    road.check()


@plays("P-080")
def test_p080_counts_one_cosigner_once(road: Road, composed: Withdrawal) -> None:
    answer = signed(road, "north")
    for _ in range(3):
        counted = road.hand_in("north", answer)
        assert counted is not None and counted.signed_by == ("north",)
    road.deliver()
    assert road.state(composed) == "awaiting_signatures"
    with pytest.raises(signing.UnknownBundle):
        road.hand_in("stranger", answer)
    finish(road, composed)


@plays("P-080")
def test_p080_does_not_count_another_cosigners_signature_as_ones_own(road: Road, composed: Withdrawal) -> None:
    answer = signed(road, "north")
    counted = road.hand_in("south", answer)
    assert counted is not None and counted.refused is not None
    assert counted.refused.facts["reason"] == "missing-signature"
    assert road.rows("SELECT * FROM quarantined_cosigners") == []
    finish(road, composed)


def _is_signature(key: bytes) -> bool:
    return key[0] == maps.IN_PARTIAL_SIGNATURE


def _garbage(_place: int, fields: dict[bytes, bytes]) -> dict[bytes, bytes]:
    return {key: b"\x30" + b"\xaa" * 70 if _is_signature(key) else value for key, value in fields.items()}


def _other_digest(_place: int, fields: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """Valid DER of low s, over something else: the middle byte of r is another."""
    return {
        key: value[:20] + bytes([value[20] ^ 1]) + value[21:] if key[0] == maps.IN_PARTIAL_SIGNATURE else value
        for key, value in fields.items()
    }


def _sighash(kind: int) -> Callable[[int, dict[bytes, bytes]], dict[bytes, bytes]]:
    def edit(_place: int, fields: dict[bytes, bytes]) -> dict[bytes, bytes]:
        return {key: value[:-1] + bytes([kind]) if _is_signature(key) else value for key, value in fields.items()}

    return edit


def _by_a_stranger(_place: int, fields: dict[bytes, bytes]) -> dict[bytes, bytes]:
    signature = next(value for key, value in fields.items() if key[0] == maps.IN_PARTIAL_SIGNATURE)
    stranger = cosigner_key("stranger").header.account_key.public_key
    return dict(sorted({**fields, key_of(maps.IN_PARTIAL_SIGNATURE, stranger): signature}.items()))


@plays("P-073", "P-080")
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_other_digest, "does-not-verify"),
        (_sighash(0x02), "wrong-sighash"),
        (_sighash(0x03), "wrong-sighash"),
        (_sighash(0x81), "wrong-sighash"),
        (_by_a_stranger, "foreign-key"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_p080_counts_no_signature_that_does_not_verify(
    road: Road, composed: Withdrawal, change: object, reason: str
) -> None:
    honest = signed(road, "north")
    answer = road.hand_in("north", replace(honest, signed=tamper(honest.signed, inputs=change)))  # type: ignore[arg-type]
    assert answer is not None and answer.refused is not None
    assert (answer.refused.facts["reason"], answer.signed_by) == (reason, ())
    road.settle(cosigners=("south", "east"))
    road.mine(2)
    assert road.state(composed) == "completed"
    road.check()


@plays("P-080")
@pytest.mark.parametrize("garbage", ["", "cHNidP8=", "not base64", 7])
def test_p080_takes_no_garbage_for_a_signature(road: Road, composed: Withdrawal, garbage: object) -> None:
    honest = signed(road, "north")
    for psbt in (garbage, tamper(honest.signed, inputs=_garbage)):
        with pytest.raises(PsbtRefused):
            road.hand_in("north", replace(honest, signed=psbt))  # type: ignore[arg-type]
    assert road.rows("SELECT * FROM bundle_answers") == []
    assert road.rows("SELECT * FROM quarantined_cosigners") == []
    finish(road, composed)


@plays("P-080")
def test_p080_may_be_answered_again_after_a_timeout(road: Road, composed: Withdrawal) -> None:
    lost = signed(road, "north")
    again = signed(road, "north")
    assert again == lost
    road.hand_in("north", again)
    finish(road, composed)


@plays("P-073")
def test_p073_finalises_what_was_composed_and_nothing_else(road: Road, composed: Withdrawal) -> None:
    road.cosign("north", "south")
    road.deliver(topics={"signing.complete"})
    (attempt,) = road.attempts(composed)
    assert attempt.final is not None
    decoded = road.node.rpc("decoderawtransaction", attempt.final.hex())
    assert decoded["txid"] == attempt.spend == parse_psbt(attempt.unsigned).txid
    finish(road, composed)
