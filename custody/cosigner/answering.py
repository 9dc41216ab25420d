"""One bundle in, one lasting answer out: signatures, a signed refusal, or nothing yet."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from custody.cosigner.crafts import craft_of
from custody.cosigner.enrolment import myself
from custody.cosigner.keeping import AtTheDevice, CosignerKey
from custody.cosigner.limits import Limits
from custody.cosigner.lineage import Carried, Version, walk_from
from custody.cosigner.memory import Memory
from custody.cosigner.reasons import UNSIGNED, CosignerRefusal, Reason
from custody.cosigner.standing import Standing, check_rules
from custody.cosigner.verify import PinnedRoot, Verdict, verify
from custody.evidence.announcement import Announcement
from custody.evidence.announcement import Waiting as Announced
from custody.evidence.bundle import Bundle, Refusal, answer_field
from custody.evidence.check import RequestRefused, check_author
from custody.evidence.requests import RespendRequest
from custody.kernel.errors import InvalidInput, Refused


class NothingPinned(Refused):
    """No trust root is pinned, so nothing can be verified."""

    code = "nothing-pinned"


@dataclass(frozen=True, slots=True)
class Signed:
    """A yes: the spend with our signatures, or our signature of it, and the field of an answer that holds it."""

    bundle: str
    spend: str
    field: str
    signed: str

    def to_json(self, cosigner: str) -> dict[str, str]:
        """What the API takes, beside the bundle's id."""
        return {"cosigner": cosigner, self.field: self.signed}


@dataclass(frozen=True, slots=True)
class SignedRefusal:
    """A lasting no, signed."""

    refusal: Refusal
    signature: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """Neither yes nor a lasting no."""

    bundle: str
    why: str


HANDED_OVER: Final = ""
"""What the memory holds as the answer of a spend that a device was asked to sign."""
Answer = Signed | SignedRefusal | Waiting
Confirm = Callable[[Verdict], bool | None]
"""Shows a verdict to the person: yes, no, or ``None`` for not now."""


def read_bundle(value: object) -> Bundle:
    """A bundle that has a digest, so that every answer to it can be kept. Raises ``InvalidInput``."""
    bundle = Bundle.parse(value)
    try:
        bundle.digest  # noqa: B018 - computed to see that it can be
        bundle.policy.encode()
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidInput("has no canonical form", field="bundle") from error
    return bundle


class Desk:
    """Where bundles are answered, with one opened key."""

    def __init__(self, key: CosignerKey, memory: Memory, limits: Limits) -> None:
        if memory.pinned() is None:
            raise NothingPinned("pin one first", field="trust_root")
        self._key = key
        self._memory = memory
        self._limits = limits
        self._me = myself(key)
        self._craft = craft_of(self._me.network)

    @property
    def name(self) -> str:
        """The cosigner who answers here."""
        return self._me.name

    def check(self, bundle: Bundle, *, now: datetime) -> Verdict:
        """Verify only. Raises ``CosignerRefusal``."""
        return verify(bundle, pinned=self._pinned, memory=self._memory, limits=self._limits, me=self._me, now=now)

    @property
    def _pinned(self) -> PinnedRoot:
        # Asked anew each time: another process of this keyholder may have walked on.
        pinned = self._memory.pinned()
        assert pinned is not None
        return pinned

    def learn(self, carried: Carried, *, now: datetime) -> Standing | None:
        """Take over what is proved of the rules, whatever becomes of the rest: the newest version and statement.

        Neither ever goes back. ``None`` where the rules carried cannot be gone by (yet).
        """
        try:
            with self._memory.exclusive():
                standing = check_rules(
                    carried, pinned=self._pinned, memory=self._memory, limits=self._limits, craft=self._craft, now=now
                )
                self._memory.note_status(standing.signed_status, now=now)
                if not self._limits.confirm_versions:
                    self.advance(standing, now=now)
                return standing
        except CosignerRefusal as refusal:
            self._memory.note_seen(refusal.waiting, now=now)
            return None

    def see(self, told: Announcement, *, now: datetime) -> int:
        """Note when this program first saw intents that wait and that their requesters signed; how many there are.

        So a delay that policy requires is served while people decide, and not once more when there is a bundle.
        """
        self.learn(told, now=now)
        try:
            versions = walk_from(self._pinned, told, now=now).versions
        except CosignerRefusal:
            return 0
        asked = [each.intent.digest for each in told.intents if _is_asked_for(each, versions, now)]
        self._memory.note_seen(asked, now=now)
        return len(asked)

    def advance(self, standing: Standing, *, now: datetime) -> None:
        """Pin every version that was walked to. Inside the memory's ``exclusive``."""
        self._memory.advance([(step.root.version, step.root.hash) for step in standing.lineage.steps], now=now)

    def answer(self, bundle: Bundle, *, confirm: Confirm, clock: Callable[[], datetime]) -> Answer:
        """Answer ``bundle``; the same bundle always gets the same answer. Recorded before it is returned."""
        given = self._given(bundle)
        if given is not None:
            return given
        self._meet(bundle, now=clock())
        try:
            agreed = confirm(self.check(bundle, now=clock()))
            if agreed is None:
                return Waiting(bundle.id, "nobody confirmed it yet")
            if not agreed:
                raise CosignerRefusal(Reason.PERSON_DECLINED, "the keyholder declined")
            return self._sign(bundle, clock())
        except CosignerRefusal as refusal:
            return self._refuse(bundle, refusal, clock())

    def _meet(self, bundle: Bundle, *, now: datetime) -> None:
        """Learn its rules, and note when its listings were first seen: what nobody had to agree to counts from then."""
        standing = self.learn(bundle, now=now)
        if standing is None or not bundle.listings:
            return
        asked = [Announced(each.intent, each.request_signature) for each in bundle.listings]
        self._memory.note_seen(
            [each.intent.digest for each in asked if _is_asked_for(each, standing.versions, now)], now=now
        )

    def _given(self, bundle: Bundle) -> Answer | None:
        refused = self._memory.refusal_of(bundle.digest)
        if refused is not None:
            return SignedRefusal(*refused)
        spend = self._craft.spend_of(bundle.unsigned)
        if spend is None or self._memory.refused_spend(spend, _named_in(bundle)):
            return None
        answer = self._memory.answer_of(spend)
        return self._signed(bundle, spend, answer) if answer else None

    def _sign(self, bundle: Bundle, now: datetime) -> Answer:
        # Verified again under the lock: between the question and the yes, another process may have signed.
        with self._memory.exclusive():
            verdict = self.check(bundle, now=now)
            spend = verdict.effect.spend
            # A device may have signed what it was asked for though no answer came back, so it is remembered before it
            # is asked, and asked when nobody waits for the lock. The answer is not kept: the device is asked again.
            signed = HANDED_OVER if self._key.asks_a_device else verdict.effect.signed_by(self._key)
            if self._memory.answer_of(spend) is None:
                self._memory.record_signature(
                    verdict.memory, openings=verdict.openings, nonces=verdict.nonces, answer=signed
                )
        try:
            return self._signed(bundle, spend, signed or verdict.effect.signed_by(self._key))
        except AtTheDevice as waiting:
            return Waiting(bundle.id, waiting.message)

    def _signed(self, bundle: Bundle, spend: str, answer: str) -> Signed:
        return Signed(bundle.id, spend, answer_field(self._craft.chain), answer)

    def _refuse(self, bundle: Bundle, refusal: CosignerRefusal, now: datetime) -> Answer:
        if refusal.waiting:
            self._memory.note_seen(refusal.waiting, now=now)
        if refusal.reason in UNSIGNED:
            return Waiting(bundle.id, f"{refusal.reason.value}: {refusal.explanation}")
        with self._memory.exclusive():
            given = self._given(bundle)
            if given is not None:
                return given
            if self._memory.signed_bundle(bundle.id, bundle.attempt) is not None:
                return Waiting(bundle.id, f"{Reason.BUNDLE_ALTERED.value}: another transaction of it was signed")
            return self._record_refusal(bundle, refusal, now)

    def _record_refusal(self, bundle: Bundle, refusal: CosignerRefusal, now: datetime) -> SignedRefusal | Waiting:
        statement = Refusal(
            bundle=bundle.id,
            bundle_digest=bundle.digest,
            cosigner=self._me.name,
            reason=refusal.reason.value,
            explanation=_printable(refusal.explanation),
            at=now,
        )
        try:
            signature = self._key.sign_statement(statement.message)
        except AtTheDevice:
            # The statement says when, so a later one is another; a refusal is not worth carrying about.
            return Waiting(bundle.id, f"refused, and nobody was told: {refusal.reason.value}: {refusal.explanation}")
        spend, intents = self._craft.spend_of(bundle.unsigned), _asked_in(bundle)
        self._memory.record_refusal(statement, signature=signature, spend=spend, intents=intents)
        return SignedRefusal(statement, signature)


def _is_asked_for(waiting: Announced, versions: Iterable[Version], now: datetime) -> bool:
    """Whether a version that is proved knows the key its requester signed it with."""
    for version in versions:
        try:
            check_author(waiting.intent.request, waiting.request_signature, root=version.root, now=now)
        except RequestRefused:
            continue
        return True
    return False


def _asked_in(bundle: Bundle) -> frozenset[str]:
    return frozenset(payment.proven.intent.digest for payment in bundle.payments)


def _named_in(bundle: Bundle) -> frozenset[str]:
    """What it asks for, and what it asks to give up."""
    requests = (payment.proven.intent.request for payment in bundle.payments)
    return _asked_in(bundle) | {request.of for request in requests if isinstance(request, RespendRequest)}


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text).strip()[:500] or "refused"
