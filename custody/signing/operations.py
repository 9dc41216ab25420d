"""Opening bundles, giving them out, and taking answers.

A bundle given to any cosigner may have been signed, whether or not an answer came. So giving one out and
giving one up both lock the bundle, and a bundle that was given out is never given up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from custody.audit import operations as audit
from custody.chains.registry import spending
from custody.chains.spending import AnswerRefused, Input, Spending, read_input
from custody.chains.spending import Final as Signed
from custody.evidence.bundle import Bundle, Refusal, unsigned_of
from custody.evidence.keysets import Keyset
from custody.evidence.requests import RespendRequest
from custody.kernel.errors import Conflict, NotFound, Refused
from custody.outbox import operations as outbox
from custody.signing.tables import OPEN, AnswerRow, BundleRow, DeliveryRow, QuarantineRow
from custody.signing.telling import tell
from custody.stops import queries as stops
from custody.trust import status as statuses
from custody.trust.operations import newest_version
from custody.vaults import queries as vaults

COMPLETE: Final = "signing.complete"
REFUSED: Final = "signing.refused"
AT_ONCE: Final = 50
"""How many bundles a cosigner is given in one answer."""
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


class VaultFrozen(Refused):
    """Nothing is signed of what is stopped (I15, I20): the answer can be given again when an intent has lifted it."""

    code = "vault-frozen"


class RefusalInvalid(Refused):
    """A refusal is not signed by the cosigner it names, or is for another bundle."""

    code = "refusal-invalid"


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of an answer. ``refused`` says why it was not counted; the caller raises it after the unit."""

    bundle: str
    state: str
    signed_by: tuple[str, ...]
    refused: AnswerRefused | None = None


def open_bundle(
    session: Session, *, bundle: Bundle, keyset: Keyset, vault: str, inputs: Sequence[Input], now: datetime
) -> None:
    """Store ``bundle`` for its keyset's cosigners. ``inputs`` are what it uses up, in order."""
    row = BundleRow(
        id=bundle.id,
        attempt_id=bundle.attempt,
        keyset_id=keyset.id,
        vault_id=vault,
        threshold=keyset.threshold,
        members=len(keyset.cosigners),
        document=bundle.to_json(),
        digest=bundle.digest,
        inputs=[item.to_json() for item in inputs],
        root_version=_root_version(bundle),
        state="open",
        opened_at=now,
    )
    session.add(row)
    session.flush()
    facts = {"attempt": bundle.attempt, "digest": row.digest}
    audit.record(session, event="bundle.opened", subject=bundle.id, actor="daemon", now=now, facts=facts)
    tell(session, bundle=bundle.id, event="opened", actor="daemon", now=now)


def renew(session: Session, *, attempt: str, change: Callable[[Bundle], Bundle], now: datetime) -> None:
    """Give an open bundle of an attempt new evidence: under a later trust root, what is to be signed stays the same.

    A bundle that is not open is left as it is.
    """
    row = session.execute(select(BundleRow).where(BundleRow.attempt_id == attempt).with_for_update()).scalar_one()
    if row.state != "open":
        return
    old = Bundle.parse(row.document)
    new = change(old)
    if (new.id, new.attempt, new.chain, new.unsigned) != (old.id, old.attempt, old.chain, old.unsigned):
        raise ValueError("a bundle is renewed in its evidence only")
    row.document, row.digest, row.root_version = new.to_json(), new.digest, _root_version(new)
    session.flush()
    facts = {"attempt": attempt, "digest": row.digest, "version": row.root_version}
    audit.record(session, event="bundle.renewed", subject=row.id, actor="daemon", now=now, facts=facts)
    tell(session, bundle=row.id, event="renewed", actor="daemon", now=now)


def outdated(session: Session, *, version: int) -> list[str]:
    """Attempts whose open bundles are of another version of the trust root than ``version``."""
    rows = session.execute(
        select(BundleRow.attempt_id).where(OPEN, BundleRow.root_version != version).order_by(BundleRow.opened_at)
    )
    return list(rows.scalars())


def give_out(session: Session, *, cosigner: str, keysets: Sequence[str], now: datetime) -> list[dict[str, Any]]:
    """Every open bundle this cosigner has not answered, of nothing that is stopped; from now on each may be signed.

    Each with the newest status statement; none that waits to be renewed under a later trust root.
    """
    version, status = newest_version(session), statuses.newest_document(session)
    documents: list[dict[str, Any]] = []
    for row in _unanswered(session, cosigner, keysets, version):
        if _stopped(session, row) is not None:
            continue
        given = insert(DeliveryRow).values(bundle_id=row.id, cosigner=cosigner, given_at=now)
        new = session.execute(given.on_conflict_do_nothing().returning(DeliveryRow.bundle_id)).scalar_one_or_none()
        if new is not None:
            audit.record(session, event="bundle.given", subject=row.id, actor=cosigner, now=now)
            tell(session, bundle=row.id, event="given", actor=cosigner, now=now)
        documents.append({**row.document, "status": status})
        if len(documents) == AT_ONCE:
            break
    return documents


def _unanswered(session: Session, cosigner: str, keysets: Sequence[str], version: int) -> Iterator[BundleRow]:
    """Open bundles this cosigner has not answered, locked, oldest first: page by page, past all that is stopped."""
    # Asked of each open bundle: a list of all it ever answered would grow for ever.
    answered = select(AnswerRow).where(AnswerRow.bundle_id == BundleRow.id, AnswerRow.cosigner == cosigner).exists()
    query = (
        select(BundleRow)
        .where(OPEN, BundleRow.keyset_id.in_(keysets), BundleRow.root_version == version, ~answered)
        .order_by(BundleRow.opened_at, BundleRow.id)
        .limit(AT_ONCE)
        .with_for_update()
    )
    seen = 0
    while page := session.execute(query.offset(seen)).scalars().all():
        yield from page
        seen += len(page)


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
    session: Session, *, bundle: str, cosigner: str, signed: object, correlation_id: str, now: datetime
) -> Answer:
    """Take what a cosigner signed: verify its signatures over **our** attempt, and finalise at quorum.

    The final attempt and its spend's id are stored here, before anything is sent. An answer that does not verify
    is not counted, its sender is quarantined where it changed what it was given, and ``Answer.refused`` says so.
    Raises ``UnknownBundle``, ``CosignerQuarantined``, ``BundleClosed``, ``AnsweredOtherwise``, ``VaultFrozen``,
    ``InvalidInput``.
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
    stop = _stopped(session, row)
    if stop is not None:
        raise VaultFrozen(stop, field="vault")
    ours = _Ours.of(row, keyset, vaults.get(session, vault=row.vault_id).branch)
    try:
        signatures = ours.read(signed, cosigner)
    except AnswerRefused as refused:
        _suspect(session, row, cosigner, refused, now)
        return Answer(bundle, row.state, tuple(sorted(earlier)), refused)
    answer = AnswerRow(
        bundle_id=bundle,
        cosigner=cosigner,
        verdict="signed",
        signatures=signatures,
        at=now,
    )
    session.add(answer)
    audit.record(session, event="bundle.signed", subject=bundle, actor=cosigner, now=now, correlation_id=correlation_id)
    tell(session, bundle=bundle, event="answered", actor=cosigner, now=now, correlation_id=correlation_id)
    _complete_at_quorum(session, row, ours, {**earlier, cosigner: answer}, correlation_id, now)
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
    tell(session, bundle=row.id, event="answered", actor=refusal.cosigner, now=now, correlation_id=correlation_id)
    answers = {**earlier, refusal.cosigner: answer}
    if row.state == "open" and _refusals(answers) > row.members - row.threshold:
        _close(session, row, "refused", now)
        payload = {"bundle": row.id, "attempt": row.attempt_id}
        outbox.emit(session, topic=REFUSED, payload=payload, correlation_id=correlation_id, now=now)
    return _standing(row, answers)


def _complete_at_quorum(
    session: Session,
    row: BundleRow,
    ours: _Ours,
    answers: dict[str, AnswerRow],
    correlation_id: str,
    now: datetime,
) -> None:
    signed = [name for name in sorted(answers) if answers[name].verdict == "signed"]
    if len(signed) < row.threshold:
        return
    final = ours.finalise({name: answers[name].signatures for name in signed[: row.threshold]})
    row.final, row.txid = final.raw, final.spend
    _close(session, row, "complete", now)
    payload = {"bundle": row.id, "attempt": row.attempt_id}
    outbox.emit(session, topic=COMPLETE, payload=payload, correlation_id=correlation_id, now=now)


@dataclass(frozen=True, slots=True)
class _Ours:
    """What a bundle asks to have signed, and whose it is: what an answer says about either is not read."""

    chain: str
    """Where it is to be carried out."""
    unsigned: str
    inputs: tuple[Input, ...]
    keyset: Keyset
    branch: int

    @classmethod
    def of(cls, row: BundleRow, keyset: Keyset, branch: int) -> _Ours:
        """As it was stored when the bundle was opened."""
        inputs = tuple(read_input(item) for item in row.inputs)
        return cls(row.document["chain"], unsigned_of(row.document), inputs, keyset, branch)

    def read(self, signed: object, cosigner: str) -> dict[str, str]:
        """What the cosigner's answer adds. Raises ``AnswerRefused``, ``InvalidInput``."""
        return self._spending.read_answer(
            signed,
            unsigned=self.unsigned,
            inputs=self.inputs,
            keyset=self.keyset,
            branch=self.branch,
            cosigner=cosigner,
        )

    def finalise(self, signatures: dict[str, dict[str, Any]]) -> Signed:
        """The final attempt out of a quorum's answers."""
        return self._spending.finalise(
            signatures, unsigned=self.unsigned, inputs=self.inputs, keyset=self.keyset, branch=self.branch
        )

    @property
    def _spending(self) -> Spending:
        return spending(self.chain).for_vaults_of(self.keyset.chain)


def _stopped(session: Session, row: BundleRow) -> str | None:
    """Why nothing of it may be signed now, in words. What pays nobody stops with its vault, or with everything."""
    vault = vaults.get(session, vault=row.vault_id)
    if vault.is_frozen:
        return f"the vault is frozen: {vault.frozen_reason}"
    for payment in row.document["payments"]:
        request = payment["intent"]["request"]
        pays = request["kind"] != RespendRequest.kind
        stop = stops.first(
            session,
            client=request["client"] if pays else None,
            vault=row.vault_id,
            asset=request["asset"] if pays else None,
        )
        if stop is not None:
            return stop.words
    return None


def _suspect(session: Session, row: BundleRow, cosigner: str, refused: AnswerRefused, now: datetime) -> None:
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


def _root_version(bundle: Bundle) -> int:
    return bundle.succession[-1].root.version if bundle.succession else bundle.trust_root.root.version


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
    tell(session, bundle=row.id, event=state, actor="daemon", now=now)
