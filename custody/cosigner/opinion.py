"""A second opinion of a bundle: what a cosigner that remembers nothing would answer, in the words it would use.

The checks are the cosigner's own, by the same functions and in the same order. What only a keyholder's memory can tell
(how long ago it first saw a request, what it signed before, its own limits) is not judged, and said not to be.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from custody.cosigner.craft import Myself
from custody.cosigner.devices import screens
from custody.cosigner.limits import Limits
from custody.cosigner.lineage import PinnedRoot
from custody.cosigner.networks import network_named, read_account
from custody.cosigner.reasons import CosignerRefusal, Reason
from custody.cosigner.remembered import Claim, KnownOpening, SignedTransaction
from custody.cosigner.verify import Verdict, verify
from custody.evidence.bundle import Bundle
from custody.evidence.codes import digest_code, long_code, names_digest
from custody.evidence.intents import Intent
from custody.evidence.screens import Screen
from custody.evidence.trust_root import TrustRoot
from custody.evidence.words import say
from custody.kernel.errors import InvalidInput

_LONG_AGO: Final = datetime(1, 1, 1, tzinfo=UTC)
NOT_JUDGED: Final = (
    "not judged here: what each keyholder remembers (delays since it first saw this, what it signed, its own limits)"
)


@dataclass(frozen=True, slots=True)
class Opinion:
    """What a file would do, and whether it may."""

    kind: str
    """``bundle``, ``proposal``, ``intent`` or ``approval``."""
    digests: tuple[str, ...]
    """Of every intent in it."""
    words: tuple[str, ...]
    """What will happen, one sentence a line."""
    may: bool
    why: str
    """Why, or why not."""
    reason: str | None = None
    """A cosigner's reason for its no."""
    devices: tuple[Screen, ...] = ()
    notes: tuple[str, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "kind": self.kind,
            "may": self.may,
            "reason": self.reason,
            "why": self.why,
            "intents": [
                {"digest": each, "code": digest_code(each), "long_code": long_code(each)} for each in self.digests
            ],
            "words": list(self.words),
            "devices": [screen.to_json() for screen in self.devices],
            "notes": list(self.notes),
        }


class NoMemory:
    """A ``MemoryView`` of a program that has seen nothing, and before which every delay is over."""

    def openings(self) -> tuple[KnownOpening, ...]:
        """None."""
        return ()

    def signed_for_intent(self, _digest: str) -> tuple[SignedTransaction, ...]:
        """None."""
        return ()

    def signed_with_claim(self, _claim: Claim) -> tuple[SignedTransaction, ...]:
        """None."""
        return ()

    def intent_of_request(self, _request_digest: str) -> None:
        """Nothing was paid."""
        return

    def signed_since(self, _moment: datetime) -> tuple[SignedTransaction, ...]:
        """None."""
        return ()

    def first_seen(self, _digest: str) -> datetime:
        """Long ago: delays are the keyholders' to count."""
        return _LONG_AGO

    def newest_status(self, _service: str) -> None:
        """No statement was seen."""
        return

    def nonce_use(self, _approver: str, _nonce: str) -> None:
        """None was used."""
        return

    def refused_spend(self, _spend: str, _intents: Collection[str]) -> bool:
        """False."""
        return False

    def signed_bundle(self, _bundle: str, _attempt: str) -> None:
        """None."""
        return


def opinion_of_bundle(bundle: Bundle, *, pin: str, now: datetime) -> Opinion:
    """Whether a cosigner that pinned ``pin`` (code or hash of a version in the bundle) would sign, and what.

    ``now`` is the judge's clock. A bundle that may not is described all the same, from its intents alone.
    """
    digests = tuple(payment.proven.intent.digest for payment in bundle.payments)
    root = _pinned(bundle, pin)
    if root is None:
        offered = bundle.trust_root.root
        why = f"nobody said which trust root counts; this file brings {offered.name}, code {digest_code(offered.hash)}"
        if pin:
            why = f"the trust root you keep is not in it; it brings {offered.name}, code {digest_code(offered.hash)}"
        return Opinion("bundle", digests, _asked(bundle), False, why, Reason.ROOT_NOT_PINNED.value)
    try:
        verdict = _judge(bundle, root, now)
    except CosignerRefusal as refusal:
        return Opinion("bundle", digests, _asked(bundle), False, refusal.explanation, refusal.reason.value)
    newest = _roots(bundle)[-1]
    under = f"{newest.name}, version {newest.version}, code {digest_code(newest.hash)}"
    why = f"every check of a cosigner passes under {under}"
    return Opinion(
        "bundle",
        digests,
        tuple(verdict.words),
        True,
        why,
        devices=tuple(screens(verdict.effect, verdict.payments)),
        notes=(*_delays(verdict), NOT_JUDGED),
    )


def words_under(intent: Intent, root: TrustRoot | None) -> list[str]:
    """What will happen, with amounts as people write them where ``root`` registers the asset."""
    named = getattr(intent.request, "asset", None)
    if named is None or root is None:
        return say(intent)
    own = next((asset for asset in root.assets if asset.chain == intent.chain and "/slip44:" in asset.id), None)
    return say(intent, asset=root.asset(named), fee_asset=own)


def _judge(bundle: Bundle, root: TrustRoot, now: datetime) -> Verdict:
    me = _somebody(bundle)
    pinned = PinnedRoot(root.hash, now, root.version)
    return verify(bundle, pinned=pinned, memory=NoMemory(), limits=Limits(), me=me, now=now)


def _pinned(bundle: Bundle, pin: str) -> TrustRoot | None:
    return next((root for root in _roots(bundle) if pin and names_digest(pin, root.hash)), None)


def _roots(bundle: Bundle) -> list[TrustRoot]:
    """Every version that it brings, oldest first; none is believed yet."""
    return [bundle.trust_root.root, *(link.root for link in bundle.succession)]


def _somebody(bundle: Bundle) -> Myself:
    """One of the vault's cosigners: each of them is asked the same. Raises ``CosignerRefusal``."""
    if not bundle.payments:
        raise CosignerRefusal(Reason.NOTHING_TO_PAY, "the bundle pays nobody")
    named = bundle.payments[0].proven.intent.vault.keyset
    keyset = next((found for root in reversed(_roots(bundle)) if (found := root.keyset(named))), None)
    if keyset is None:
        raise CosignerRefusal(Reason.KEYSET_NOT_OURS, f"the trust root has no keyset {named}")
    member = keyset.cosigners[0]
    try:
        network = network_named(keyset.chain)
        return Myself(member.id, read_account(member.account_key, network, field="keyset.cosigners"), network)
    except InvalidInput as error:
        raise CosignerRefusal(Reason.KEYSET_NOT_OURS, str(error)) from error


def _asked(bundle: Bundle) -> tuple[str, ...]:
    newest = _roots(bundle)[-1]
    return tuple(line for payment in bundle.payments for line in words_under(payment.proven.intent, newest))


def _delays(verdict: Verdict) -> list[str]:
    delays = {payment.decision.obligations.delay_seconds for payment in verdict.payments} - {0}
    return [f"policy asks for a delay of {seconds} s, which each keyholder counts" for seconds in sorted(delays)]
