"""First rules: is this bundle for us, of our time, under the newest trust root and its policy, and still wanted?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from custody.cosigner.craft import Craft
from custody.cosigner.delays import expect_delays_over
from custody.cosigner.freshness import expect_fresh, expect_not_withdrawn
from custody.cosigner.limits import Limits
from custody.cosigner.lineage import Carried, Lineage, PinnedRoot, Version, walk_from
from custody.cosigner.reasons import CosignerRefusal, Reason
from custody.cosigner.remembered import MemoryView
from custody.evidence.bundle import Bundle
from custody.evidence.keysets import Keyset
from custody.evidence.status import SignedStatus, Status
from custody.evidence.trust_root import TrustRoot
from custody.kernel.errors import InvalidInput
from policies.document import Document, PolicyError, document_hash

__all__ = ["PinnedRoot", "Standing", "check_rules", "check_standing"]


@dataclass(frozen=True, slots=True)
class Standing:
    """The rules that judge a bundle, and what was taken back since."""

    lineage: Lineage
    document: Document
    signed_status: SignedStatus

    @property
    def root(self) -> TrustRoot:
        """The newest trust root."""
        return self.lineage.newest.root

    @property
    def status(self) -> Status:
        """What was taken back."""
        return self.signed_status.status

    @property
    def versions(self) -> tuple[Version, ...]:
        """Every version proved, oldest first."""
        return self.lineage.versions


def check_standing(
    bundle: Bundle, *, pinned: PinnedRoot, memory: MemoryView, limits: Limits, craft: Craft, now: datetime
) -> Standing:
    """The rules that judge ``bundle``; ``craft`` is its chain's. Raises ``CosignerRefusal``."""
    if bundle.chain != craft.chain:
        raise CosignerRefusal(Reason.WRONG_CHAIN, f"the bundle is for {bundle.chain}, this key for {craft.chain}")
    _check_times(bundle, limits, now)
    standing = check_rules(bundle, pinned=pinned, memory=memory, limits=limits, craft=craft, now=now)
    if limits.confirm_versions and standing.lineage.steps:
        raise CosignerRefusal(
            Reason.VERSION_NOT_CONFIRMED,
            f"version {standing.root.version} of the trust root waits for the keyholder; read it with advance",
        )
    return standing


def check_rules(
    carried: Carried, *, pinned: PinnedRoot, memory: MemoryView, limits: Limits, craft: Craft, now: datetime
) -> Standing:
    """Walk from the pinned version to the newest, and read the statement on what was taken back.

    A version whose delay is not over, counted from when its intent was first seen here, or whose intent was taken
    back, does not count. Raises ``CosignerRefusal``.
    """
    lineage = walk_from(pinned, carried, now=now)
    root = lineage.newest.root
    for keyset in (keyset for keyset in root.keysets if keyset.chain == craft.home):
        _check_keyset(keyset, craft)
    document = _check_policy(lineage.newest)
    status = expect_fresh(carried.status, root=root, memory=memory, limits=limits, now=now)
    assert carried.status is not None
    expect_not_withdrawn(status, [step.digest for step in lineage.steps])
    expect_delays_over(memory, {step.digest: step.delay_seconds for step in lineage.steps}, now)
    return Standing(lineage, document, carried.status)


def _check_times(bundle: Bundle, limits: Limits, now: datetime) -> None:
    ahead = bundle.created_at - now
    if ahead > timedelta(seconds=limits.clock_skew_seconds):
        raise CosignerRefusal(Reason.CLOCKS_DIFFER, f"the bundle was made {int(ahead.total_seconds())} s in our future")
    if now > bundle.not_after:
        raise CosignerRefusal(Reason.BUNDLE_EXPIRED, "the bundle is past its time")
    if now - bundle.created_at > timedelta(seconds=limits.bundle_age_seconds):
        raise CosignerRefusal(Reason.BUNDLE_EXPIRED, "the bundle is older than our limit")


def _check_keyset(keyset: Keyset, craft: Craft) -> None:
    try:
        craft.check_keyset(keyset)
    except InvalidInput as error:
        raise CosignerRefusal(Reason.KEYSET_NOT_OURS, str(error)) from error


def _check_policy(newest: Version) -> Document:
    if document_hash(newest.policy) != newest.root.policy_hash:
        raise CosignerRefusal(Reason.POLICY_NOT_PINNED, "the policy text is not the trust root's")
    try:
        return newest.load()
    except PolicyError as error:
        raise CosignerRefusal(Reason.POLICY_NOT_PINNED, f"the policy cannot be read: {error}") from error
