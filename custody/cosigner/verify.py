"""Whether this program signs a bundle, and why not: every rule in order, values in, verdict out.

Nothing here reads a file, a clock or a socket. The order: standing (time, trust root, policy, status), authors,
openings, lists of destinations,
judgement (policy, people, delays), the spend's effect, the memory of what was signed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from custody.cosigner.consistency import check_consistency
from custody.cosigner.craft import Bounds, Effect, Myself
from custody.cosigner.crafts import craft_of
from custody.cosigner.delays import expect_delays_over
from custody.cosigner.judgement import Court, check_authors, judge_payments
from custody.cosigner.limits import Limits
from custody.cosigner.listings import check_listings
from custody.cosigner.ownership import check_openings
from custody.cosigner.payments import JudgedPayment
from custody.cosigner.reasons import CosignerRefusal, Reason
from custody.cosigner.remembered import KnownOpening, MemoryView, PaidIntent, SignedTransaction
from custody.cosigner.screen import describe
from custody.cosigner.standing import PinnedRoot, check_standing
from custody.evidence.bundle import Bundle
from custody.evidence.status import Status

__all__ = ["CosignerRefusal", "Limits", "Myself", "PinnedRoot", "Reason", "Verdict", "verify"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """A yes: what will be signed, what it does, and what has to be remembered before a signature leaves."""

    bundle: Bundle
    effect: Effect
    payments: tuple[JudgedPayment, ...]
    openings: tuple[KnownOpening, ...]
    at: datetime

    @property
    def intents(self) -> tuple[PaidIntent, ...]:
        """Which intents the spend pays or gives up."""
        return tuple(payment.paid for payment in self.payments)

    @property
    def nonces(self) -> tuple[tuple[str, str, str], ...]:
        """Approver, nonce, statement of every approval that was counted."""
        return tuple(nonce for payment in self.payments for nonce in payment.nonces)

    @property
    def words(self) -> list[str]:
        """What will happen, one sentence a line."""
        return describe(self.effect, self.payments)

    @property
    def memory(self) -> SignedTransaction:
        """As the memory keeps it."""
        return SignedTransaction(
            spend=self.effect.spend,
            bundle=self.bundle.id,
            attempt=self.bundle.attempt,
            bundle_digest=self.bundle.digest,
            at=self.at,
            claims=dict(self.effect.claims),
            outputs=self.effect.outputs,
            fee_units=self.effect.fee_units,
            intents=self.intents,
        )


def verify(
    bundle: Bundle, *, pinned: PinnedRoot, memory: MemoryView, limits: Limits, me: Myself, now: datetime
) -> Verdict:
    """Prove that signing ``bundle`` carries out exactly what its authors asked and people approved.

    ``now`` is the keyholder's own clock. Raises ``CosignerRefusal`` with the first rule that is broken.
    """
    home = craft_of(me.network)
    craft = home if bundle.chain == home.chain else home.elsewhere(bundle.chain) or home
    standing = check_standing(bundle, pinned=pinned, memory=memory, limits=limits, craft=craft, now=now)
    root, document = standing.root, standing.document
    requests = check_authors(bundle, root=root, status=standing.status, craft=craft, now=now)
    owners = check_openings(
        bundle, chain=home.chain, versions=standing.versions, status=standing.status, memory=memory, now=now
    )
    listings = check_listings(
        bundle, versions=standing.versions, status=standing.status, owners=owners, memory=memory, now=now
    )
    court = Court(_still_counting(bundle, standing.status), root, document, owners, listings, memory, craft, now)
    payments = judge_payments(court, requests)
    delays = {payment.intent.digest: payment.decision.obligations.delay_seconds for payment in payments}
    expect_delays_over(memory, {**owners.delays, **listings.delays, **delays}, now)
    effect = craft.prove(bundle.unsigned, payments, Bounds(root, owners, limits, me))
    _expect_unaltered(bundle, effect, memory)
    intents = [payment.paid for payment in payments]
    check_consistency(effect, intents, root=root, memory=memory, limits=limits, now=now)
    return Verdict(bundle, effect, payments, owners.openings, now)


def _still_counting(bundle: Bundle, status: Status) -> Bundle:
    """The bundle without what services stated under keys that count no more: that is as good as not said."""
    heard = tuple(each for each in bundle.statements if each.signature.key not in status.revoked)
    return replace(bundle, statements=heard)


def _expect_unaltered(bundle: Bundle, effect: Effect, memory: MemoryView) -> None:
    earlier = memory.signed_bundle(bundle.id, bundle.attempt)
    if earlier is not None and earlier.spend != effect.spend:
        raise CosignerRefusal(Reason.BUNDLE_ALTERED, f"bundle {bundle.id} or its attempt was signed as {earlier.spend}")
