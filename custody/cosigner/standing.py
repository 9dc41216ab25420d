"""First rules: is this bundle for us, of our time, under the trust root and the policy we pinned?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from custody.cosigner.craft import Craft
from custody.cosigner.limits import Limits
from custody.cosigner.reasons import CosignerRefusal, Reason
from custody.evidence.bundle import Bundle
from custody.evidence.keysets import Keyset
from custody.evidence.trust_root import TrustRoot, TrustRootRefused, check_ceremony
from custody.kernel.errors import InvalidInput
from policies.document import Document, PolicyError, document_hash, load_document


@dataclass(frozen=True, slots=True)
class PinnedRoot:
    """The trust root a person compared and pinned, by its hash (hex)."""

    hash: str
    pinned_at: datetime


def check_standing(
    bundle: Bundle, *, pinned: PinnedRoot, limits: Limits, craft: Craft, now: datetime
) -> tuple[TrustRoot, Document]:
    """The pinned trust root and policy that judge ``bundle``; ``craft`` is its chain's. Raises ``CosignerRefusal``."""
    if bundle.chain != craft.chain:
        raise CosignerRefusal(Reason.WRONG_CHAIN, f"the bundle is for {bundle.chain}, this key for {craft.chain}")
    _check_times(bundle, limits, now)
    root = _check_root(bundle, pinned, now)
    for keyset in (keyset for keyset in root.keysets if keyset.chain == craft.home):
        _check_keyset(keyset, craft)
    return root, _check_policy(bundle.policy, root)


def _check_times(bundle: Bundle, limits: Limits, now: datetime) -> None:
    ahead = bundle.created_at - now
    if ahead > timedelta(seconds=limits.clock_skew_seconds):
        raise CosignerRefusal(Reason.CLOCKS_DIFFER, f"the bundle was made {int(ahead.total_seconds())} s in our future")
    if now > bundle.not_after:
        raise CosignerRefusal(Reason.BUNDLE_EXPIRED, "the bundle is past its time")
    if now - bundle.created_at > timedelta(seconds=limits.bundle_age_seconds):
        raise CosignerRefusal(Reason.BUNDLE_EXPIRED, "the bundle is older than our limit")


def _check_root(bundle: Bundle, pinned: PinnedRoot, now: datetime) -> TrustRoot:
    if bundle.trust_root.root.hash != pinned.hash:
        raise CosignerRefusal(Reason.ROOT_NOT_PINNED, "the trust root is not the one pinned here")
    try:
        return check_ceremony(bundle.trust_root, now=now)
    except TrustRootRefused as error:
        raise CosignerRefusal(Reason.ROOT_NOT_IN_FORCE, str(error)) from error


def _check_keyset(keyset: Keyset, craft: Craft) -> None:
    try:
        craft.check_keyset(keyset)
    except InvalidInput as error:
        raise CosignerRefusal(Reason.KEYSET_NOT_OURS, str(error)) from error


def _check_policy(text: str, root: TrustRoot) -> Document:
    if document_hash(text) != root.policy_hash:
        raise CosignerRefusal(Reason.POLICY_NOT_PINNED, "the policy text is not the trust root's")
    try:
        return _load(text)
    except PolicyError as error:
        raise CosignerRefusal(Reason.POLICY_NOT_PINNED, f"the policy cannot be read: {error}") from error


_load = lru_cache(maxsize=4)(load_document)
