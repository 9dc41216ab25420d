"""From the version of the trust root that is pinned here to the newest: this program walks it by itself.

What the pinned version comes from is believed by its hash, which the next version states; what follows it is believed
because the people of the version before agreed (``custody.evidence.succession``).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Protocol

from custody.cosigner.reasons import CosignerRefusal, Reason
from custody.evidence.status import SignedStatus
from custody.evidence.succession import RootLink, Step, SuccessionRefused, differing, walk
from custody.evidence.trust_root import SignedTrustRoot, TrustRoot, TrustRootRefused, check_first, check_unexpired
from custody.evidence.words import say
from policies.document import Document, PolicyError, document_hash, load_document


@dataclass(frozen=True, slots=True)
class PinnedRoot:
    """The version of the trust root pinned here, by its hash (hex): the first a person compared, or one walked to."""

    hash: str
    pinned_at: datetime
    version: int = 1


class Carried(Protocol):
    """What a bundle or an announcement carries of the rules, as its daemon tells it."""

    @property
    def trust_root(self) -> SignedTrustRoot:
        """Version 1 with its ceremony."""

    @property
    def succession(self) -> tuple[RootLink, ...]:
        """Every version after it."""

    @property
    def policy(self) -> str:
        """Text of the newest policy."""

    @property
    def status(self) -> SignedStatus | None:
        """What was taken back."""


@dataclass(frozen=True, slots=True)
class Version:
    """One version of the trust root and the exact text of its policy."""

    root: TrustRoot
    policy: str

    @property
    def document(self) -> Document | None:
        """Its policy; ``None`` where the text is another one or cannot be read."""
        if document_hash(self.policy) != self.root.policy_hash:
            return None
        try:
            return self.load()
        except PolicyError:
            return None

    def load(self) -> Document:
        """Read the text, once per process. Raises ``PolicyError``."""
        return _load(self.policy)


@dataclass(frozen=True, slots=True)
class Lineage:
    """Every version that is proved, oldest first, and the steps beyond the pinned one."""

    versions: tuple[Version, ...]
    steps: tuple[Step, ...]

    @property
    def newest(self) -> Version:
        """The one that counts."""
        return self.versions[-1]

    def words(self, carried: Carried) -> list[str]:
        """What every step beyond the pinned version changes, who asked for it and who agreed, one sentence a line."""
        lines: list[str] = []
        before = self.versions[-len(self.steps) - 1].root if self.steps else self.newest.root
        proven = {link.root.hash: link.proven for link in carried.succession}
        for step in self.steps:
            agreed = proven[step.root.hash]
            names = sorted({each.statement.approver for each in agreed.approvals})
            lines += [*say(agreed.intent), f"agreed to by {', '.join(names)}"]
            lines.append(f"it changes: {', '.join(sorted(differing(before, step.root))) or 'nothing but its time'}")
            before = step.root
        return lines


def walk_from(pinned: PinnedRoot, carried: Carried, *, now: datetime) -> Lineage:
    """Find the pinned version in ``carried`` and prove every one after it. Delays are the caller's to judge.

    Raises ``CosignerRefusal``.
    """
    versions = _versions(carried)
    here = next((place for place, each in enumerate(versions) if each.root.hash == pinned.hash), None)
    if here is None and max(each.root.version for each in versions) < pinned.version:
        raise CosignerRefusal(Reason.ROOT_OLDER, f"version {pinned.version} of the trust root is pinned here")
    if here is None:
        raise CosignerRefusal(Reason.ROOT_NOT_PINNED, "the trust root is not the one pinned here")
    start = versions[here].root
    try:
        if start.version == 1:
            check_first(carried.trust_root)
        steps = tuple(walk(start, carried.succession, newest_policy=carried.policy, now=now))
        check_unexpired(versions[-1].root, now=now)
    except TrustRootRefused as error:
        raise CosignerRefusal(Reason.ROOT_NOT_IN_FORCE, str(error)) from error
    except SuccessionRefused as error:
        raise CosignerRefusal(Reason.SUCCESSION_NOT_PROVEN, str(error)) from error
    proved = {start.hash, *(step.root.hash for step in steps)}
    if versions[-1].root.hash not in proved:
        raise CosignerRefusal(Reason.ROOT_OLDER, f"version {pinned.version} of the trust root is pinned here")
    ahead = tuple(each for each in versions[here:] if each.root.hash in proved)
    return Lineage((*_ancestors(versions[: here + 1]), *ahead), steps)


def _versions(carried: Carried) -> list[Version]:
    roots = [carried.trust_root.root, *(link.root for link in carried.succession)]
    texts = [*(link.policy for link in carried.succession), carried.policy]
    return [Version(root, text) for root, text in zip(roots, texts, strict=True)]


def _ancestors(upto: list[Version]) -> list[Version]:
    """Those before the last of ``upto`` which the last names, and that one's predecessor, and so on; oldest first."""
    found: list[Version] = []
    later = upto[-1].root
    for each in reversed(upto[:-1]):
        if each.root.hash != later.previous:
            break
        found.insert(0, each)
        later = each.root
    return found


_load = lru_cache(maxsize=8)(load_document)
