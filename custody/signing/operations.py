"""Opening bundles, giving them out, and taking answers.

A bundle given to any cosigner may have been signed, whether or not an answer came. So giving one out and
giving one up both lock the bundle, and a bundle that was given out is never given up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from custody.audit import operations as audit
from custody.chains.bitcoin.addressing import descriptor_of
from custody.chains.bitcoin.offline.psbt import (
    FinalTransaction,
    Psbt,
    SignatureRefused,
    add_signatures,
    finalize,
    parse_psbt,
    verified_signatures,
)
from custody.evidence.bundle import Bundle, Refusal
from custody.evidence.keysets import Keyset
from custody.kernel.errors import Conflict, NotFound, Refused
from custody.outbox import operations as outbox
from custody.signing.tables import OPEN, AnswerRow, BundleRow, DeliveryRow, QuarantineRow
from custody.vaults import queries as vaults

COMPLETE: Final = "signing.complete"
REFUSED: Final = "signing.refused"
INNOCENT: Final = frozenset({"missing-signature"})
"""Reasons for which an answer is not counted but its sender is not suspected."""


class UnknownBundle(NotFound):
    """No such bundle for this cosigner."""

    code = "unknown-bundle"


class BundleClosed(Conflict):
    """The bundle is complete, refused or abandoned: nothing more is taken for it."""

    code = "bundle-closed"


class AnsweredOtherwise(Conflict):
    """A cosigner has already given the opposite answer, and keeps to it."""

    code = "answered-otherwise"


class CosignerQuarantined(Refused):
    """A cosigner that once answered with something else than it was given."""

    code = "cosigner-quarantined"


class RefusalInvalid(Refused):
    """A refusal is not signed by the cosigner it names, or is for another bundle."""

    code = "refusal-invalid"


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of an answer. ``refused`` says why it was not counted; the caller raises it after the unit."""

    bundle: str
    state: str
    signed_by: tuple[str, ...]
    refused: SignatureRefused | None = None


def open_bundle(
    session: Session, *, bundle: Bundle, keyset: Keyset, vault: str, paths: Sequence[tuple[bool, int]], now: datetime
) -> None:
    """Store ``bundle`` for its keyset's cosigners. ``paths`` are (change, index) of each input, in order."""
    row = BundleRow(
        id=bundle.id,
        attempt_id=bundle.attempt,
        keyset_id=keyset.id,
        vault_id=vault,
        threshold=keyset.threshold,
        members=len(keyset.cosigners),
        document=bundle.to_json(),
        digest=bundle.digest,
        paths=[[change, index] for change, index in paths],
        state="open",
        opened_at=now,
    )
    session.add(row)
    session.flush()
    facts = {"attempt": bundle.attempt, "digest": row.digest}
    audit.record(session, event="bundle.opened", subject=bundle.id, actor="daemon", now=now, facts=facts)


def give_out(session: Session, *, cosigner: str, keysets: Sequence[str], now: datetime) -> list[dict[str, Any]]:
    """Every open bundle this cosigner has not answered; from now on each may have been signed."""
    # Asked of each open bundle: a list of all it ever answered would grow for ever.
    answered = select(AnswerRow).where(AnswerRow.bundle_id == BundleRow.id, AnswerRow.cosigner == cosigner).exists()
    rows = session.execute(
        select(BundleRow)
        .where(OPEN, BundleRow.keyset_id.in_(keysets), ~answered)
        .order_by(BundleRow.opened_at)
        .limit(50)
        .with_for_update()
    ).scalars()
    documents = []
    for row in rows:
        given = insert(DeliveryRow).values(bundle_id=row.id, cosigner=cosigner, given_at=now)
        new = session.execute(given.on_conflict_do_nothing().returning(DeliveryRow.bundle_id)).scalar_one_or_none()
        if new is not None:
            audit.record(session, event="bundle.given", subject=row.id, actor=cosigner, now=now)
        documents.append(row.document)
    return documents


def abandon(session: Session, *, attempt: str, now: datetime) -> bool:
    """Give an attempt's bundle up if no cosigner was given it; returns False if one was."""
    row = session.execute(select(BundleRow).where(BundleRow.attempt_id == attempt).with_for_update()).scalar_one()
    if row.state == "abandoned":
        return True
    given = session.execute(
        select(func.count()).select_from(DeliveryRow).where(DeliveryRow.bundle_id == row.id)
    ).scalar_one()
    if given or row.state != "open":
        return False
    _close(session, row, "abandoned", now)
    return True


def outlive(session: Session, *, attempts: Sequence[str], now: datetime) -> None:
    """A rival of these attempts is final: whatever is still asked of cosigners for them is asked no more."""
    rows = session.execute(
        select(BundleRow)
        .where(BundleRow.attempt_id.in_(attempts), BundleRow.state == "open")
        .order_by(BundleRow.id)
        .with_for_update()
    ).scalars()
    for row in rows:
        _close(session, row, "abandoned", now)


def add_signature(
    session: Session, *, bundle: str, cosigner: str, psbt: object, correlation_id: str, now: datetime
) -> Answer:
    """Take a cosigner's PSBT: verify its signatures over **our** transaction, and finalise at quorum.

    The final transaction and its txid are stored here, before anything is sent. An answer that does not verify
    is not counted, its sender is quarantined where it changed what it was given, and ``Answer.refused`` says so.
    Raises ``UnknownBundle``, ``CosignerQuarantined``, ``BundleClosed``, ``AnsweredOtherwise``, ``PsbtRefused``.
    """
    row, keyset = _locked(session, bundle, cosigner)
    _refuse_quarantined(session, cosigner)
    earlier = _answers(session, bundle)
    if cosigner in earlier:
        if earlier[cosigner].verdict == "refused":
            raise AnsweredOtherwise("this cosigner has refused the bundle")
        return _standing(row, earlier)
    if row.state != "open":
        raise BundleClosed(f"the bundle is {row.state}", field="bundle")
    ours = parse_psbt(row.document["psbt"])
    keys = _Keys(row, keyset, vaults.get(session, vault=row.vault_id).branch)
    try:
        found = verified_signatures(ours=ours, returned=parse_psbt(psbt), pubkeys=keys.of(cosigner))
    except SignatureRefused as refused:
        _suspect(session, row, cosigner, refused, now)
        return Answer(bundle, row.state, tuple(sorted(earlier)), refused)
    answer = AnswerRow(
        bundle_id=bundle,
        cosigner=cosigner,
        verdict="signed",
        signatures={str(index): signature.hex() for index, signature in found.items()},
        at=now,
    )
    session.add(answer)
    audit.record(session, event="bundle.signed", subject=bundle, actor=cosigner, now=now, correlation_id=correlation_id)
    _complete_at_quorum(session, row, keys, ours, {**earlier, cosigner: answer}, correlation_id, now)
    return _standing(row, {**earlier, cosigner: answer})


def add_refusal(session: Session, *, refusal: Refusal, signature: str, correlation_id: str, now: datetime) -> Answer:
    """Take a signed refusal. When no quorum is left the bundle is over, and its spend may be given up.

    Raises ``UnknownBundle``, ``RefusalInvalid``, ``AnsweredOtherwise``.
    """
    row, keyset = _locked(session, refusal.bundle, refusal.cosigner)
    member = keyset.cosigner(refusal.cosigner)
    if refusal.bundle_digest != row.digest or member is None or not member.verifies(refusal.message, signature):
        raise RefusalInvalid("is not this cosigner's signed refusal of this bundle", field="refusal")
    earlier = _answers(session, row.id)
    if refusal.cosigner in earlier:
        if earlier[refusal.cosigner].verdict == "signed":
            raise AnsweredOtherwise("this cosigner has signed the bundle")
        return _standing(row, earlier)
    document = {"refusal": refusal.to_json(), "signature": signature}
    answer = AnswerRow(
        bundle_id=row.id, cosigner=refusal.cosigner, verdict="refused", signatures={}, refusal=document, at=now
    )
    session.add(answer)
    why = f"{refusal.cosigner} refused: {refusal.explanation}"
    facts = {"reason": refusal.reason, "explanation": refusal.explanation}
    audit.record(session, event="bundle.refused", subject=row.id, actor=refusal.cosigner, now=now, facts=facts)
    audit.raise_alarm(session, kind="cosigner-refused", subject=row.id, step=refusal.cosigner, why=why, now=now)
    answers = {**earlier, refusal.cosigner: answer}
    if row.state == "open" and _refusals(answers) > row.members - row.threshold:
        _close(session, row, "refused", now)
        payload = {"bundle": row.id, "attempt": row.attempt_id}
        outbox.emit(session, topic=REFUSED, payload=payload, correlation_id=correlation_id, now=now)
    return _standing(row, answers)


def _complete_at_quorum(
    session: Session,
    row: BundleRow,
    keys: _Keys,
    ours: Psbt,
    answers: dict[str, AnswerRow],
    correlation_id: str,
    now: datetime,
) -> None:
    signed = [name for name in sorted(answers) if answers[name].verdict == "signed"]
    if len(signed) < row.threshold:
        return
    final = _finalise(keys, ours, {name: answers[name].signatures for name in signed[: row.threshold]})
    row.final, row.txid = final.raw, final.txid
    _close(session, row, "complete", now)
    payload = {"bundle": row.id, "attempt": row.attempt_id}
    outbox.emit(session, topic=COMPLETE, payload=payload, correlation_id=correlation_id, now=now)


def _finalise(keys: _Keys, ours: Psbt, signatures: dict[str, dict[str, Any]]) -> FinalTransaction:
    merged = ours
    for cosigner, theirs in signatures.items():
        merged = add_signatures(
            merged,
            pubkeys=keys.of(cosigner),
            signatures={int(index): bytes.fromhex(signature) for index, signature in theirs.items()},
        )
    return finalize(merged)


class _Keys:
    """The keys **we** derive at a bundle's inputs; what an answer says about keys is not read."""

    def __init__(self, row: BundleRow, keyset: Keyset, branch: int) -> None:
        self._paths, self._keyset, self._descriptor = row.paths, keyset, descriptor_of(keyset, branch)

    def of(self, cosigner: str) -> list[bytes]:
        """The cosigner's key at each input."""
        place = next(place for place, member in enumerate(self._keyset.cosigners) if member.id == cosigner)
        return [self._descriptor.derive(change=change, index=index).pubkeys[place] for change, index in self._paths]


def _suspect(session: Session, row: BundleRow, cosigner: str, refused: SignatureRefused, now: datetime) -> None:
    reason = str(refused.facts.get("reason", "unknown"))
    audit.record(
        session, event="bundle.answer_refused", subject=row.id, actor=cosigner, now=now, facts={"reason": reason}
    )
    audit.raise_alarm(
        session, kind="bad-signature", subject=row.id, step=cosigner, why=f"{cosigner}: {refused.message}", now=now
    )
    if reason not in INNOCENT:
        quarantine = insert(QuarantineRow).values(cosigner=cosigner, reason=reason, at=now)
        session.execute(quarantine.on_conflict_do_nothing())


def _refuse_quarantined(session: Session, cosigner: str) -> None:
    found = session.execute(select(QuarantineRow.reason).where(QuarantineRow.cosigner == cosigner)).scalar_one_or_none()
    if found is not None:
        raise CosignerQuarantined(f"quarantined: {found}", field="cosigner")


def _locked(session: Session, bundle: str, cosigner: str) -> tuple[BundleRow, Keyset]:
    row = session.execute(select(BundleRow).where(BundleRow.id == bundle).with_for_update()).scalar_one_or_none()
    keyset = vaults.keyset(session, keyset_id=row.keyset_id) if row is not None else None
    if row is None or keyset is None or keyset.cosigner(cosigner) is None:
        raise UnknownBundle("no such bundle for this cosigner", field="bundle")
    return row, keyset


def _answers(session: Session, bundle: str) -> dict[str, AnswerRow]:
    rows = session.execute(select(AnswerRow).where(AnswerRow.bundle_id == bundle)).scalars()
    return {row.cosigner: row for row in rows}


def _refusals(answers: dict[str, AnswerRow]) -> int:
    return sum(1 for answer in answers.values() if answer.verdict == "refused")


def _standing(row: BundleRow, answers: dict[str, AnswerRow]) -> Answer:
    signed = tuple(name for name in sorted(answers) if answers[name].verdict == "signed")
    return Answer(row.id, row.state, signed)


def _close(session: Session, row: BundleRow, state: str, now: datetime) -> None:
    row.state, row.closed_at = state, now
    session.flush()
    audit.record(session, event=f"bundle.{state}", subject=row.id, actor="daemon", now=now)
